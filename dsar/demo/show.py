"""What the demonstration prints: steps, the requests as they move, and the closing table."""

import time
from collections.abc import Callable, Iterator, Sequence
from textwrap import indent
from typing import TextIO
from uuid import UUID

from dsar.models import SubjectRequest, Task
from dsar.terms import EvidenceKind, Outcome, RequestState, TaskState
from identity_privacy import clock
from identity_privacy.delivery.models import Attempt
from identity_privacy.delivery.terms import AttemptOutcome


class Screen:
    """Writes plain lines; on a terminal a little bold."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._is_terminal = out, out.isatty()
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """A new step of the demonstration."""
        seconds = time.monotonic() - self._started
        bold, plain = ("\033[1m", "\033[0m") if self._is_terminal else ("", "")
        self.line(f"\n{bold}[{seconds:5.1f} s] {text}{plain}")

    def line(self, text: str = "") -> None:
        """A line of it."""
        self._out.write(f"{text}\n")
        self._out.flush()

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table with columns as wide as they need."""
        widths = [max(len(row[at]) for row in (header, *rows)) for at in range(len(header))]
        for row in (header, ["─" * width for width in widths], *rows):
            self.line("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def quote(self, text: str) -> None:
        """What another program printed."""
        self.line(indent(text.rstrip(), "  │ "))


def follow(
    screen: Screen,
    request_ids: Sequence[UUID],
    *,
    until: frozenset[RequestState],
    alive: Callable[[], None],
    seconds: float,
) -> None:
    """Print every change of the requests and their tasks until all are where they should be.

    Raises: TimeoutError; what `alive` raises when a process has ended.
    """
    seen: dict[str, str] = {}
    deadline = time.monotonic() + seconds
    while True:
        alive()
        for key, text in _standing(request_ids):
            if seen.get(key) != text:
                seen[key] = text
                screen.line(f"  {clock.now():%H:%M:%S}  {text}")
        requests = list(SubjectRequest.objects.filter(id__in=request_ids))
        if all(request.state in until for request in requests):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all requests came to {', '.join(sorted(until))} within {seconds:.0f} s")
        time.sleep(0.1)


def closing_rows(request_ids: Sequence[UUID]) -> list[list[str]]:
    """One row for each system of each request: what came of it and what that rests on."""
    rows = []
    for task in (
        Task.objects.filter(request_id__in=request_ids).select_related("request").order_by("request", "position")
    ):
        attempts = Attempt.objects.filter(message__about_id=task.id).count()
        check = f", then {task.get_check_result_display().lower()}" if task.check_result else ""
        evidence = EvidenceKind(task.recheck_evidence_kind or task.evidence_kind).label
        took = (task.reported_at - task.request.received_at).total_seconds() if task.reported_at else 0
        rows.append(
            [
                task.request.get_kind_display(),
                task.system_name,
                str(attempts) if task.system_id else "our own",
                f"{Outcome(task.outcome).label.lower()}{check}",
                str(evidence),
                f"{took:.1f} s",
            ]
        )
    return rows


def _standing(request_ids: Sequence[UUID]) -> Iterator[tuple[str, str]]:
    for request in SubjectRequest.objects.filter(id__in=request_ids).order_by("id"):
        for task in request.tasks.order_by("position"):
            yield str(task.id), f"{request.reference}  {task.system_name:<12} {_words(task)}"
        yield str(request.id), f"{request.reference}  {'the request':<12} {request.get_state_display().lower()}"


def _words(task: Task) -> str:
    if task.state != TaskState.REPORTED:
        failed = Attempt.objects.filter(message__about_id=task.id).exclude(outcome=AttemptOutcome.DELIVERED)
        tries = failed.count()
        refused = f", refused so far: {tries}" if task.state == TaskState.ASKED and tries else ""
        return f"{task.get_state_display().lower()}{refused}"
    words = f"answered: {task.get_outcome_display().lower()}"
    return f"{words}; {task.get_check_result_display().lower()}" if task.check_result else words
