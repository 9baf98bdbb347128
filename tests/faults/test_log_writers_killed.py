"""Whoever writes or sequences the log may die at any moment: no committed entry is lost, doubled or out of place."""

import random
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from identity_privacy.audit.offline import Tree
from tests.faults.house import House, house, wait_until
from tests.servers import databases

WRITERS, SEQUENCERS, KILLS = 8, 2, 30
CHANCE = random.Random()  # noqa: S311  # when to kill whom


def test_killed_writers_and_sequencers_lose_no_committed_entry(
    tmp_path: Path, pg_server: str, rabbitmq_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        databases(pg_server) as (database_url, keys_url),
        house(tmp_path, database_url, keys_url, rabbitmq_server) as service,
    ):
        numbers = count()
        running = [begin(service, work, next(numbers)) for work in ["write"] * WRITERS + ["sequence"] * SEQUENCERS]
        wait_until(lambda: ask(service, CHECKPOINTS) > 0, 60, "the first checkpoint")
        for _ in range(KILLS):
            time.sleep(CHANCE.uniform(0, 0.8))
            work, process = running.pop(CHANCE.randrange(len(running)))
            service.kill(process)
            running.append(begin(service, work, next(numbers)))
        for _, process in running:
            service.kill(process)
        service.run("manage.py", "audit", "sequence")

        committed = ask(service, "SELECT count(*) FROM audit_entry")
        noted = [line for file in tmp_path.glob("noted-*") for line in file.read_text().split("\n")[:-1]]
        stored = {str(target) for (target,) in service.ask(WHOLE)}
        assert noted, "the writers wrote"
        assert set(noted) <= stored, "what was committed is there"
        assert committed == 3 * len(stored), "and what was not committed is not, not even in part"
        assert ask(service, "SELECT count(*) FROM audit_sequenced") == committed
        assert service.ask('SELECT min("index"), max("index") FROM audit_sequenced') == [(0, committed - 1)]
        assert f"{committed} entries: nothing was changed" in service.run("manage.py", "audit", "verify")
        leaves = [leaf for (leaf,) in service.ask(LEAVES) if isinstance(leaf, bytes)]
        for size, root in service.ask("SELECT size, root FROM audit_checkpoint"):
            assert Tree(leaves[: int(str(size))]).root() == root, "each checkpoint is of the beginning of the log"
        checkpoints = ask(service, CHECKPOINTS)
    with capsys.disabled():
        sys.stdout.write(f"\nkills {KILLS + len(running)}, entries {committed}, lost 0, checkpoints {checkpoints}\n")


CHECKPOINTS = "SELECT count(*) FROM audit_checkpoint"
LEAVES = """
    SELECT leaf_hash FROM audit_sequenced place JOIN audit_entry entry ON entry.id = place.entry_id ORDER BY "index"
"""
WHOLE = "SELECT target_id FROM audit_entry GROUP BY target_id HAVING count(*) = 3"


def begin(service: House, work: str, number: int) -> tuple[str, subprocess.Popen[bytes]]:
    noted = [str(service.folder / f"noted-{number}")] if work == "write" else []
    return work, service.start(sys.executable, "-m", "tests.faults.entering", work, *noted)


def ask(service: House, query: str) -> int:
    ((number,),) = service.ask(query)
    return int(str(number))
