"""`manage.py demo`."""

import sys

from django.core.management.base import BaseCommand, CommandError

from dsar.demo import environment
from dsar.demo.play import play
from dsar.demo.show import Screen


class Command(BaseCommand):
    """See the whole service do its job once."""

    help = "See the whole service do its job once, on sample people, with real processes; everything under var/demo."
    requires_system_checks = ()

    def handle(self, **_: object) -> None:
        """Play it; exit status 1 with the reason where something is not as promised."""
        environment.enter()
        try:
            with environment.alone():
                play(Screen(sys.stdout))
        except KeyboardInterrupt:
            raise CommandError("ended before the end", returncode=130) from None
        except (TimeoutError, OSError) as error:
            raise CommandError(str(error)) from error
