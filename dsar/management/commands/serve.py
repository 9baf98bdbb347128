"""`manage.py serve`."""

import json
import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser
from email import message_from_bytes, policy
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from dsar.demo import environment, stage
from dsar.demo.processes import Processes, wait_for
from dsar.demo.show import Screen
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
        if not (environment.FOLDER / "sign-ins.json").exists():
            screen.line("There is no demo yet; setting it up.")
            shutil.rmtree(environment.FOLDER, ignore_errors=True)
            controller, password = stage.set_up()
            stage.import_people(controller)
            stage.record_choices(controller)
            environment.write_sign_ins({stage.STAFF: password})
        controller = Controller.objects.get(code="lindwerk")
        with tempfile.TemporaryDirectory(prefix="mail-") as mailbox:
            self._serve(screen, controller, port, Path(mailbox))

    def _serve(self, screen: Screen, controller: Controller, port: int, mailbox: Path) -> None:
        url = f"http://localhost:{port}"
        with Processes({"PUBLIC_URL": url, "EMAIL_URL": environment.mail_url(mailbox)}) as processes:
            stage.start_partners(processes, controller)
            processes.start_web(port)
            processes.start_worker()
            wait_for(port)
            password = json.loads((environment.FOLDER / "sign-ins.json").read_text())[stage.STAFF]
            screen.line(f"Portal   {url}/           sign in as {stage.someone_to_sign_in_as(controller)}")
            screen.line(f"Console  {url}/console/   sign in as {stage.STAFF}, password {password}")
            screen.line(f"API      {url}/api/v1/schema/")
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
