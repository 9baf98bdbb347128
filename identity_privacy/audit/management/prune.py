"""`manage.py audit prune`."""

from argparse import ArgumentParser
from datetime import date

from django.core.management.base import CommandError, OutputWrapper

from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.management.arguments import day
from identity_privacy.audit.pruning import Pruning, Run, plan_pruning
from identity_privacy.audit.removing import refuse_unless_owner
from identity_privacy.confirming import confirm
from identity_privacy.crypto.events import own_account
from identity_privacy.errors import NotPermitted, ServiceError


def add_arguments(parser: ArgumentParser) -> None:
    """Up to when, and whether to ask."""
    parser.add_argument(
        "--before", type=day, required=True, metavar="DATE", help="whole quarters that end by then go: 2027-01-01"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(*, before: date, yes: bool, stdout: OutputWrapper) -> None:
    """Show what goes, ask, and let it go. Raises: CommandError, and nothing is gone."""
    try:
        refuse_unless_owner()
        services.sequence()
        planned = plan_pruning(before)
        if not planned.count:
            stdout.write(f"nothing to prune: there is no such entry before {planned.before}")
            return
        stdout.write(_sentence(planned, before))
        if not yes:
            confirm("prune", otherwise="nothing was pruned")
        stdout.write("checking the whole log first, for nobody can afterwards")
        pruned = services.prune(before, actor=Actor.service("dba"), account=own_account())
    except NotPermitted as error:
        raise CommandError(f"{error}: set it to the role that does, see docs/howto/database-roles.md") from None
    except LogAltered as error:
        raise CommandError(f"nothing was pruned: the log was changed: {error}") from None
    except ServiceError as error:
        raise CommandError(f"nothing was pruned: {error}") from None
    stdout.write(f"{pruned.count:,} entries were pruned; their leaf hashes stay, and all proofs hold")


def _sentence(planned: Pruning, asked: date) -> str:
    whole = "" if planned.before == asked else f" ({asked} is inside a quarter, and only whole ones go)"
    kept = f"; {len(planned.kept):,} stay, as they are still needed" if planned.kept else ""
    ends: dict[int, Run] = {}
    for run in planned.runs:
        ends[run.epoch] = ends.get(run.epoch, run)._replace(end=run.end)
    places = ", ".join(map(str, ends.values()))
    return f"{planned.count:,} entries before {planned.before}{whole} are taken out for good: {places}{kept}"
