"""`manage.py audit sequence|verify|export|partitions`."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from tqdm import tqdm

from identity_privacy.audit import services
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.management import export
from identity_privacy.audit.models import Entry
from identity_privacy.audit.partitions import make_partitions
from identity_privacy.audit.verification import epoch_sizes, verify_log
from identity_privacy.errors import NotFound


class Command(BaseCommand):
    """The audit log."""

    help = "Sequence, verify or export the log, or make its partitions ahead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(dest="verb", required=True)
        commands.add_parser("sequence", help="Give new entries their index and sign a checkpoint")
        commands.add_parser("partitions", help="Make the log's partitions ahead; as the role that owns its tables")
        verify = commands.add_parser("verify", help="Check every entry, the tree and every checkpoint")
        verify.add_argument("--epoch", type=int, metavar="N", help="one epoch of the log (default: all)")
        export.add_arguments(commands.add_parser("export", help="Write the log into files, for offline.py"))

    def handle(self, *, verb: str, folder: Path | None = None, **options: object) -> None:
        """Do the one that was asked for."""
        if verb == "sequence":
            self.stdout.write(f"{services.sequence()} entries were given their place")
        elif verb == "partitions":
            made = make_partitions(Entry._meta.db_table, connection)
            self.stdout.write(f"made: {', '.join(map(str, made)) or 'none, they are all there'}")
        elif verb == "verify":
            self._verify(options["epoch"])
        elif folder is not None:
            export.run(folder, options, self.stdout)

    def _verify(self, epoch: object) -> None:
        try:
            total = sum(size for each, size in epoch_sizes().items() if epoch in (None, each))
            with tqdm(total=total, unit=" entries", disable=None) as bar:  # None: only on a terminal
                size = verify_log(epoch=epoch if isinstance(epoch, int) else None, progress=bar.update)
        except LogAltered as error:
            raise CommandError(f"the log was changed: {error}") from None
        except NotFound as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{size} entries: nothing was changed, added, removed or moved")
