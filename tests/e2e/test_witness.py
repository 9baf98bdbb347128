"""A witness as it is run: a process of its own, on a machine without our databases and keys, over HTTP."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from identity_privacy.audit import services
from identity_privacy.audit.continuity import refuse_unless_continued
from identity_privacy.audit.errors import LogBehind
from identity_privacy.audit.models import Cosignature
from tests.audit.witnessed import ORIGIN, grow, log_key, newest, restore
from tests.factories import SERVICE

ROOT = Path(__file__).resolve().parents[2]
NAME = "witness.example/w1"


class Machine:
    """The witness's own: its key and state, and settings under which no database could be reached."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder, self._service = folder, service

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        ours = ("DATABASE", "DJANGO", "ROOT")
        return subprocess.Popen(
            [sys.executable, "manage.py", "audit", *arguments],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith(ours)}
            | {
                "DATABASE_URL": "postgres://nobody@127.0.0.1:9/data",
                "DATABASE_KEYS_URL": "postgres://nobody@127.0.0.1:9/keys",
                "VAR_DIR": str(self._folder / "var"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def watching(self, *more: str, service: str = "", key: str = "") -> list[str]:
        files = ("--key-file", str(self._folder / "key"), "--state", str(self._folder / "state"))
        return ["witness", service or self._service, *files, "--log-key", key or log_key(), *more]

    def make_key(self) -> str:
        made = self.run("witness-key", str(self._folder / "key"), "--name", NAME)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()


@pytest.fixture
def machine(live_server: LiveServer, tmp_path: Path, settings: Settings) -> Machine:
    machine = Machine(tmp_path, live_server.url)
    settings.AUDIT_WITNESSES = [machine.make_key()]
    return machine


def test_a_log_is_witnessed_until_it_goes_back_and_again_once_it_is_handed_over(machine: Machine) -> None:
    grow(3)
    first = machine.run(*machine.watching("--origin", ORIGIN))
    assert (first.returncode, first.stdout, first.stderr) == (0, f"{ORIGIN}: 3 entries, cosigned\n", "")
    grow(2)
    assert machine.run(*machine.watching()).returncode == 0
    size = newest().size
    assert list(Cosignature.objects.order_by("size").values_list("witness", "size")) == [(NAME, 3), (NAME, size)]

    restore(3)
    refuse_unless_continued()
    refused = machine.run(*machine.watching())
    assert refused.returncode == 1
    assert f"the log went back: {size} entries were cosigned, and it shows 3" in refused.stderr
    assert "Traceback" not in refused.stderr
    with pytest.raises(LogBehind, match=NAME):
        refuse_unless_continued()

    services.hand_over(actor=SERVICE)
    again = machine.run(*machine.watching())
    said = f"{ORIGIN}/epoch-2: {newest().size} entries, handed over from {size} entries of {ORIGIN}, cosigned\n"
    assert (again.returncode, again.stdout) == (0, said)
    refuse_unless_continued()


def test_a_witness_that_runs_on_ends_at_once_when_the_log_is_forked(machine: Machine) -> None:
    grow(3)
    grow(2)
    # Long enough that it is between two rounds when it is stopped: a question under way would be answered meanwhile.
    process = machine.start(*machine.watching("--interval", "3"))
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == f"{ORIGIN}: 5 entries, cosigned\n"
        beside = machine.run(*machine.watching())
        assert (beside.returncode, "another witness runs" in beside.stderr) == (2, True)
        assert process.stdout.readline() == f"{ORIGIN}: 5 entries, as before\n"
        process.send_signal(signal.SIGSTOP)  # it sees the one log or the other, never one that is being put back
        restore(3)
        grow(9)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "the log was forked: the 5 entries that were cosigned are not the beginning of the 12 that it shows" in said


def test_a_witness_that_is_interrupted_says_so_in_one_line(machine: Machine) -> None:
    grow(1)
    process = machine.start(*machine.watching("--interval", "600"))
    assert process.stdout is not None
    try:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, said) == (0, "stopped\n")


def test_what_tells_nothing_of_the_log_has_another_status(machine: Machine) -> None:
    grow(1)
    nobody = machine.run(*machine.watching(service="http://127.0.0.1:9"))
    assert (nobody.returncode, nobody.stderr) == (2, "CommandError: the log gives no answer: no_connection\n")
    other_key = machine.run(*machine.watching(key="A" * 43 + "="))
    assert other_key.returncode == 1
    assert "not signed by a key that you trust" in other_key.stderr
