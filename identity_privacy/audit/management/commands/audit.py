"""`manage.py audit sequence|verify|export|partitions|prune`."""

import base64
from argparse import ArgumentParser
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from identity_privacy.audit import services
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.exporting import export_lines
from identity_privacy.audit.management import prune
from identity_privacy.audit.models import Entry
from identity_privacy.audit.partitions import make_partitions
from identity_privacy.audit.pruning import pruned_count
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse


class Command(BaseCommand):
    """The audit log."""

    help = "Sequence, verify, export or prune the log, or make its partitions ahead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(dest="verb", required=True)
        commands.add_parser("sequence", help="Give new entries their index and sign a checkpoint")
        commands.add_parser("partitions", help="Make the log's partitions ahead; as the role that owns its tables")
        commands.add_parser("verify", help="Check every entry, the tree and the signed root")
        prune.add_arguments(
            commands.add_parser("prune", help="Take old entries out for good; as the role that owns the log's tables")
        )
        export = commands.add_parser("export", help="Write log.jsonl and checkpoint for offline.py")
        export.add_argument("folder", type=Path)

    def handle(self, *, verb: str, folder: Path | None = None, **options: object) -> None:
        """Do the one that was asked for."""
        if verb == "sequence":
            self.stdout.write(f"{services.sequence()} entries were given their place")
        elif verb == "partitions":
            made = make_partitions(Entry._meta.db_table, connection)
            self.stdout.write(f"made: {', '.join(map(str, made)) or 'none, they are all there'}")
        elif verb == "verify":
            self._verify()
        elif isinstance(before := options.get("before"), date):
            prune.run(before=before, yes=bool(options["yes"]), stdout=self.stdout)
        elif folder is not None:
            self._export(folder)

    def _verify(self) -> None:
        try:
            size = verify_log()
        except LogAltered as error:
            raise CommandError(f"the log was changed: {error}") from None
        pruned = f"; {count} of them were pruned, and their hashes are right" if (count := pruned_count()) else ""
        self.stdout.write(f"{size} entries: nothing was changed, added, removed or moved{pruned}")

    def _export(self, folder: Path) -> None:
        services.sequence()
        checkpoint = latest_checkpoint()
        if checkpoint is None:
            raise CommandError("the log is empty")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.jsonl").open("wb") as file:
            try:
                file.writelines(export_lines(checkpoint))
            except LogAltered as error:
                raise CommandError(f"the log was changed: {error}") from None
        (folder / "checkpoint").write_text(checkpoint.note, encoding="utf-8")
        key = base64.b64encode(current_public_key(SigningUse.CHECKPOINT).public_key).decode()
        self.stdout.write(f"{checkpoint.size} entries in {folder}. An auditor who has the key {key} from you runs")
        self.stdout.write(f"python offline.py log {folder}/log.jsonl {folder}/checkpoint --log-key {key}")
