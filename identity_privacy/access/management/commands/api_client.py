"""`manage.py api_client create|rotate|revoke|list`: programs that call the API. Everything is printed as JSON."""

import argparse
import json
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import reverse

from identity_privacy.access.finding import api_client_named, controller_named
from identity_privacy.access.management.refusing import refusals_in_one_line
from identity_privacy.access.models import ApiClient, Controller
from identity_privacy.access.services import create_api_client, revoke_api_client, rotate_api_client
from identity_privacy.access.services.programs import OVERLAP, NewSecret
from identity_privacy.access.terms import OF_PROGRAMS, Permission, Role
from identity_privacy.actors import Actor

OPERATOR = Actor.service("operator")
_LONGEST = timedelta(days=365)


class Command(BaseCommand):
    """The programs that call the API."""

    help = "Let a program call the API, give it another secret, or shut it out; prints JSON, the secret this once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(required=True, dest="act")
        for act, words in (
            ("create", "Let a program call the API for a controller"),
            ("rotate", "Give it another secret; the one until now is valid a while longer"),
            ("revoke", "Shut it out at once and for good"),
        ):
            one = commands.add_parser(act, help=words)
            one.add_argument("code", help="short name of the program, unique for the controller")
            one.add_argument("--controller", required=True, help="code of the controller")
            if act == "create":
                one.add_argument("--role", required=True, choices=sorted(OF_PROGRAMS))
                one.add_argument("--scope", action="append", default=[], choices=Permission.values, metavar="SCOPE")
            if act == "rotate":
                one.add_argument(
                    "--overlap-days",
                    type=_days,
                    default=OVERLAP,
                    help=f"how long the secret until now stays valid (default: {OVERLAP.days}; 0: it leaked)",
                )
        commands.add_parser("list", help="Show all, without secrets")

    def handle(self, *, act: str, **options: object) -> None:
        """Do it, or say what is wrong. Raises: CommandError."""
        with refusals_in_one_line():
            told = self._told(act, options)
        self.stdout.write(json.dumps(told, indent=2))

    def _told(self, act: str, options: dict[str, object]) -> object:
        if act == "list":
            clients = ApiClient.objects.select_related("controller").order_by("controller__code", "code")
            return [_shown(client) for client in clients]
        controller, code = controller_named(str(options["controller"])), str(options["code"])
        if act == "create":
            return self._created(controller, code, options)
        client = api_client_named(controller, code)
        if act == "rotate":
            overlap = options["overlap_days"]
            made = rotate_api_client(
                actor=OPERATOR, client=client, overlap=overlap if isinstance(overlap, timedelta) else OVERLAP
            )
            return _with_secret(made)
        revoke_api_client(actor=OPERATOR, client=client)
        return _shown(ApiClient.objects.get(pk=client.pk))

    def _created(self, controller: Controller, code: str, options: dict[str, object]) -> dict[str, object]:
        scopes = options["scope"]
        made = create_api_client(
            actor=OPERATOR,
            controller=controller,
            code=code,
            role=Role(str(options["role"])),
            scopes=[Permission(scope) for scope in scopes] if isinstance(scopes, list) else [],
        )
        return _with_secret(made)


def _with_secret(made: NewSecret) -> dict[str, object]:
    return {
        **_shown(made.client),
        "client_id": made.client_id,
        "client_secret": made.secret,
        "scope": " ".join(made.scopes),
        "token_url": _at_its_host(made.client.controller),
    }


def _at_its_host(controller: Controller) -> str:
    """Where the token is had: a token is good under its controller's own host name alone."""
    here = urlsplit(settings.PUBLIC_URL)
    port = f":{here.port}" if here.port else ""
    return urlunsplit((here.scheme, f"{controller.host}{port}", reverse("api:token"), "", ""))


def _shown(client: ApiClient) -> dict[str, object]:
    return {
        "code": client.code,
        "controller": client.controller.code,
        "created_at": client.created_at.isoformat(timespec="seconds"),
        "revoked_at": client.revoked_at.isoformat(timespec="seconds") if client.revoked_at else None,
    }


def _days(text: str) -> timedelta:
    days = int(text) if text.isdecimal() and len(text) < 5 else -1  # of digits
    if not 0 <= days <= _LONGEST.days:
        raise argparse.ArgumentTypeError(f"a number of days from 0 to {_LONGEST.days}")
    return timedelta(days=days)
