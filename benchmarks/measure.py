"""Measures one group on the databases of the environment: `python -m benchmarks.measure RESULTS GROUP PART ROWS…`."""

import itertools
import sys
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command
from django.db import connection, connections

from benchmarks.harness import Comparison, Gap, Measured
from benchmarks.results import Row, judged, put
from identity_privacy import clock


def main(results: Path, group: str, part: str, sizes: list[int]) -> None:
    """Make the tables, then measure each size and write each figure as soon as it is known; PART `all` is all parts."""
    django.setup()
    for alias in connections:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    # Its models can be imported only now.
    parts = import_module(f"benchmarks.{group}").PARTS
    for rows, name in itertools.product(sizes, parts if part == "all" else [part]):
        for measured in parts[name](rows, rounds_of(rows)):
            row = row_of(measured, group=group, rows=rows)
            put(results, row)
            sys.stdout.write(line_of(row, measured))
            sys.stdout.flush()


def rounds_of(rows: int) -> int:
    """Short rounds are noisier, and cheap."""
    if rows < 1_000:
        return 3  # only to see that it runs
    return 11 if rows <= 10_000 else 5


def row_of(measured: Measured, *, group: str, rows: int) -> Row:
    """What the results file keeps of a figure."""
    compared = measured if isinstance(measured, Comparison | Gap) else None
    return judged(
        Row(
            name=measured.name,
            group=group,
            value=round(measured.value, 3),
            unit=measured.unit,
            baseline=round(compared.baseline_value, 3) if compared else None,
            ratio=round(compared.ratio, 3) if compared else None,
            goal=None,
            met=None,
            backend=connection.vendor,
            rows=rows,
            at=clock.now().isoformat(timespec="seconds"),
        )
    )


def line_of(row: Row, measured: Measured) -> str:
    """One figure for whoever waits."""
    judgement = {None: "", True: "met", False: "MISSED"}[row["met"]]
    goal = f"  goal {row['goal']} {judgement}" if row["goal"] else ""
    compared = ""
    if row["ratio"] is not None:
        compared = f", baseline {row['baseline']:>8.2f} {row['unit']}, ratio {row['ratio']:>6.3f}"
    if isinstance(measured, Comparison):
        compared += f" (CPU {measured.cpu_ratio:.2f})"
    return f"{row['name']:<32}{row['rows']:>9,}  {row['value']:>9.2f} {row['unit']}{compared}{goal}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], [int(size) for size in sys.argv[4:]])
