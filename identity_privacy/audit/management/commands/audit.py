"""`manage.py audit sequence|verify|export`."""

import base64
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from identity_privacy.audit import services
from identity_privacy.audit.errors import LogAltered
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse


class Command(BaseCommand):
    """The audit log."""

    help = "Give new entries their place in the log, verify the whole of it, or export it for an auditor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(dest="verb", required=True)
        commands.add_parser("sequence", help="Give new entries their index and sign a checkpoint")
        commands.add_parser("verify", help="Check every entry, the tree and the signed root")
        export = commands.add_parser("export", help="Write log.jsonl and checkpoint for offline.py")
        export.add_argument("folder", type=Path)

    def handle(self, *, verb: str, folder: Path | None = None, **_: object) -> None:
        """Do the one that was asked for."""
        if verb == "sequence":
            self.stdout.write(f"{services.sequence()} entries were given their place")
        elif verb == "verify":
            self._verify()
        elif folder is not None:
            self._export(folder)

    def _verify(self) -> None:
        try:
            size = services.verify_log()
        except LogAltered as error:
            raise CommandError(f"the log was changed: {error}") from None
        self.stdout.write(f"{size} entries: nothing was changed, added, removed or moved")

    def _export(self, folder: Path) -> None:
        services.sequence()
        checkpoint = services.latest_checkpoint()
        if checkpoint is None:
            raise CommandError("the log is empty")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.jsonl").open("wb") as file:
            file.writelines(services.export_lines(checkpoint.size))
        (folder / "checkpoint").write_text(checkpoint.note, encoding="utf-8")
        key = base64.b64encode(current_public_key(SigningUse.CHECKPOINT).public_key).decode()
        self.stdout.write(f"{checkpoint.size} entries in {folder}. An auditor who has the key {key} from you runs")
        self.stdout.write(f"python offline.py log {folder}/log.jsonl {folder}/checkpoint --log-key {key}")
