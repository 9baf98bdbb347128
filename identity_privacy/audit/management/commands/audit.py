"""`manage.py audit sequence|verify|export|partitions|prune|rotate-key|witness|witness-key|commitment`."""

import base64
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from tqdm import tqdm

from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.continuity import WHAT_TO_DO
from identity_privacy.audit.errors import LogAltered, LogBehind, LogRenamed
from identity_privacy.audit.management import commitment, export, prune, witness
from identity_privacy.audit.management.arguments import epoch
from identity_privacy.audit.management.counting import entries
from identity_privacy.audit.models import Entry
from identity_privacy.audit.partitions import make_partitions
from identity_privacy.audit.pruning import statements
from identity_privacy.audit.services.rotating import OVERLAP
from identity_privacy.audit.verification import epoch_sizes, verify_log
from identity_privacy.crypto.errors import RootKeyUnavailable, RotationRuns
from identity_privacy.errors import NotFound


class Command(BaseCommand):
    """The audit log."""

    help = "Sequence, verify, export or prune the log, make its partitions ahead, rotate its key, or witness it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(dest="verb", required=True)
        commands.add_parser("sequence", help="Give new entries their index and sign a checkpoint")
        commands.add_parser("partitions", help="Make the log's partitions ahead; as the role that owns its tables")
        verify = commands.add_parser("verify", help="Check every entry, the tree and every checkpoint")
        verify.add_argument("--epoch", type=epoch, metavar="N", help="one epoch of the log (default: all)")
        prune.add_arguments(
            commands.add_parser("prune", help="Take old entries out for good; as the role that owns the log's tables")
        )
        export.add_arguments(commands.add_parser("export", help="Write the log into files, for offline.py"))
        rotate = commands.add_parser("rotate-key", help="Give checkpoints a new signing key; the old one signs on")
        rotate.add_argument(
            "--overlap-days",
            type=_days,
            default=OVERLAP,
            help=f"how long the old key signs beside the new one (default: {OVERLAP.days}; 0: it is in wrong hands)",
        )
        witness.add_arguments(commands)
        commitment.add_arguments(
            commands.add_parser("commitment", help="Say whether a value is the one that an entry commits to")
        )

    def handle(self, *, verb: str, folder: Path | None = None, **options: object) -> None:
        """Do the one that was asked for."""
        if verb in witness.VERBS:
            witness.run(verb, options, self.stdout, self.stderr)
        elif isinstance(entry := options.get("entry"), UUID):
            commitment.run(entry=entry, name=str(options["name"]), stdout=self.stdout)
        elif verb == "rotate-key":
            self._rotate_key(options["overlap_days"])
        elif verb == "sequence":
            self.stdout.write(f"{entries(self._sequenced())} found their place")
        elif verb == "partitions":
            made = make_partitions(Entry._meta.db_table, connection)
            self.stdout.write(f"made: {', '.join(map(str, made)) or 'none, they are all there'}")
        elif verb == "verify":
            self._verify(options["epoch"])
        elif isinstance(before := options.get("before"), date):
            prune.run(before=before, yes=bool(options["yes"]), stdout=self.stdout)
        elif folder is not None:
            export.run(folder, options, self.stdout)

    def _verify(self, only: object) -> None:
        try:
            total = sum(size for each, size in epoch_sizes().items() if only in (None, each))
            with tqdm(total=total, unit=" entries", disable=None) as bar:  # None: only on a terminal
                size = verify_log(epoch=only if isinstance(only, int) else None, progress=bar.update)
        except LogAltered as error:
            raise CommandError(f"the log was changed: {error}") from None
        except (LogRenamed, NotFound, RootKeyUnavailable) as error:
            raise CommandError(str(error)) from None
        pruned = statements()
        more = f"; {sum(one.count for one in pruned)} of them were pruned, and their hashes are right" if pruned else ""
        self.stdout.write(f"{entries(size)}: nothing was changed, added, removed or moved{more}")
        for one in pruned:
            self.stdout.write(
                f"pruned on {one.entry.at:%Y-%m-%d}: {entries(one.count)} from before {one.before}, "
                f"when {one.keep_days} days were kept"
            )

    def _sequenced(self) -> int:
        try:
            return services.sequence()
        except LogBehind as behind:
            raise CommandError(f"{behind}. {WHAT_TO_DO}") from None
        except LogRenamed as renamed:
            raise CommandError(str(renamed)) from None
        except LogAltered as error:
            raise CommandError(f"the log was changed: {error}. `manage.py audit verify` looks where") from None

    def _rotate_key(self, overlap: object) -> None:
        try:
            old, new = services.rotate_checkpoint_key(
                actor=Actor.service("keys"), overlap=overlap if isinstance(overlap, timedelta) else OVERLAP
            )
        except (RootKeyUnavailable, RotationRuns) as error:
            raise CommandError(str(error)) from None
        keys = [base64.b64encode(key.public_key).decode() for key in (new, old)]
        self.stdout.write(f"checkpoints are signed by {keys[0]} from now on")
        if overlap and old.valid_until:
            self.stdout.write(f"and until {old.valid_until:%d %B %Y, %H:%M} UTC by {keys[1]}, too: until then give the")
            self.stdout.write("new key to everybody who has the old one, auditors and witnesses")


def _days(text: str) -> timedelta:
    try:
        overlap = timedelta(days=int(text))
    except (ValueError, OverflowError):
        raise ArgumentTypeError("a whole number of days") from None
    if not timedelta(0) <= overlap <= timedelta(days=3_650):
        raise ArgumentTypeError("a number of days from 0 to 3650")
    return overlap
