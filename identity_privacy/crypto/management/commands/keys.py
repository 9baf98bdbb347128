"""`manage.py keys init|status`."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count

from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.models import DataKey, Tombstone
from identity_privacy.crypto.providers import provider, root_key_path, write_root_key


class Command(BaseCommand):
    """The root key and what hangs on it."""

    help = "Make the root key, or say which keys there are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(dest="verb", required=True)
        commands.add_parser("init", help="Make the root key's file, unless there is one")
        commands.add_parser("status", help="Count the keys; never shows one")

    def handle(self, *, verb: str, **_: object) -> None:
        """Do the one that was asked for."""
        (self._init if verb == "init" else self._status)()

    def _init(self) -> None:
        path = root_key_path()
        if path is None:
            raise CommandError("ROOT_KEY_URL names no file: the key comes from where it says")
        made = write_root_key(path)
        self.stdout.write(f"{'made' if made else 'there is already'} a root key at {path}; keep a copy apart from both")
        self.stdout.write("databases: without it nothing can ever be read again")

    def _status(self) -> None:
        try:
            provider()
        except RootKeyUnavailable as error:
            raise CommandError(str(error)) from None
        for row in DataKey.objects.values("kind").annotate(count=Count("id")).order_by("kind"):
            self.stdout.write(f"{row['count']:>9,} data keys: {row['kind']}")
        self.stdout.write(f"{Tombstone.objects.count():>9,} people whose keys were destroyed")
        last = Tombstone.objects.order_by("-backups_end_on").first()
        if last is not None:
            self.stdout.write(f"the last backup that holds one of them ends on {last.backups_end_on:%d %B %Y}")
