"""`manage.py controller open|list`."""

import argparse

from django.core.management.base import BaseCommand

from identity_privacy.access.management.refusing import refusals_in_one_line
from identity_privacy.access.models import Controller
from identity_privacy.access.services import open_controller
from identity_privacy.actors import Actor


class Command(BaseCommand):
    """The controllers (brands) of this service."""

    help = "Take a controller (a brand) into this service, or list them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(required=True, dest="act")
        opened = commands.add_parser("open", help="Take a controller in, with the host name of its portal")
        opened.add_argument("code", help="short name for commands, for good: letters, digits, - and _")
        opened.add_argument("--name", required=True, help="as people know it")
        opened.add_argument("--host", required=True, help="host name of its portal: privacy.brand.example")
        opened.add_argument("--country", required=True, help="ISO 3166 code of its establishment: DE")
        opened.add_argument("--time-zone", required=True, help="of its establishment: Europe/Berlin")
        opened.add_argument("--privacy-email", required=True, help="where people reach whoever answers for privacy")
        commands.add_parser("list", help="Show all")

    def handle(self, *, act: str, **options: str) -> None:
        """Open one or list all. Raises: CommandError, naming the argument."""
        if act == "open":
            names = ("code", "name", "host", "country", "time_zone", "privacy_email")
            with refusals_in_one_line():
                controller = open_controller(actor=Actor.service("operator"), **{name: options[name] for name in names})
            self.stdout.write(f"opened {controller.code}: {controller.host} is its portal")
            self.stdout.write(f"next: manage.py staff add NAME --controller {controller.code} --role dpo")
            return
        for controller in Controller.objects.order_by("code"):
            self.stdout.write(f"{controller.code}\t{controller.host}\t{controller.country}\t{controller.name}")
