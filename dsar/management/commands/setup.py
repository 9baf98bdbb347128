"""`manage.py setup`."""

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from identity_privacy.crypto.controller_keys import make_root_key
from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.providers import root_key_path
from identity_privacy.crypto.router import KEYS


class Command(BaseCommand):
    """Make the databases and the root key."""

    help = "Make or update both databases, and the root key unless there is one; safe to repeat."
    # There may be no database to check yet; `migrate` checks it afterwards.
    requires_system_checks = ()

    def handle(self, *, verbosity: int, **_: object) -> None:
        """Folders, databases, root key."""
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        settings.VAR_DIR.chmod(0o700)  # also one that was there before: its files may be readable by others
        call_command("migrate", verbosity=verbosity)
        call_command("migrate", database=KEYS, verbosity=verbosity)
        path = root_key_path()
        try:
            is_new = path is not None and make_root_key(path)
        except RootKeyUnavailable as error:
            raise CommandError(str(error)) from None
        if is_new and verbosity:
            self.stdout.write(f"made a root key at {path}; keep a copy apart from both databases")
