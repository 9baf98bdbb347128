"""The rules of subject requests: pure functions on values, with no database, no clock and no network."""

import json
import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NewType
from uuid import UUID

from dsar.errors import NotNow, UnreadableResult
from dsar.terms import Outcome, RequestKind, RequestState, TaskState

IsHoliday = Callable[[date], bool]
MessageType = NewType("MessageType", str)

TASK_ACCESS = MessageType("task.access")
TASK_ERASE = MessageType("task.erase")
TASK_RECHECK = MessageType("task.recheck")

# What may be counted: short enough that no sentence about a person fits, since counts are stored in clear.
COUNTED = re.compile(r"[a-z0-9_]{1,40}")

ASKS = {RequestKind.ACCESS: TASK_ACCESS, RequestKind.ERASURE: TASK_ERASE}

# Which state may follow which; docs/reference/states.md shows the same table.
FOLLOWS: Mapping[RequestState, frozenset[RequestState]] = {
    RequestState.RECEIVED: frozenset({RequestState.FULFILLING, RequestState.WITHDRAWN}),
    RequestState.FULFILLING: frozenset({RequestState.ANSWERED, RequestState.WITHDRAWN}),
    RequestState.ANSWERED: frozenset({RequestState.RECHECKING, RequestState.CLOSED}),
    RequestState.RECHECKING: frozenset({RequestState.CLOSED}),
    RequestState.CLOSED: frozenset(),
    RequestState.WITHDRAWN: frozenset(),
}


def step(kind: RequestKind, before: RequestState, after: RequestState) -> RequestState:
    """The state after a step. Raises: NotNow, when the table does not allow it, or an erasure has begun."""
    begun = kind is RequestKind.ERASURE and before is RequestState.FULFILLING and after is RequestState.WITHDRAWN
    if after not in FOLLOWS[before] or begun:
        raise NotNow(f"{kind}: {before} → {after}")
    return after


def asked_about(kind: RequestKind) -> frozenset[MessageType]:
    """What a linked system is asked for such a request: only of an erasure it is asked once more."""
    return frozenset({ASKS[kind], TASK_RECHECK} if kind is RequestKind.ERASURE else {ASKS[kind]})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRule:
    """A law's clock for the answer, with the article of each part."""

    law: str
    name: str
    months: int
    article: str
    rolls: bool
    roll_article: str
    counting: str
    counting_article: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The last day to answer, and why it is that day."""

    due_on: date
    received_on: date
    unrolled_on: date
    rule: ResponseRule

    def reasons(self) -> Mapping[str, str]:
        """The inputs and articles, as they are stored with a request and shown to the person."""
        return {
            "law": self.rule.name,
            "article": self.rule.article,
            "received_on": self.received_on.isoformat(),
            "months": str(self.rule.months),
            "unrolled_on": self.unrolled_on.isoformat(),
            "roll_article": self.rule.roll_article if self.due_on != self.unrolled_on else "",
            "counting": self.rule.counting,
            "counting_article": self.rule.counting_article,
        }


def response_due(received_on: date, *, rule: ResponseRule, is_holiday: IsHoliday) -> Deadline:
    """The last day to answer a request.

    Calendar months; the day of receipt is not counted; a month without that day ends on its last. A due day that is
    not a working day rolls to the next one where the law says so. `received_on` is the controller's local date.

    Raises: UnknownHolidays, when the calendar ends before the due day.
    Source: GDPR Art. 12(3); Regulation (EEC, Euratom) 1182/71 Art. 3(1), 3(2)(c), 3(4).
    """
    unrolled = add_months(received_on, rule.months)
    due = unrolled
    while rule.rolls and (due.weekday() >= 5 or is_holiday(due)):
        due += timedelta(days=1)
    return Deadline(due_on=due, received_on=received_on, unrolled_on=unrolled, rule=rule)


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or that month's last.

    >>> add_months(date(2026, 8, 31), 1)
    datetime.date(2026, 9, 30)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def ready_to_ask(waits_for: Sequence[str], states: Mapping[str, TaskState]) -> bool:
    """Whether every system that this one comes `after` has answered; one without a task is not waited for."""
    return all(states.get(code, TaskState.REPORTED) is TaskState.REPORTED for code in waits_for)


def without_circles(after: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Which systems each one waits for, by code, without those that would wait for themselves around a circle for ever.

    >>> without_circles({"shop": ["mailer"], "mailer": ["shop", "till"], "till": []})
    {'shop': [], 'mailer': ['till'], 'till': []}
    """
    waiting = dict(after)
    while ready := [code for code, earlier in waiting.items() if waiting.keys().isdisjoint(earlier)]:
        for code in ready:
            del waiting[code]
    return {code: [one for one in earlier if one not in waiting] for code, earlier in after.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a linked system reports about one task."""

    type: MessageType
    task: UUID
    outcome: Outcome
    counts: Mapping[str, int]
    reason: str
    data: object


def parse_result(body: bytes) -> Result:
    """Read a linked system's report.

    Raises: UnreadableResult, naming the member and what it must be.
    """
    try:
        document = json.loads(body.decode())
        # What cannot be written again, such as half of a surrogate pair, cannot be stored either.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise UnreadableResult("send one JSON object in UTF-8", field="body") from None
    if not isinstance(document, dict):
        raise UnreadableResult("send one JSON object", field="body")
    kind = document.get("type")
    if kind not in (TASK_ACCESS, TASK_ERASE, TASK_RECHECK):
        raise UnreadableResult("repeat the type of the message that you answer", field="type")
    try:
        task = UUID(str(document.get("task")))
    except ValueError:
        raise UnreadableResult("repeat the task's id", field="task") from None
    if document.get("outcome") not in Outcome.values:
        raise UnreadableResult(f"one of {', '.join(Outcome.values)}", field="outcome")
    counts, reason = document.get("counts", {}), document.get("reason", "")
    if not isinstance(counts, dict) or not all(type(count) is int and 0 <= count < 2**53 for count in counts.values()):
        raise UnreadableResult('an object of whole numbers, such as {"orders": 3}', field="counts")
    if len(counts) > 50 or not all(COUNTED.fullmatch(name) for name in counts):
        raise UnreadableResult("at most 50 names, each of at most 40 of a-z, 0-9 and _", field="counts")
    if not isinstance(reason, str) or len(reason) > 200 or not reason.isprintable():
        raise UnreadableResult("one line of at most 200 characters", field="reason")
    outcome = Outcome(document["outcome"])
    if outcome is Outcome.KEPT and not reason:
        raise UnreadableResult("say why it is kept", field="reason")
    return Result(
        type=MessageType(kind), task=task, outcome=outcome, counts=counts, reason=reason, data=document.get("data")
    )
