"""`manage.py audit commitment`."""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.core.management.base import CommandError, OutputWrapper
from django.views.decorators.debug import sensitive_variables

from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.errors import NoCommitment
from identity_privacy.crypto.events import own_account

WORDS: Final[Mapping[bool | None, str]] = {
    True: "yes: this is the value that the entry commits to",
    False: "no: the entry commits to another value",
    None: "it cannot be said any more: the person was erased, and the key of their commitments destroyed",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Which commitment; the value itself comes from standard input, since command lines can be read by others."""
    parser.add_argument("entry", type=UUID, help="the entry's id")
    parser.add_argument("name", help="what the value is called there: contact")


@sensitive_variables("value")
def run(*, entry: UUID, name: str, stdout: OutputWrapper) -> None:
    """Say whether a value is the one that an entry commits to. Raises: CommandError."""
    value = getpass.getpass("value: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        found = services.check_commitment(
            actor=Actor.service("operator"), entry_id=entry, name=name, value=value, account=own_account()
        )
    except NoCommitment as error:
        raise CommandError(str(error)) from None
    stdout.write(WORDS[found])
