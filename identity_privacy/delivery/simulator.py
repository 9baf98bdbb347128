"""A linked system to try things out with: receives our webhooks and answers as a real one would.

It runs as a process of its own and knows nothing of our database. It verifies with the official `standardwebhooks`
package, and commits its effect before it answers, one per `webhook-id`, as every partner should.

- healthy: does what it is asked at once and answers with the signed result.
- flaky: refuses the first two tries of every message with 503, then is healthy.
- later: answers 202, and posts the signed result to `result_url` a moment later.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from identity_privacy import clock
from identity_privacy.delivery import webhooks

logger = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS arrival (webhook_id TEXT NOT NULL, topic TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS arrival_by_webhook_id ON arrival (webhook_id);
CREATE TABLE IF NOT EXISTS effect (
    webhook_id TEXT PRIMARY KEY, topic TEXT NOT NULL, result TEXT NOT NULL, at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS erased (account TEXT PRIMARY KEY);
"""


class Mode(StrEnum):
    """How the simulated system behaves."""

    HEALTHY = "healthy"
    FLAKY = "flaky"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a simulated system is started with; with a private key it signs by Ed25519, else by HMAC."""

    mode: Mode
    port: int
    secret: str
    inbound_secret: str
    private_key: str = ""
    effects: Path
    log: Path | None = None
    delay_seconds: float = 1.0
    think_seconds: float = 0.0
    refusals: int = 2


class Shop:
    """The system's own data: for every account a few orders, made up from the account's name, until it is erased."""

    def __init__(self, file: Path) -> None:
        # The tables are shared with whoever counts effects from outside; each statement commits by itself.
        self._database = sqlite3.connect(file, isolation_level=None, timeout=30)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Give the file free."""
        self._database.close()

    def arrived(self, webhook_id: str, topic: str) -> int:
        """Note one arrival on the wire, and say the how-manieth of this message it is."""
        at = clock.machine_now().isoformat()
        self._database.execute("INSERT INTO arrival VALUES (?, ?, ?)", (webhook_id, topic, at))
        (count,) = self._database.execute("SELECT count(*) FROM arrival WHERE webhook_id = ?", (webhook_id,)).fetchone()
        return int(count)

    def carry_out(self, webhook_id: str, message: Mapping[str, object]) -> bytes:
        """Do what is asked, once per `webhook_id`, and return the result; a repetition gets the first one's."""
        topic, at = str(message.get("type", "")), clock.machine_now().isoformat()
        with closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            done = cursor.execute("SELECT result FROM effect WHERE webhook_id = ?", (webhook_id,)).fetchone()
            if done is None:
                result = json.dumps(
                    {"type": topic, "task": message.get("task"), **self._effect(cursor, topic, message)}
                )
                cursor.execute("INSERT INTO effect VALUES (?, ?, ?, ?)", (webhook_id, topic, result, at))
            else:
                result = str(done[0])
            cursor.execute("COMMIT")
        return result.encode()

    def _effect(self, cursor: sqlite3.Cursor, topic: str, message: Mapping[str, object]) -> dict[str, object]:
        accounts = _texts(message.get("accounts"))
        orders = [order for account in accounts for order in self._orders(cursor, account)]
        found: dict[str, object] = {"outcome": "done" if orders else "nothing_found", "reason": ""}
        if topic == "task.erase":
            cursor.executemany("INSERT OR IGNORE INTO erased VALUES (?)", [(account,) for account in accounts])
            return {**found, "counts": {"orders": len(orders)}}
        if topic == "task.access":
            return {**found, "counts": {"orders": len(orders)}, "data": {"orders": orders}}
        if topic == "task.recheck":
            return {**found, "counts": {"found": len(orders)}}
        return {"outcome": "done", "counts": {}, "reason": ""}

    def _orders(self, cursor: sqlite3.Cursor, account: str) -> Sequence[dict[str, str]]:
        if cursor.execute("SELECT 1 FROM erased WHERE account = ?", (account,)).fetchone():
            return []
        digest = sha256(account.encode()).digest()
        return [
            {
                "number": f"{digest[4 * n : 4 * n + 3].hex().upper()}",
                "placed_on": f"202{digest[n] % 6}-{digest[n + 8] % 12 + 1:02}-{digest[n + 16] % 28 + 1:02}",
                "total": f"{digest[n + 24] + 5}.{digest[n] % 100:02} EUR",
            }
            for n in range(1 + digest[0] % 4)
        ]


