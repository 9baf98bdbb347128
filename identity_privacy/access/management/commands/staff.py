"""`manage.py staff add|give|take|list|reset|break-glass|mend-glass`."""

import argparse
import getpass
import os
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from identity_privacy.access.finding import controller_named, staff_named
from identity_privacy.access.management.refusing import refusals_in_one_line
from identity_privacy.access.models import Controller, User
from identity_privacy.access.roles import roles_of
from identity_privacy.access.services import (
    add_staff,
    break_glass,
    give_role,
    mend_glass,
    reset_second_factor,
    take_role,
)
from identity_privacy.access.terms import OF_PROGRAMS, Role
from identity_privacy.actors import Actor

OPERATOR = Actor.service("operator")


class Command(BaseCommand):
    """Who works for which controller, in which role."""

    help = "Add a member of staff, give or take a role, list who has which, reset a second factor, or break the glass."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(required=True, dest="act")
        for act, words in (
            ("add", "Let somebody new work for a controller"),
            ("give", "Give a role to somebody who is staff already"),
            ("take", "Take a role away: it ends with the page that they now load"),
        ):
            one = commands.add_parser(act, help=words, description=_ABOUT_ADDING if act == "add" else words)
            one.add_argument("username", help="the name that they sign in with")
            one.add_argument("--controller", required=True, help="code of the controller")
            one.add_argument("--role", required=True, choices=sorted(set(Role) - OF_PROGRAMS))
        commands.add_parser("list", help="Show everybody and their roles")
        glass = commands.add_parser(
            "break-glass", help="Let somebody do everything for a while; the privacy team is told"
        )
        glass.add_argument("username", help="the name that they sign in with")
        glass.add_argument("--controller", required=True, help="code of the controller")
        glass.add_argument("--reason", required=True, help="why, for the audit log; name no person")
        glass.add_argument("--minutes", type=int, default=60, help="for how long, at most 240 (default: 60)")
        mend = commands.add_parser("mend-glass", help="End that before its time")
        mend.add_argument("username", help="the name that they sign in with")
        reset = commands.add_parser("reset", help="Let somebody set up another second factor, who has lost theirs")
        reset.add_argument("username", help="the name that they sign in with")

    def handle(self, *, act: str, **options: Any) -> None:  # noqa: ANN401  # as the framework passes them
        """Do it, or say what is wrong. Raises: CommandError."""
        if act == "list":
            self._list()
            return
        name = options.get("username", "")
        with refusals_in_one_line():
            if act == "reset":
                reset_second_factor(actor=OPERATOR, user=staff_named(name))
                self.stdout.write(f"{name} is signed out, and sets up a second factor at the next sign-in")
            elif act == "break-glass":
                until = break_glass(
                    actor=OPERATOR,
                    user=staff_named(name),
                    controller=controller_named(options["controller"]),
                    reason=options["reason"],
                    lasting=timedelta(minutes=options["minutes"]),
                )
                self.stdout.write(f"{name} may do everything until {until:%H:%M} UTC; the privacy team is told")
            elif act == "mend-glass":
                mend_glass(actor=OPERATOR, user=staff_named(name))
                self.stdout.write(f"{name} may do what the roles say, and no more")
            else:
                self._change(act, name, controller_named(options["controller"]), Role(options["role"]))

    def _change(self, act: str, username: str, controller: Controller, role: Role) -> None:
        if act == "add":
            password = os.environ.get("STAFF_PASSWORD") or _typed_twice()
            add_staff(actor=OPERATOR, controller=controller, username=username, password=password, role=role)
        else:
            change = give_role if act == "give" else take_role
            change(actor=OPERATOR, user=staff_named(username), controller=controller, role=role)
        roles = ", ".join(roles_of(staff_named(username), controller)) or "nothing"
        self.stdout.write(f"{username} is now for {controller.code}: {roles}")

    def _list(self) -> None:
        controllers = list(Controller.objects.order_by("code"))
        for user in User.objects.filter(is_staff=True).order_by("username"):
            state = "" if user.is_active else "\tswitched off"
            if not user.groups.exists():
                self.stdout.write(f"{user.username}\t\tno role{state}")
            for controller in controllers:
                if roles := roles_of(user, controller):
                    self.stdout.write(f"{user.username}\t{controller.code}\t{', '.join(roles)}{state}")


def _typed_twice() -> str:
    try:
        typed = getpass.getpass("Password: ")
        again = getpass.getpass("Once more: ")
    except (EOFError, KeyboardInterrupt):
        raise CommandError("nobody was added: set STAFF_PASSWORD or type a password") from None
    if typed != again:
        raise CommandError("nobody was added: the two passwords differ")
    return typed


_ABOUT_ADDING = "Their password is asked for, or taken from STAFF_PASSWORD in the environment; never from an argument."
