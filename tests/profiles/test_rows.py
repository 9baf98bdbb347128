"""Every good row of a file is read, and each bad one is named with its line and the reason."""

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiles.rules import LONGEST_VALUE, MOST_LINES_A_ROW, BadRow, Row, read_csv

HEADER = "id,name,town\n"


def read(content: str | bytes) -> list[Row | BadRow]:
    """As the command reads a file."""
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_csv(io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", errors="surrogateescape", newline="")))


def good(rows: list[Row | BadRow]) -> list[str]:
    return [row.values["id"] for row in rows if isinstance(row, Row)]


def bad(rows: list[Row | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"2,Bob", "2 values where the header has 3"),
        (b"2,Bob,Bonn,more", "4 values where the header has 3"),
        (b"2,B\xf6b,Bonn", "not UTF-8"),
        (b"2,B\x00b,Bonn", "a value holds a zero byte"),
        (b'2,"Bob,Bonn', "its quotation marks do not pair"),
        (b'2,"Bob"by,Bonn', "its quotation marks do not pair"),
        (b"2," + b"B" * (LONGEST_VALUE + 1) + b",Bonn", "a value is longer than 10000 characters"),
        (b"2," + b"B" * 200_000 + b",Bonn", "a value is longer than 10000 characters"),
    ],
)
def test_a_bad_row_is_named_and_the_rows_around_it_are_kept(row: bytes, reason: str) -> None:
    rows = read(HEADER.encode() + b"1,Alice,Aachen\n" + row + b"\n3,Carl,Celle\n")
    assert good(rows) == ["1", "3"]
    assert bad(rows) == [(3, reason)]


def test_a_bad_row_keeps_its_text_as_it_came() -> None:
    (row,) = (row for row in read(HEADER + "1,Alice\n") if isinstance(row, BadRow))
    assert row.text == "1,Alice\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_and_a_missing_last_one_are_read(end: str) -> None:
    content = (HEADER + "1,Alice,Aachen\n2,Bob,Bonn").replace("\n", end)
    assert good(read(content)) == ["1", "2"]


def test_a_byte_order_mark_and_empty_lines_are_passed_over() -> None:
    rows = read("\ufeff" + HEADER + "\n1,Alice,Aachen\n\n")
    assert good(rows) == ["1"]
    assert bad(rows) == []


def test_a_quoted_value_may_hold_line_ends_commas_and_quotes() -> None:
    rows = read(HEADER + '1,"Alice ""A"", of\nAachen\r\nand more",Aachen\n2,Bob,Bonn\n')
    assert [row.values["name"] for row in rows if isinstance(row, Row)] == ['Alice "A", of\nAachen\r\nand more', "Bob"]


def test_an_unclosed_quote_costs_one_row_and_not_the_rest_of_the_file() -> None:
    lines = [f"{number},Name,Town\n" for number in range(100)]
    lines[7] = '7,"Name,Town\n'
    rows = read(HEADER + "".join(lines))
    assert bad(rows) == [(9, "its quotation marks do not pair")]
    assert len(good(rows)) == 99


@pytest.mark.parametrize("second", ['3,Carl"s,Celle', '3,Carl,"Celle', '3,Carl,Celle"', '3,"Carl,Celle'])
def test_two_stray_quotes_do_not_cost_the_row_between_them(second: str) -> None:
    rows = read(f'{HEADER}1,"Alice,Aachen\n2,Bob,Bonn\n{second}\n4,Dora,Daun\n')
    assert {"2", "4"} <= set(good(rows))
    assert (2, "its quotation marks do not pair") in bad(rows)


def test_two_stray_quotes_that_pair_by_chance_swallow_no_row_in_silence() -> None:
    rows = read(HEADER + '1,"Alice,Aachen\n2,Bob,Bonn\n3,Carl",Celle\n4,Dora,Daun\n')
    assert good(rows) == ["4"]
    assert bad(rows) == [(line, "quotation marks make one row of lines 2 to 4") for line in (2, 3, 4)]


def test_text_that_looks_like_rows_inside_a_value_never_becomes_people() -> None:
    rows = read(HEADER + '1,Alice,"Aachen\n999,Mallory,Mainz\n"\n')
    assert good(rows) == ["1"]
    rows = read(HEADER + '1,"a,b\n' + 30 * "999,Mallory,Mainz\n" + 'c,d",e\n2,Bob,Bonn\n')
    assert good(rows) == ["2"]


def test_a_value_of_many_lines_is_read() -> None:
    long = "\n".join(f"line {number}" for number in range(900))
    rows = read(HEADER + f'1,"{long}",Aachen\n2,Bob,Bonn\n')
    assert [row.values["name"] for row in rows if isinstance(row, Row)] == [long, "Bob"]


# Written by csv.writer, so any reader of RFC 4180 can read it. Values may hold what the format itself is made of.
VALUES = st.text(st.sampled_from('ab,"\n\r ;\tÄ日'), max_size=8) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12
)


def is_ambiguous(cells: list[str], written: str) -> bool:
    """Whether each of several lines has as many commas as a whole row: such a row is refused."""
    lines = list(io.StringIO(written, newline=""))
    return len(lines) > 1 and all(line.count(",") == len(cells) - 1 for line in lines)


def written(cells: list[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=6))
@example([["1", "a\nb", "c"], ['"', '""', '","']])
def test_what_a_csv_writer_writes_is_read_back(table: list[list[str]]) -> None:
    texts = [written(cells) for cells in table]
    kept = [
        (cells, text)
        for cells, text in zip(table, texts, strict=True)
        if len(list(io.StringIO(text, newline=""))) <= MOST_LINES_A_ROW and not is_ambiguous(cells, text)
    ]
    rows = read(HEADER + "".join(text for _, text in kept))
    assert bad(rows) == []
    assert [list(row.values.values()) for row in rows if isinstance(row, Row)] == [cells for cells, _ in kept]


def lines_of(content: bytes) -> Iterator[str]:
    yield from io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="surrogateescape", newline="")


@given(st.binary(max_size=300) | st.text(st.sampled_from('a,"\n\r\x00'), max_size=60).map(str.encode))
def test_noise_gives_rows_and_bad_rows_and_nothing_else(noise: bytes) -> None:
    for row in read_csv(lines_of(b"id,name\n" + noise)):
        assert isinstance(row, Row | BadRow)


@given(st.lists(st.text(max_size=20), max_size=10))
def test_lines_from_anywhere_are_read_or_named(lines: list[str]) -> None:
    assert all(isinstance(row, Row | BadRow) for row in read_csv(lines))
