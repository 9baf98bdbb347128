"""Processes beside ours that do a round of work whenever they are told to."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from benchmarks.harness import Took

ROOT = Path(__file__).resolve().parent.parent


class Worker:
    """A process that reads the name of a piece of work from each line, and answers by what it took, as JSON."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    @classmethod
    @contextlib.contextmanager
    def started(cls, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Self]:
        """Start it and wait until it is ready, which is its first answer; ended with the block."""
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("a process without pipes")
            worker = cls(process.stdin, process.stdout)
            worker.answer()
            yield worker
            process.stdin.close()

    def tell(self, work: str) -> None:
        """Let it do one round."""
        self._requests.write(f"{work}\n")
        self._requests.flush()

    def answer(self) -> Took:
        """Wait until that round is done."""
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the process ended; see what it printed")
        return Took(**json.loads(line))

    def run(self, work: str) -> Took:
        """One round."""
        self.tell(work)
        return self.answer()
