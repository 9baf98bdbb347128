"""No answer of a system makes a person's copy too large to write: what is not a table is shown as text."""

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Mapping, Sequence

import pytest

from dsar.packages import as_csv, open_package
from dsar.services import answer_due, carry_out
from dsar.terms import RequestKind, RequestState
from identity_privacy.subject_data import Section
from tests.cast import Cast
from tests.dsar.world import again, reading, report, task_of
from tests.factories import make_request

MEGABYTE = 1_000_000


def rows_of(section: Section) -> list[list[str]]:
    return list(csv.reader(io.StringIO(as_csv(section).removeprefix("\ufeff"), newline="")))


def each_with_another_name(count: int) -> Sequence[Mapping[str, str]]:
    return [{f"n{number}": "1"} for number in range(count)]


@pytest.mark.parametrize(
    "rows",
    [
        each_with_another_name(4_000),
        [{f"n{number}": "1" for number in range(101)}],
        # Few names, but hardly a value under each.
        [{f"n{number % 100}": "1"} for number in range(12_000)],
        # All of it full, and still more than anybody opens in a spreadsheet.
        [{f"n{number}": "" for number in range(100)}] * 10_001,
    ],
)
def test_what_is_not_a_table_has_one_row_of_text_for_each_row(rows: Sequence[Mapping[str, str]]) -> None:
    heading, *texts = rows_of(Section("t", rows))
    assert heading == ["data"]
    assert [json.loads(text) for (text,) in texts] == list(rows), "nothing is lost"


@pytest.mark.parametrize("rows", [[{f"n{number}": "1" for number in range(100)}], each_with_another_name(10)])
def test_what_is_a_table_stays_one(rows: Sequence[Mapping[str, str]]) -> None:
    assert len(rows_of(Section("t", rows))[0]) == len({name for row in rows for name in row})


def test_a_short_answer_makes_no_long_copy(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    carry_out(request_id=request.id)
    orders = each_with_another_name(4_000)
    assert len(json.dumps(orders)) < 100_000, "for the cells of 16 million"
    report(task_of(request, "shop"), data={"Orders": orders, "Returns": orders})
    report(task_of(request, "mailer"), "nothing_found")
    tracemalloc.start()
    try:
        answer_due()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 64 * MEGABYTE
    assert again(request).state == RequestState.ANSWERED
    with reading(cast.alice), zipfile.ZipFile(io.BytesIO(b"".join(open_package(again(request))))) as archive:
        assert sum(file.file_size for file in archive.infolist()) < 2 * MEGABYTE
        assert archive.read("index.html").decode().count("<td>{&quot;n") == 8_000, "the readable page holds them too"
