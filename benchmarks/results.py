"""Keeps the figures in a JSON file, one row for each name, back end and number of rows."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from benchmarks.goals import GOALS


class Row(TypedDict):
    """One figure; `goal` and `met` are null where none is set, `baseline` and `ratio` where it is not compared."""

    name: str
    group: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    goal: str | None
    met: bool | None
    backend: str
    rows: int
    at: str


def judged(row: Row) -> Row:
    """The row with its goal and whether it is met."""
    goal = GOALS.get(row["name"])
    figure = row["ratio"] if "_vs_" in row["name"] else row["value"]
    if goal is None or figure is None:
        return row
    return {**row, "goal": str(goal), "met": goal.is_met_by(figure)}


def read(path: Path) -> list[Row]:
    """All rows of a file; none where there is no file yet."""
    rows: list[Row] = json.loads(path.read_text()) if path.exists() else []
    return rows


def put(path: Path, row: Row) -> None:
    """Add a row or replace the one of the same name, back end and number of rows; the others keep their place."""
    rows = {_key(old): old for old in read(path)} | {_key(row): row}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([rows[key] for key in sorted(rows)], indent=1, ensure_ascii=False) + "\n")


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table for docs/performance.md."""
    lines = ["| name | rows | ours | baseline | ratio | goal | |", "| --- | --: | --: | --: | --: | --- | --- |"]
    lines += [" | ".join(("", *_cells(row), "")).strip() for row in rows]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> Sequence[str]:
    unit = row["unit"]
    figures = ["" if figure is None else f"{_short(figure)} {unit}" for figure in (row["value"], row["baseline"])]
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    met = {None: "", True: "met", False: "missed"}[row["met"]]
    return [f"`{row['name']}`", f"{row['rows']:,}", *figures, ratio, row["goal"] or "", met]


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 1_000 else f"{figure:.4g}"


def _key(row: Row) -> tuple[str, str, str, int]:
    return row["group"], row["name"], row["backend"], row["rows"]
