"""`manage.py erasures replay`."""

from argparse import ArgumentParser
from typing import Final

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from dsar.services import replay_erasures
from identity_privacy.actors import Actor
from identity_privacy.audit.continuity import hand_overs, not_continued
from identity_privacy.audit.services import hand_over
from identity_privacy.crypto.errors import NotForgotten
from identity_privacy.crypto.models import Tombstone

OPERATOR: Final = Actor.service("restore")


class Command(BaseCommand):
    """What was erased, after a restore."""

    help = "Erase again whoever a restored backup brought back, and let the audit log go on under its next name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand."""
        commands = parser.add_subparsers(dest="verb", required=True)
        commands.add_parser("replay", help="Run it after every restore, before anything is served; safe to repeat")

    def handle(self, **_: object) -> None:
        """Erase first: as soon as the log goes on, the service serves."""
        self._replay()
        if not_continued():
            self._hand_over()
        else:
            self.stdout.write("The log holds every checkpoint that is known: it goes on as it is.")

    def _replay(self) -> None:
        with tqdm(total=Tombstone.objects.count(), unit=" people", disable=None) as bar:  # None: only on a terminal
            try:
                done = replay_erasures(actor=OPERATOR, progress=bar.update)
            except NotForgotten as error:
                raise CommandError(f"not finished: {error}. Run it again.") from None
        self.stdout.write(f"{done.looked_for} people were erased before; {done.erased_again} were back: erased again.")

    def _hand_over(self) -> None:
        hand_over(actor=OPERATOR)
        opened = hand_overs()[-1]
        self.stdout.write(f"The log goes on as {opened.target_id}. Its first entry says what is missing:")
        for part in opened.details["missing"] or ["nothing that is known of"]:
            self.stdout.write(f"  {part}")
