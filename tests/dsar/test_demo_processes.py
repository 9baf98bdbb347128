"""The demonstration leaves no process behind, at whatever moment it is ended."""

import sys
from pathlib import Path
from subprocess import Popen

import pytest

from dsar.demo import processes


def test_a_process_that_was_only_just_started_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class EndedWhileStarting(Popen[bytes]):
        def __init__(self, command: list[str], **options: object) -> None:
            super().__init__(command, **options)  # type: ignore[call-overload]  # passed on as it came
            if "waits" in command:
                started.append(self)
                sys.exit(143)

    monkeypatch.setattr(processes, "LOGS", tmp_path)
    monkeypatch.setattr("subprocess.Popen", EndedWhileStarting)
    with pytest.raises(SystemExit), processes.Processes({}, mailbox=tmp_path / "mail") as running:
        running.start("one", "-c", "import time; time.sleep(60)", "waits")
    [process] = started
    process.wait(timeout=20)
