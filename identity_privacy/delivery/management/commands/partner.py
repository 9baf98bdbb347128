"""`manage.py partner simulate`: a linked system to try things out with."""

import argparse
import os
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from identity_privacy.delivery.simulator import Mode, Simulation, simulate


class Command(BaseCommand):
    """What a partner needs, from our side of the line."""

    help = "Simulate a linked system that receives webhooks."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """One subcommand each."""
        commands = parser.add_subparsers(required=True)
        simulated = commands.add_parser(
            "simulate",
            help="Receive webhooks on 127.0.0.1 and answer as a partner would",
            description="From the environment, since every account of a machine may read arguments: PARTNER_SECRET "
            "(whsec_…) signs what it receives, PARTNER_INBOUND_SECRET (whsec_…) what it answers; with "
            "PARTNER_PRIVATE_KEY (whsk_…) it signs by Ed25519 instead.",
        )
        simulated.add_argument("--port", type=int, required=True)
        simulated.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.HEALTHY)
        simulated.add_argument("--effects", type=Path, required=True, help="SQLite file of what it received and did")
        simulated.add_argument("--log", type=Path, help="File that gets one JSON line for each answer")
        simulated.add_argument("--delay", type=float, default=1.0, help="later: seconds until it reports")
        simulated.add_argument("--think", type=float, default=0.0, help="Seconds between its effect and its answer")

    def handle(
        self,
        *,
        mode: Mode,
        port: int,
        effects: Path,
        log: Path | None,
        delay: float,
        think: float,
        **_: object,
    ) -> None:
        """Run until told to stop. Raises: CommandError, where it is given no secret."""
        simulation = Simulation(
            mode=mode,
            port=port,
            secret=_secret("PARTNER_SECRET"),
            inbound_secret=_secret("PARTNER_INBOUND_SECRET"),
            private_key=os.environ.get("PARTNER_PRIVATE_KEY", ""),
            effects=effects,
            log=log,
            delay_seconds=delay,
            think_seconds=think,
        )
        simulate(simulation)


def _secret(name: str) -> str:
    if not (value := os.environ.get(name)):
        raise CommandError(f"set {name} in the environment: whsec_…")
    return value
