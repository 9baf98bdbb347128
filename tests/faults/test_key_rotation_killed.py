"""A change of keys that is killed at any step loses nothing and is finished by starting it again; so is a reading."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.servers import databases

ROOT = Path(__file__).resolve().parents[2]
IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
# Each is killed at every so-manieth statement, from a random one on; before a release at each.
STRIDES = {"sqlite": 4, "postgresql": 12}
RUN = "import django; django.setup(); from tests.faults.killed_at_each_step import main; main()"
OF_THE_LOG = ("read", "take-over")
VERBS = ("create", "destroy", "sweep", "rotate-root", "rotate-kek", "rotate-dek", "rotate-index")


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    with contextlib.ExitStack() as stack:
        urls = {}
        if request.param == "postgresql":
            pair = stack.enter_context(databases(request.getfixturevalue("pg_server")))
            urls = dict(zip(("DATABASE_URL", "DATABASE_KEYS_URL"), pair, strict=True))
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")},
            "DJANGO_SETTINGS_MODULE": "identity_privacy.settings",
            "VAR_DIR": str(tmp_path),
            "ROOT_KEY_URL": f"file://{tmp_path}/root-key.json",
            "KEK_HOLD_SECONDS": "0",
            "LOG_LEVEL": "WARNING",
            "STRIDE": str(1 if IS_THOROUGH else STRIDES[request.param]),
            **urls,
        }


def tried(environment: Mapping[str, str], folder: Path, verbs: Sequence[str], stride: int) -> Mapping[str, int]:
    """How often each verb was killed, once all held."""
    command = [sys.executable, "-c", RUN, str(folder), *verbs, "--stride", str(stride)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {verb: int(count) for verb, count in map(str.split, ran.stdout.splitlines())}


def test_a_change_that_dies_at_any_step_loses_nothing_and_is_finished_later(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    stride = int(environment["STRIDE"])
    found = tried(environment, tmp_path, VERBS, stride)
    assert found.keys() == set(VERBS)
    assert sum(found.values()) > 250 / stride, found


def test_whoever_reads_is_in_the_log_wherever_they_or_what_takes_it_over_die(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    found = tried(environment, tmp_path, OF_THE_LOG, 1)
    assert found.keys() == set(OF_THE_LOG)
    assert min(found.values()) > 3, found
