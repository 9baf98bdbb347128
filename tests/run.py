"""Runs the suites of `make test-fast`, `make test` and `make test-all` and says what ran and what did not.

1. Look for what the suites need: named by the environment, installed, or else installable here.
2. Start PostgreSQL once, for all suites that use it; the fault runs start their own broker.
3. Run each suite in a pytest of its own; one whose needs are missing is skipped, and fails under CI or STRICT.
4. Print the table, the last line of which counts all tests, and keep it in var/test-report.txt.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

from tests import servers

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "var" / "test-report.txt"
STRICT = bool(os.environ.get("CI") or os.environ.get("STRICT"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """One pytest run. `on_postgres`: by DATABASE_URL; else the suite runs on SQLite."""

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    on_postgres: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a suite; `note` says why it did not run, or how it ended."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    note: str = ""
    is_bad: bool = False


# One process a core: each has databases of its own.
UNIT = ("tests", "--ignore=tests/e2e", "--ignore=tests/faults", "--numprocesses=auto")
# More processes would need more servers than they gain.
SERVERS = min(os.cpu_count() or 1, 4)
UNIT_POSTGRES = (*UNIT, f"--maxprocesses={SERVERS}")
# Each process has a browser of its own.
JOURNEYS = ("tests/e2e", "--numprocesses=auto", f"--maxprocesses={SERVERS}")
FAST = Suite(
    name="unit, SQLite",
    arguments=(*UNIT, "--ignore=tests/migrations"),
    environment={"HYPOTHESIS_PROFILE": "quick"},
)
SUITES = (
    Suite(name="unit, SQLite", arguments=UNIT),
    Suite(name="unit, PostgreSQL", arguments=UNIT_POSTGRES, needs=("postgres",), on_postgres=True),
    Suite(name="journeys, Chromium", arguments=JOURNEYS, needs=("chromium",)),
    Suite(name="faults, real workers", arguments=("tests/faults",), needs=("postgres", "rabbitmq", "redis")),
)
THOROUGH = {"HYPOTHESIS_PROFILE": "thorough"}
FULL_SIZE = (
    Suite(name="unit, SQLite, thorough", arguments=UNIT, environment=THOROUGH),
    Suite(
        name="unit, PostgreSQL, thorough",
        arguments=UNIT_POSTGRES,
        needs=("postgres",),
        on_postgres=True,
        environment=THOROUGH,
    ),
    SUITES[2],
    replace(SUITES[3], environment=THOROUGH),
    Suite(name="journeys, PostgreSQL", arguments=JOURNEYS, needs=("chromium", "postgres"), on_postgres=True),
)
SIZES = {"fast": (FAST,), "test": SUITES, "all": FULL_SIZE}

PACKAGES = {"postgres": "postgresql", "rabbitmq": "rabbitmq-server", "redis": "redis-server", "chromium": "chromium"}


def main(size: str) -> int:
    """Run the suites of a size; the exit code is 0 only if nothing failed and, under CI, nothing was skipped."""
    suites = SIZES[size]
    missing = _install({need for suite in suites for need in suite.needs if not _is_here(need)})
    with contextlib.ExitStack() as stack:
        environment = {name: value for name, value in os.environ.items() if name not in DECIDED_HERE}
        if any("postgres" in suite.needs for suite in suites) and "postgres" not in missing:
            environment |= _postgres_servers(stack)
        outcomes = [_outcome(suite, missing, environment) for suite in suites]
    report = "\n".join(_report(outcomes)) + "\n"
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report)
    sys.stdout.write(f"\n{report}")
    return int(any(outcome.is_bad for outcome in outcomes))


def _postgres_servers(stack: contextlib.ExitStack) -> dict[str, str]:
    """A server for each process of the unit tests: a long transaction on one holds back destructions on all of it."""
    names = ["TEST_POSTGRES_URL", *(f"TEST_POSTGRES_URL_gw{number}" for number in range(1, SERVERS))]
    if "TEST_POSTGRES_URL" in os.environ:
        names = names[:1]
    return {name: stack.enter_context(servers.postgres()) for name in names}


# A suite's database is part of what it tests; what the caller's shell says must not change it.
DECIDED_HERE = {"DATABASE_URL", "DATABASE_KEYS_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "PRODUCTION"}


def _is_here(need: str) -> bool:
    if need == "chromium":
        return servers.chromium_path() is not None
    installed = {"postgres": servers.has_postgres, "rabbitmq": servers.has_rabbitmq, "redis": servers.has_redis}
    return f"TEST_{need.upper()}_URL" in os.environ or installed[need]()


def _install(missing: set[str]) -> set[str]:
    """Try to install what is missing; return what is missing still."""
    if not missing:
        return missing
    packages = sorted(PACKAGES[need] for need in missing)
    sys.stdout.write(f"Installing for the tests: {' '.join(packages)}\n")
    sys.stdout.flush()
    subprocess.run([ROOT / "scripts" / "install-servers", *packages], check=False)
    return {need for need in missing if not _is_here(need)}


def _outcome(suite: Suite, missing: set[str], environment: dict[str, str]) -> Outcome:
    absent = [PACKAGES[need] for need in suite.needs if need in missing]
    if absent:
        return Outcome(name=suite.name, note=f"SKIPPED: no {', no '.join(absent)}", is_bad=STRICT)
    environment = {**environment, **suite.environment}
    if suite.on_postgres:
        server = environment["TEST_POSTGRES_URL"]
        environment["DATABASE_URL"] = servers.with_path(server, "identity_privacy")
        environment["DATABASE_KEYS_URL"] = servers.with_path(server, "identity_privacy_keys")
    results = ROOT / "var" / "test-results.xml"
    results.unlink(missing_ok=True)
    sys.stdout.write(f"\n=== {suite.name}\n")
    sys.stdout.flush()
    started = time.monotonic()
    code = _wait_for([sys.executable, "-m", "pytest", f"--junit-xml={results}", *suite.arguments], environment)
    passed, failed, skipped = _counts(results)
    is_bad = code != 0 or (STRICT and skipped > 0)
    return Outcome(
        name=suite.name,
        passed=passed,
        failed=failed,
        skipped=skipped,
        seconds=time.monotonic() - started,
        note=f"FAILED (pytest's exit code {code})" if code else "",
        is_bad=is_bad,
    )


def _wait_for(command: list[str], environment: dict[str, str]) -> int:
    # In a session of its own: Ctrl-C reaches it once, from here, and it is given the time to stop its servers.
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return child.wait()
    except BaseException:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise


def _counts(results: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests; none where pytest could not even start."""
    if not results.exists():
        return 0, 0, 0
    suite = next(ElementTree.parse(results).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it just now
    tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    return tests - failures - errors - skipped, failures + errors, skipped


def _report(outcomes: list[Outcome]) -> Iterator[str]:
    yield f"{'suite':<28}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"
    for outcome in outcomes:
        numbers = f"{outcome.passed:>8}{outcome.failed:>8}{outcome.skipped:>9}{outcome.seconds:>9.0f}"
        yield f"{outcome.name:<28}{numbers}  {outcome.note}".rstrip()
    passed, failed, skipped = (sum(getattr(row, name) for row in outcomes) for name in ("passed", "failed", "skipped"))
    if STRICT and any(outcome.is_bad for outcome in outcomes) and not failed:
        yield "Nothing may be skipped here: see the suites above."
    yield f"{passed} passed, {failed} failed, {skipped} skipped"


def _ended(signal_number: int, frame: object) -> None:
    # So that the servers are stopped on TERM as they are on Ctrl-C.
    sys.exit(128 + signal_number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)
    # A shell starts background jobs with INT ignored, which pytest would inherit and never stop on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1]))
