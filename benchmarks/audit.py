"""The audit log against an ordinary audit table, and at a million entries."""

import contextlib
import os
import random
import statistics
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from django.db import connection

from benchmarks.database import analysed
from benchmarks.entries import AT_ONCE, enter_many, record_each, write_plain
from benchmarks.harness import Comparison, Figure, Measured, Took, here, interleaved
from benchmarks.models import PlainEntry
from benchmarks.processes import Worker
from identity_privacy.audit.canonical import canonical_json
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced, Tile
from identity_privacy.audit.offline import leaf_hash, root_of_inclusion
from identity_privacy.audit.proofs import prove_inclusion
from identity_privacy.audit.services import sequence

WRITERS: Final = 8
# In one run at most: more would only take longer.
ENTRIES: Final = 2_000
PROOFS: Final = 1_000

Part: TypeAlias = Callable[[int, int], Iterator[Measured]]


def growing(rows: int, rounds: int) -> Iterator[Measured]:
    """Give entries their places, a fifth of them at a time, so that the last ones meet a log that is long."""
    del rounds
    yield _figure("sequence_entries_per_s", statistics.median(_grown(rows)), "entries/s")


def verifying(rows: int, rounds: int) -> Iterator[Measured]:
    """Check the whole log, in a process that does nothing else."""
    _grown(rows)
    with _worker() as worker:
        took = [worker.run("verify") for _ in range(min(rounds, 5))]
    yield _figure("verify_1m_s", statistics.median(run.seconds for run in took), "s")
    yield _figure("verify_1m_mib", max(run.mib or 0 for run in took), "MiB")


def proving(rows: int, rounds: int) -> Iterator[Measured]:
    """Prove that an entry stands in the log, each time from nothing: 99 of 100 take no longer."""
    del rounds
    _grown(rows)
    chosen = random.Random(rows).sample(range(Sequenced.objects.count()), min(PROOFS, rows))  # noqa: S311  # repeatable
    ids = [Sequenced.objects.values_list("entry_id", flat=True).get(epoch=1, index=index) for index in chosen]
    _check_proofs(ids[:10])
    took = sorted(_seconds(partial(prove_inclusion, entry_id)) for entry_id in ids)
    yield _figure("inclusion_proof_1m_ms", took[len(took) * 99 // 100] * 1_000, "ms")


def recording(rows: int, rounds: int) -> Iterator[Measured]:
    """One writer, a transaction for each entry, beside the same row of an ordinary table that holds as many."""
    _grown(rows)
    _as_many_plain(rows)
    count = min(ENTRIES, rows)
    took = interleaved(
        {"plain": here(partial(write_plain, count)), "record": here(partial(record_each, count))}, rounds=rounds
    )
    yield _compared("record_vs_plain_insert", took, count)


def writers(rows: int, rounds: int) -> Iterator[Measured]:
    """Eight writers at once; on PostgreSQL only, since SQLite has one at a time."""
    if connection.vendor != "postgresql":
        return
    _grown(rows)
    _as_many_plain(rows)
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker()) for _ in range(WRITERS)]
        each = max(min(ENTRIES, rows) // WRITERS, 1)
        took = interleaved(
            {name: partial(_together, workers, f"{name} {each}") for name in ("plain", "record")}, rounds=rounds
        )
    yield _compared("record_8_writers_vs_plain", took, each * WRITERS)


def _grown(rows: int) -> list[float]:
    """Let the log have as many entries; says how many a second were given their place, each time."""
    speeds = []
    while (size := Sequenced.objects.count()) < rows:
        count = min(max(rows // 5, 1), rows - size)
        for _ in range(0, count, AT_ONCE):
            enter_many(min(AT_ONCE, count))
        analysed(Entry, Sequenced, Tile, Checkpoint)
        speeds.append(count / _seconds(sequence))
    return speeds


def _as_many_plain(rows: int) -> None:
    if PlainEntry.objects.count() < rows:
        names = ", ".join(connection.ops.quote_name(str(field.column)) for field in PlainEntry._meta.concrete_fields)
        table = connection.ops.quote_name(PlainEntry._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM audit_entry")  # noqa: S608  # ours
    analysed(PlainEntry, Entry)


def _check_proofs(ids: Iterable[UUID]) -> None:
    """Refuse to measure proofs that prove nothing."""
    checkpoint = latest_checkpoint()
    for proof in map(prove_inclusion, ids):
        leaf, hashes = leaf_hash(canonical_json(proof.entry)), list(map(b64decode, proof.hashes))
        if checkpoint is None or root_of_inclusion(leaf, proof.index, checkpoint.size, hashes) != checkpoint.root:
            raise AssertionError("a proof does not lead to the signed root")


def _worker() -> contextlib.AbstractContextManager[Worker]:
    return Worker.started([sys.executable, "-m", "benchmarks.entries"], os.environ)


def _together(workers: list[Worker], work: str) -> Took:
    started = time.perf_counter()
    for worker in workers:
        worker.tell(work)
    took = [worker.answer() for worker in workers]
    return Took(seconds=time.perf_counter() - started, cpu=sum(run.cpu for run in took))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _figure(name: str, value: float, unit: str) -> Figure:
    return Figure(name=name + _suffix(), value=value, unit=unit)


def _compared(name: str, took: Mapping[str, list[Took]], items: int) -> Comparison:
    return Comparison(name=name + _suffix(), ours=took["record"], baseline=took["plain"], items=items)


def _suffix() -> str:
    return "" if connection.vendor == "postgresql" else f"_{connection.vendor}"


PARTS: Mapping[str, Part] = {part.__name__: part for part in (growing, verifying, proving, recording, writers)}
