"""`manage.py partner simulate`: a linked system to try things out with."""

import argparse
from pathlib import Path

from django.core.management.base import BaseCommand

from identity_privacy.delivery.simulator import Mode, Simulation, simulate


class Command(BaseCommand):
    """What a partner needs, from our side of the line."""

    help = "Simulate a linked system that receives webhooks."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(required=True)
        simulated = commands.add_parser("simulate", help="Receive webhooks on 127.0.0.1 and answer as a partner would")
        simulated.add_argument("--port", type=int, required=True)
        simulated.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.HEALTHY)
        simulated.add_argument("--secret", required=True, help="whsec_… that signs what it receives")
        simulated.add_argument("--inbound-secret", required=True, help="whsec_… that signs what it answers")
        simulated.add_argument("--private-key", default="", help="whsk_…: it signs by Ed25519 instead")
        simulated.add_argument("--effects", type=Path, required=True, help="SQLite file of what it received and did")
        simulated.add_argument("--log", type=Path, help="File that gets one JSON line for each answer")
        simulated.add_argument("--delay", type=float, default=1.0, help="later: seconds until it reports")
        simulated.add_argument("--think", type=float, default=0.0, help="Seconds between its effect and its answer")

    def handle(
        self,
        *,
        mode: Mode,
        port: int,
        secret: str,
        inbound_secret: str,
        private_key: str,
        effects: Path,
        log: Path | None,
        delay: float,
        think: float,
        **_: object,
    ) -> None:
        """Run until told to stop."""
        simulation = Simulation(
            mode=mode,
            port=port,
            secret=secret,
            inbound_secret=inbound_secret,
            private_key=private_key,
            effects=effects,
            log=log,
            delay_seconds=delay,
            think_seconds=think,
        )
        simulate(simulation)
