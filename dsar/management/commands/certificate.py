"""`manage.py certificate verify FILE --key KEY --log-key KEY`."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from identity_privacy.audit.offline import certificate_checks, report


class Command(BaseCommand):
    """Completion certificates."""

    help = "Verify a completion certificate offline, against a key that you have from somewhere else."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file and the keys that are trusted."""
        commands = parser.add_subparsers(dest="verb", required=True)
        verify = commands.add_parser("verify", help="Check the signatures, the proofs and the systems' signed answers")
        verify.add_argument("file", type=Path)
        fingerprint = "in base64, or sha256: and its fingerprint"
        verify.add_argument("--key", action="append", default=[], help=f"key that signs certificates, {fingerprint}")
        verify.add_argument("--log-key", action="append", default=[], help=f"key that signs the log, {fingerprint}")

    def handle(self, *, file: Path, key: list[str], log_key: list[str], **_: object) -> None:
        """Say each check; exit status 1 where one fails."""
        try:
            status = report(certificate_checks(file, key, log_key), self.stdout.write)
        except OSError as error:
            raise CommandError(str(error)) from None
        if status:
            raise SystemExit(status)
