"""The benchmarks measure what they say and keep their figures in one file."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.goals import GOALS
from benchmarks.results import Row

ROOT = Path(__file__).resolve().parent.parent


FIGURES = {
    "crypto": [
        "bulk_write_vs_plain_sqlite",
        "read_all_vs_plain_sqlite",
        "read_attribute_vs_plain_sqlite",
        "read_one_vs_plain_sqlite",
    ],
    "access": ["known_vs_unknown_address_gap_sqlite"],
    "audit": [
        "inclusion_proof_1m_ms_sqlite",
        "record_vs_plain_insert_sqlite",
        "sequence_entries_per_s_sqlite",
        "verify_1m_mib_sqlite",
        "verify_1m_s_sqlite",
    ],
}


@pytest.mark.parametrize("group", FIGURES)
def test_a_tiny_run_writes_each_figure(tmp_path: Path, group: str) -> None:
    path = tmp_path / "results.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        f"--only={group}",
        "--rows=25",
        "--backend=sqlite",
        f"--results={path}",
    ]

    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)

    rows = results.read(path)
    assert [row["name"] for row in rows] == FIGURES[group]
    for row in rows:
        assert row["value"] > 0
        assert (row["ratio"] or 0) > 0 if "_vs_" in row["name"] else row["ratio"] is None
        assert (row["group"], row["backend"], row["rows"], row["goal"]) == (group, "sqlite", 25, None)


def test_a_figure_replaces_the_one_of_the_same_name_back_end_and_size(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for rows, ratio in ((10, 0.1), (20, 0.2), (10, 0.3)):
        results.put(path, figure(rows=rows, ratio=ratio))

    assert [(row["rows"], row["ratio"]) for row in results.read(path)] == [(10, 0.3), (20, 0.2)]


@pytest.mark.parametrize(("ratio", "met"), [(0.39, False), (0.40, True)])
def test_a_goal_is_held_against_the_ratio_where_something_is_compared(ratio: float, met: bool) -> None:
    row = results.judged(figure(name="read_all_vs_plain", ratio=ratio))

    assert (row["goal"], row["met"]) == ("≥ 0.4", met)


def test_every_goal_is_in_the_page_on_performance() -> None:
    page = (ROOT / "docs/performance.md").read_text()

    assert [name for name in GOALS if f"`{name}`" not in page] == []


def figure(*, name: str = "read_all_vs_plain", rows: int = 10, ratio: float) -> Row:
    return Row(
        name=name,
        group="crypto",
        value=2.0,
        unit="µs",
        baseline=1.0,
        ratio=ratio,
        goal=None,
        met=None,
        backend="postgresql",
        rows=rows,
        at="2026-01-01T00:00:00+00:00",
    )
