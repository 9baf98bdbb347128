"""The simulated partner does as a good one should, in each of its modes; the worked example of the docs is true."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from identity_privacy import clock
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.simulator import Mode, effects
from identity_privacy.delivery.terms import SignatureKind
from tests.delivery.world import Receiver

SECRET, INBOUND, PRIVATE = webhooks.new_secret(), webhooks.new_secret(), webhooks.new_private_key()
ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "reference" / "webhooks.md"


@contextmanager
def partner(folder: Path, mode: Mode, *more: str, private_key: str = "") -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "manage.py", "partner", "simulate", f"--port={port}", f"--mode={mode}"),
        *(f"--effects={folder / 'effects'}", f"--log={folder / 'log'}", *more),
    ]
    secrets = {"PARTNER_SECRET": SECRET, "PARTNER_INBOUND_SECRET": INBOUND, "PARTNER_PRIVATE_KEY": private_key}
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **secrets})
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        assert process.wait(10) == 0


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError


def message(topic: str, **more: object) -> bytes:
    return json.dumps({"type": topic, "task": "0190", "accounts": ["alice-17"], **more}).encode()


def post(url: str, body: bytes, message_id: str, secret: str = SECRET) -> tuple[int, Mapping[str, str], bytes]:
    headers = webhooks.sign(
        message_id=message_id, timestamp=int(clock.machine_now().timestamp()), body=body, secrets=[secret]
    )
    try:
        with urlopen(Request(url, data=body, headers=headers), timeout=10) as answer:  # noqa: S310  # loopback
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except HTTPError as error:
        return error.code, {}, b""


def kind_of(headers: Mapping[str, str], body: bytes) -> SignatureKind:
    return webhooks.verify(
        headers=headers,
        body=body,
        now=clock.machine_now(),
        secrets=[INBOUND],
        public_keys=[webhooks.public_half(PRIVATE)],
    ).kind


MESSAGE_ID = "msg_" + "0" * 31 + "1"


def test_a_healthy_partner_answers_erases_once_and_then_finds_nothing(tmp_path: Path) -> None:
    with partner(tmp_path, Mode.HEALTHY, private_key=PRIVATE) as url:
        status, headers, body = post(url, message("task.access"), MESSAGE_ID)
        given = json.loads(body)
        assert (status, given["outcome"], given["counts"]["orders"]) == (200, "done", len(given["data"]["orders"]))
        assert kind_of(headers, body) == SignatureKind.ED25519

        first, again = (post(url, message("task.erase"), "msg_" + "0" * 31 + "2")[2] for _ in range(2))
        assert json.loads(first)["type"] == "task.erase"
        assert (json.loads(first)["outcome"], json.loads(first)["counts"]) == ("done", given["counts"])
        assert first == again

        rechecked = json.loads(post(url, message("task.recheck"), "msg_" + "0" * 31 + "3")[2])
        assert (rechecked["outcome"], rechecked["counts"]) == ("nothing_found", {"found": 0})
        assert post(url, message("task.erase"), MESSAGE_ID, secret=INBOUND)[0] == 401
    assert sorted(effects(tmp_path / "effects").values()) == [(1, 1), (1, 1), (2, 1)]
    assert "alice-17" not in (tmp_path / "log").read_text()


def test_a_partner_without_its_secret_says_which_to_set(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "partner", "simulate", "--port=9", f"--effects={tmp_path / 'effects'}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (told.returncode, told.stderr) == (1, "CommandError: set PARTNER_SECRET in the environment: whsec_…\n")


def test_a_flaky_partner_refuses_twice_and_then_has_one_effect(tmp_path: Path) -> None:
    with partner(tmp_path, Mode.FLAKY) as url:
        answers = [post(url, message("task.erase"), MESSAGE_ID) for _ in range(3)]

    assert [status for status, _, _ in answers] == [503, 503, 200]
    assert kind_of(*answers[2][1:]) == SignatureKind.HMAC
    assert list(effects(tmp_path / "effects").values()) == [(3, 1)]


def test_a_later_partner_accepts_and_then_reports_signed(tmp_path: Path, receiver: Receiver) -> None:
    with partner(tmp_path, Mode.LATER, "--delay=0.1") as url:
        assert post(url, message("task.erase", result_url=receiver.url), MESSAGE_ID)[::2] == (202, b"")
        for _ in range(100):
            if receiver.requests:
                break
            time.sleep(0.05)

    ((headers, body),) = receiver.requests
    assert kind_of(headers, body) == SignatureKind.HMAC
    assert json.loads(body)["outcome"] == "done"


def test_the_guides_worked_example_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", GUIDE.read_text(), re.DOTALL)[-2:]
    exec(compile(code, str(GUIDE), "exec"), {})  # noqa: S102  # our own page

    assert capsys.readouterr().out == printed
