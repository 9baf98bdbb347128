"""How what a linked system answers reaches the floor that asked: upper floors register here at start-up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from identity_privacy.delivery.models import Message
from identity_privacy.delivery.terms import SignatureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the receiver answered: 200 with a JSON body is its result, 202 is only that it accepted the task.

    The signature has been verified; `signature_kind` says what it proves. Header names are in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    signature_kind: SignatureKind


class ResultHandler(Protocol):
    """Hears of every message's end, in the transaction that writes it: both are recorded or neither."""

    def message_answered(self, message: Message, answer: Answer) -> None:
        """The receiver took the message.

        Raises: PartnerFailure, when the answer is no answer to what was asked: the message is then tried again, or
        given up if `permanent`.
        """

    def message_dead(self, message: Message) -> None:
        """The message was given up; `last_error` says why."""


_handlers: list[ResultHandler] = []


def register(handler: ResultHandler) -> None:
    """Let a floor hear of its messages; called once at start-up. Each handler looks at the topic first."""
    _handlers.append(handler)


def handlers() -> tuple[ResultHandler, ...]:
    """All that were registered."""
    return tuple(_handlers)
