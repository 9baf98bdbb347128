"""`manage.py dumpdata`, which leaves sealed values sealed."""

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import dumpdata

from identity_privacy.actors import Actor
from identity_privacy.crypto.fields.base import dumps_open, dumps_sealed
from identity_privacy.crypto.reading import Reading


class Command(dumpdata.Command):
    """Django's own, with values of encrypted fields as they are stored, or open where somebody says why."""

    help = f"{dumpdata.Command.help} Encrypted values are written sealed, unless --open says otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's, and what opens."""
        super().add_arguments(parser)
        parser.add_argument("--open", action="store_true", help="Write encrypted values in the clear; needs --reason")
        parser.add_argument("--reason", default="", help="Why they are opened, for the audit log")

    def handle(self, *app_labels: str, **options: object) -> None:
        """Write sealed values; or open ones, inside a Reading that the log keeps."""
        reason = str(options["reason"])
        if not options["open"]:
            token = dumps_sealed.set(True)
            try:
                super().handle(*app_labels, **options)
            finally:
                dumps_sealed.reset(token)
            return
        if not reason:
            raise CommandError("--open writes personal data in the clear: say why with --reason")
        reading = Reading(actor=Actor.service("dumpdata"), purpose="export rows", subject_id=None, reason=reason)
        token = dumps_open.set(True)
        try:
            with reading:
                super().handle(*app_labels, **options)
        finally:
            dumps_open.reset(token)
