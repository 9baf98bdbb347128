"""Killing workers at random and flushing the broker loses no message and doubles no effect."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from identity_privacy.delivery.simulator import effects
from tests.faults.house import House, free_port, house, wait_until
from tests.servers import databases, postgres, rabbitmq

ROUNDS, PER_ROUND, KILLS_A_ROUND = 5, 20, 2
MODES = ("healthy", "healthy", "flaky")
IN_FLIGHT = 16 * len(MODES)


CHANCE = random.Random()  # noqa: S311  # when to kill whom


def test_killed_workers_and_a_flushed_broker_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        postgres() as server,
        databases(server) as (database_url, keys_url),
        rabbitmq() as broker_url,
        house(tmp_path, database_url, keys_url, broker_url) as service,
    ):
        files = start_partners(service)
        service.start_beat()
        workers = [service.start_worker() for _ in range(3)]
        kills = 0
        for _ in range(ROUNDS - 2):
            write(service)
            for _ in range(KILLS_A_ROUND):
                time.sleep(CHANCE.uniform(0, 1.2))
                kills += kill(service, workers, CHANCE.randrange(len(workers)))
                workers.append(service.start_worker())
        # All are killed while messages are in their hands, each of which takes its receiver a while.
        write(service)
        wait_until(lambda: service.ask(IN_HAND) != [(0,)], 30, "messages in flight")
        while workers:
            kills += kill(service, workers, 0)
        # No wake-up for the last round is left: only the sweep can find it.
        write(service)
        flushed = service.flush_broker()
        workers = [service.start_worker() for _ in range(3)]
        sent = ROUNDS * PER_ROUND * len(MODES)
        recovered = wait_until(lambda: states(service) == {"delivered": sent}, 30, "all delivered")

        assert states(service) == {"delivered": sent}
        assert service.ask(IN_HAND) == [(0,)]
        wire = [file_effects for file in files for file_effects in effects(file).values()]
        expected = sum(3 if mode == "flaky" else 1 for mode in MODES) * ROUNDS * PER_ROUND
        duplicates = sum(arrivals for arrivals, _ in wire) - expected
        ((lost_workers,),) = service.ask("SELECT count(*) FROM delivery_attempt WHERE outcome = 'worker_lost'")

        assert len(wire) == sent, "every message reached its receiver"
        assert {done for _, done in wire} == {1}, "one effect for each webhook-id"
        assert flushed >= PER_ROUND * len(MODES), "the broker had wake-ups to lose"
        assert lost_workers, "the kills struck while messages were in flight"
        assert 0 <= duplicates <= kills * IN_FLIGHT
    with capsys.disabled():
        sys.stdout.write(
            f"\nsent {sent}, delivered {sent}, lost 0, duplicates on the wire {duplicates}, kills {kills},"
            f" wake-ups flushed {flushed}, recovered in {recovered:.1f} s\n"
        )


def write(service: House) -> None:
    service.run("-m", "tests.faults.filling", "messages", str(PER_ROUND))


def kill(service: House, workers: list[subprocess.Popen[bytes]], index: int) -> int:
    service.kill(workers.pop(index))
    return 1


def start_partners(service: House) -> list[Path]:
    ports = [free_port() for _ in MODES]
    secrets = json.loads(service.run("-m", "tests.faults.filling", "systems", *map(str, ports)))
    files = [service.folder / f"effects{port}" for port in ports]
    for mode, port, (outbound, inbound), file in zip(MODES, ports, secrets, files, strict=True):
        service.start(
            *(sys.executable, "manage.py", "partner", "simulate", f"--port={port}", f"--mode={mode}", "--think=0.3"),
            f"--effects={file}",
            PARTNER_SECRET=outbound,
            PARTNER_INBOUND_SECRET=inbound,
        )
    return files


def states(service: House) -> Counter[str]:
    return Counter({str(state): int(str(count)) for state, count in service.ask(STATES)})


IN_HAND = "SELECT count(*) FROM delivery_message WHERE lease_id IS NOT NULL"
STATES = "SELECT state, count(*) FROM delivery_message GROUP BY state"
