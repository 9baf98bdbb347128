"""`manage.py serve`."""

import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser
from email import message_from_bytes, policy
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dsar.demo import environment, stage
from dsar.demo.processes import Processes, is_free, wait_for
from dsar.demo.show import Screen
from identity_privacy import clock
from identity_privacy.access.models import Controller

# What Django's file backend writes behind each mail.
END_OF_MAIL = b"-" * 79


class Command(BaseCommand):
    """Serve what the demonstration set up, to be tried by hand."""

    help = "Serve portal, console and API with worker, beat and the demo's linked systems; mail is printed here."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, port: int, **_: object) -> None:
        """Start everything, print where and how to sign in, and run until Ctrl-C."""
        environment.enter()
        with environment.alone():
            self._set_up_and_serve(Screen(sys.stdout), port)

    def _set_up_and_serve(self, screen: Screen, port: int) -> None:
        if not is_free(port):
            raise CommandError(f"port {port} cannot be used: choose another with `make run PORT=8001`")
        facts = environment.recalled()
        if facts is None:
            screen.line("There is no demo yet; setting it up.")
            shutil.rmtree(environment.FOLDER, ignore_errors=True)
            controller, password = stage.set_up()
            stage.import_people(controller)
            stage.record_choices(controller)
            environment.remember(staff=stage.STAFF, password=password, clock_offset_seconds=0)
            facts = environment.Facts(stage.STAFF, password, 0)
        self._serve(screen, Controller.objects.get(code="lindwerk"), facts, port)

    def _serve(self, screen: Screen, controller: Controller, facts: environment.Facts, port: int) -> None:
        url, mailbox = f"http://localhost:{port}", Path(tempfile.mkdtemp(prefix="mail-"))
        settings.CLOCK_OFFSET_SECONDS = facts.clock_offset_seconds
        extra = {
            "PUBLIC_URL": url,
            "EMAIL_URL": environment.mail_url(mailbox),
            "CLOCK_OFFSET_SECONDS": str(facts.clock_offset_seconds),
        }
        with Processes(extra, mailbox=mailbox) as processes:
            stage.start_partners(processes, controller)
            processes.start_web(port)
            processes.start_worker()
            wait_for(port)
            screen.line(f"Portal   {url}/           sign in as {stage.someone_to_sign_in_as(controller)}")
            screen.line(f"Console  {url}/console/   sign in as {facts.staff}, password {facts.password}")
            screen.line(f"API      {url}/api/v1/schema/")
            if facts.clock_offset_seconds:
                screen.line(f"The demo moved the clock: for the service it is {clock.now():%d %B %Y}.")
            screen.line("Mail is printed here as the person gets it. Ctrl-C ends everything.")
            try:
                self._print_mail(screen, processes, mailbox)
            except KeyboardInterrupt:
                screen.line("\nended")

    def _print_mail(self, screen: Screen, processes: Processes, mailbox: Path) -> None:
        printed: set[Path] = set()
        while (ended := processes.dead()) is None:
            for path in sorted(set(mailbox.iterdir()) - printed):
                written, end, _ = path.read_bytes().partition(END_OF_MAIL)
                letter = message_from_bytes(written, policy=policy.default)
                body = letter.get_body(("plain",))
                if not end or body is None:
                    continue  # still being written
                printed.add(path)
                screen.line(f"\nMail to {letter['To']}: {letter['Subject']}")
                screen.quote("\n".join(body.get_content().splitlines()))
            time.sleep(0.3)
        raise CommandError(f"{ended} ended by itself; see {environment.LOGS / ended}.log")
