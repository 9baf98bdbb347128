"""`manage.py audit export`."""

import getpass
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from uuid import UUID

from django.core.management.base import CommandError, OutputWrapper
from tqdm import tqdm

from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.continuity import WHAT_TO_DO
from identity_privacy.audit.errors import LogAltered, LogBehind, LogRenamed
from identity_privacy.audit.exporting import Selection
from identity_privacy.audit.management.arguments import day, epoch
from identity_privacy.audit.management.counting import entries
from identity_privacy.audit.naming import controller_named
from identity_privacy.errors import NotFound, Refused


def add_arguments(parser: ArgumentParser) -> None:
    """What of the log, and where to."""
    parser.add_argument("folder", type=_folder, help="where to: a new one; README.txt in it says how to verify")
    parser.add_argument("--controller", metavar="CODE|UUID", help="one controller's entries; of all others the hashes")
    parser.add_argument("--subject", type=UUID, metavar="UUID", help="entries about one person, each with its proof")
    parser.add_argument("--request", type=UUID, metavar="UUID", help="entries about one request, each with its proof")
    parser.add_argument(
        "--since",
        type=day,
        metavar="DATE",
        help="what came behind the last checkpoint before this day (UTC), each entry with its proof",
    )
    parser.add_argument("--epoch", type=epoch, metavar="N", help="one epoch of the log (default: all)")
    parser.add_argument("--cosigned", action="store_true", help="as far as a witness has cosigned, which may be less")


def run(folder: Path, options: Mapping[str, object], stdout: OutputWrapper) -> None:
    """Export it. Raises: CommandError."""
    try:
        selection = _selection(options)
        with tqdm(unit=" entries", disable=None) as bar:  # None: only on a terminal
            parts = services.export_log(
                actor=Actor.service("audit"),
                folder=folder,
                selection=selection,
                account=_account(),
                progress=bar.update,
            )
    except LogBehind as behind:
        raise CommandError(f"{behind}. {WHAT_TO_DO}") from None
    except (NotFound, Refused, LogRenamed) as error:
        raise CommandError(str(error)) from None
    except LogAltered as error:
        raise CommandError(f"the log was changed: {error}") from None
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}") from None
    for part in parts:
        stdout.write(f"{entries(part.count)} in {folder / part.folder}, {part.in_full} of them in full")
    stdout.write(f"{folder / 'README.txt'} says how to verify them, with a key that whoever does must have from you")


def _selection(options: Mapping[str, object]) -> Selection:
    controller, subject, request = options["controller"], options["subject"], options["request"]
    since, only = options["since"], options["epoch"]
    return Selection(
        controller_id=controller_named(str(controller)) if controller is not None else None,
        subject_id=subject if isinstance(subject, UUID) else None,
        request_id=request if isinstance(request, UUID) else None,
        since=since if isinstance(since, date) else None,
        epoch=only if isinstance(only, int) else None,
        cosigned=bool(options["cosigned"]),
    )


def _folder(text: str) -> Path:
    if not text:
        raise ArgumentTypeError("name a folder")
    return Path(text)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container whose account has no name
        return str(os.getuid())
