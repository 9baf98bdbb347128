"""`manage.py audit witness` and `audit witness-key`, for a machine without the service's databases and keys."""

import time
from argparse import ArgumentParser, ArgumentTypeError, _SubParsersAction
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from django.core.management.base import CommandError, OutputWrapper

from identity_privacy.audit.witness import (
    LogRefused,
    LogUnavailable,
    State,
    Unusable,
    Witness,
    make_key,
    over_http,
    pinned,
    read_key,
)

VERBS: Final = ("witness", "witness-key")
# The exit status of a log that is not as it was, and of one of which nothing can be told.
REFUSED, UNKNOWN = 1, 2
# Between two rounds, in seconds: ten a second, one a week.
_SHORTEST, _LONGEST = 0.1, 604_800


def add_arguments(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """The two subcommands."""
    witness = commands.add_parser("witness", help="See that a log only grows and cosign it; on another machine")
    witness.add_argument("url", help="the service's address: https://privacy.example.com")
    witness.add_argument("--key-file", type=Path, required=True, help="the witness's key, from `audit witness-key`")
    witness.add_argument("--state", type=Path, required=True, help="file for the checkpoint that was cosigned last")
    witness.add_argument(
        "--log-key", action="append", required=True, help="the log's public key, base64; again for a second one"
    )
    witness.add_argument("--origin", default="", help="the log's name (default: that of the first checkpoint)")
    witness.add_argument(
        "--interval", type=_seconds, help="go on, with so many seconds between rounds (default: one round)"
    )
    key = commands.add_parser("witness-key", help="Make a witness's key and print its public half")
    key.add_argument("file", type=Path, help="where to put it; it must not be there yet")
    key.add_argument("--name", required=True, help="what it signs as, such as witness.example.com/w1")


def run(verb: str, options: Mapping[str, object], stdout: OutputWrapper, stderr: OutputWrapper) -> None:
    """Do the one that was asked for. Raises: CommandError."""
    try:
        if verb == "witness-key":
            stdout.write(str(make_key(Path(str(options["file"])), str(options["name"]))))
        else:
            _watch(options, stdout, stderr)
    except Unusable as error:
        raise CommandError(str(error), returncode=UNKNOWN) from None
    except KeyboardInterrupt:
        stderr.write("stopped")


def _watch(options: Mapping[str, object], stdout: OutputWrapper, stderr: OutputWrapper) -> None:
    log_keys, state, interval = options["log_key"], State(Path(str(options["state"]))), options["interval"]
    witness = Witness(
        ask=over_http(str(options["url"])),
        log_keys=pinned([str(key) for key in log_keys] if isinstance(log_keys, list) else []),
        key=read_key(Path(str(options["key_file"]))),
        state=state,
        origin=str(options["origin"]),
    )
    with state.alone():
        while True:
            try:
                stdout.write(_round(witness))
                stdout.flush()
            except LogUnavailable as error:
                if not isinstance(interval, float):
                    raise CommandError(str(error), returncode=UNKNOWN) from None
                stderr.write(f"{error}; again in {interval:g} seconds")
            if not isinstance(interval, float):
                return
            time.sleep(interval)


def _round(witness: Witness) -> str:
    """Raises: CommandError, for a log that does not go on; LogUnavailable; Unusable."""
    try:
        return witness.look()
    except LogRefused as error:
        raise CommandError(f"{error}. Nothing was signed; the log: {witness.show_last()}", returncode=REFUSED) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ArgumentTypeError(f"a number of seconds from {_SHORTEST} to {_LONGEST}")
    return seconds