class Partner:
    """The receiver itself, as an aiohttp application."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._shop = Shop(simulation.effects)
        self._webhook = Webhook(simulation.secret)
        self._key = webhooks.read_private_key(simulation.private_key) if simulation.private_key else None
        self._reports: set[asyncio.Task[None]] = set()
        self.application = web.Application(client_max_size=1_048_576)
        self.application.router.add_post("/", self._receive)
        self.application.on_shutdown.append(self._finish)

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            message = self._webhook.verify(body, dict(request.headers))
        except (WebhookVerificationError, ValueError):
            return self._answered("", "", web.Response(status=401))
        if not isinstance(message, dict):
            return self._answered("", "", web.Response(status=400))
        webhook_id, topic = request.headers["webhook-id"], str(message.get("type", ""))
        count = self._shop.arrived(webhook_id, topic)
        if self._simulation.mode == Mode.FLAKY and count <= self._simulation.refusals:
            return self._answered(webhook_id, topic, web.Response(status=503))
        result = self._shop.carry_out(webhook_id, message)
        await asyncio.sleep(self._simulation.think_seconds)
        if self._simulation.mode == Mode.LATER and "result_url" in message:
            report = asyncio.create_task(self._report(str(message["result_url"]), result))
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)
            return self._answered(webhook_id, topic, web.Response(status=202))
        return self._answered(webhook_id, topic, web.Response(body=result, headers=self._signed(webhook_id, result)))

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        signed = webhooks.sign(
            message_id=message_id,
            timestamp=int(clock.machine_now().timestamp()),
            body=body,
            secrets=[] if self._key else [self._simulation.inbound_secret],
            ed25519=self._key.sign if self._key else None,
        )
        return {"Content-Type": "application/json", **signed}

    async def _report(self, result_url: str, result: bytes) -> None:
        report_id, wait = f"msg_{uuid4().hex}", self._simulation.delay_seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            for _ in range(8):
                await asyncio.sleep(wait)
                try:
                    async with session.post(
                        result_url, data=result, headers=self._signed(report_id, result)
                    ) as response:
                        self._log(report_id, "result", response.status)
                        if response.status < 500:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    self._log(report_id, "result", 0)
                wait *= 2

    def _answered(self, webhook_id: str, topic: str, response: web.Response) -> web.Response:
        self._log(webhook_id, topic, response.status)
        return response

    def _log(self, webhook_id: str, topic: str, status: int) -> None:
        if self._simulation.log is not None:
            line = {"at": clock.machine_now().isoformat(), "id": webhook_id, "type": topic, "status": status}
            with self._simulation.log.open("a") as file:
                file.write(json.dumps(line) + "\n")

    async def _finish(self, _: web.Application) -> None:
        for report in self._reports:
            report.cancel()
        self._shop.close()


def simulate(simulation: Simulation) -> None:
    """Receive on the loopback address until the process is told to stop."""
    web.run_app(
        Partner(simulation).application,
        host="127.0.0.1",
        port=simulation.port,
        print=None,
        access_log=None,
        handle_signals=True,
        shutdown_timeout=1,
    )


def effects(file: Path) -> dict[UUID, tuple[int, int]]:
    """For each message that arrived: how often on the wire, and how many effects it had; read from outside."""
    with closing(sqlite3.connect(file, timeout=30)) as database:
        rows = database.execute(
            "SELECT webhook_id, count(*), (SELECT count(*) FROM effect WHERE effect.webhook_id = arrival.webhook_id)"
            " FROM arrival GROUP BY webhook_id"
        ).fetchall()
    return {UUID(hex=webhook_id.removeprefix("msg_")): (arrivals, done) for webhook_id, arrivals, done in rows}


def _texts(value: object) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
