"""Who did it: a plain value that is passed in, so that the floors below access need not know users."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID


class ActorKind(StrEnum):
    """What kind of party acts."""

    USER = "user"  # a member of the controller's staff
    SUBJECT = "subject"  # the data subject, in the portal
    CLIENT = "client"  # a program of the controller's or a partner's, over its API token
    SYSTEM = "system"  # a linked system, over its signed answer
    WITNESS = "witness"  # a witness of the audit log, over its signature
    SERVICE = "service"  # this service's own process: worker, command
    STRANGER = "stranger"  # nobody known yet, for example at sign-in


@dataclass(frozen=True, slots=True)
class Actor:
    """One party and its pseudonymous id; never a name or an address."""

    kind: ActorKind
    id: str

    @classmethod
    def user(cls, user_id: UUID) -> Self:
        """A member of staff."""
        return cls(ActorKind.USER, str(user_id))

    @classmethod
    def subject(cls, subject_id: UUID) -> Self:
        """The person themself."""
        return cls(ActorKind.SUBJECT, str(subject_id))

    @classmethod
    def client(cls, client_id: UUID) -> Self:
        """A program that calls the API."""
        return cls(ActorKind.CLIENT, str(client_id))

    @classmethod
    def system(cls, system_id: UUID) -> Self:
        """A linked system that answers."""
        return cls(ActorKind.SYSTEM, str(system_id))

    @classmethod
    def witness(cls, name: str) -> Self:
        """A witness of the audit log, by the name that it signs under."""
        return cls(ActorKind.WITNESS, name)

    @classmethod
    def service(cls, name: str) -> Self:
        """A process of our own, by its name: `delivery`, `import`."""
        return cls(ActorKind.SERVICE, name)

    @classmethod
    def stranger(cls) -> Self:
        """Somebody who has not shown who they are."""
        return cls(ActorKind.STRANGER, "")
