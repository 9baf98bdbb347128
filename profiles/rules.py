"""How the rows of an import are read: pure functions on text."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from profiles.errors import MappingInvalid, RowInvalid
from profiles.terms import Category, IdentifierKind

# A quoted value may run over this many lines; a stray quote thus costs one row, never the rest of the file. Not few:
# the lines of a longer one would be read as rows, and whoever wrote the text could bring in people with it.
MOST_LINES_A_ROW = 1_000
LONGEST_VALUE = 10_000
TOO_LONG = f"a value is longer than {LONGEST_VALUE} characters"

Member = TypeVar("Member", bound=Enum)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeMapping:
    """One column that becomes an attribute."""

    code: str
    column: str
    label: str
    category: Category
    is_sensitive: bool = False
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMapping:
    """How a file's columns become identifiers, attributes and links."""

    source: str
    record_id: str
    identifiers: Mapping[IdentifierKind, str] = field(default_factory=dict)
    attributes: tuple[AttributeMapping, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it stands in the file: its line, its values by column."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be used: its line, why, and its text as it came."""

    line: int
    reason: str
    text: str


def parse_mapping(document: Mapping[str, object]) -> ImportMapping:
    """A mapping file's content as a mapping. Raises: MappingInvalid, naming the member."""
    identifiers = {
        _member(IdentifierKind, kind, f"identifiers.{kind}"): _text(column, f"identifiers.{kind}")
        for kind, column in _table(document.get("identifiers", {}), "identifiers").items()
    }
    attributes = []
    for code, raw in _table(document.get("attributes", {}), "attributes").items():
        place = f"attributes.{code}"
        table = _table(raw, place)
        purposes = table.get("purposes", [])
        if not isinstance(purposes, list):
            raise MappingInvalid("write a list of purpose codes", field=f"{place}.purposes")
        attributes.append(
            AttributeMapping(
                code=code,
                column=_text(table.get("column", code), f"{place}.column"),
                label=_text(table.get("label"), f"{place}.label"),
                category=_member(Category, _text(table.get("category"), f"{place}.category"), f"{place}.category"),
                is_sensitive=table.get("sensitive") is True,
                purposes=tuple(_text(purpose, f"{place}.purposes") for purpose in purposes),
            )
        )
    links = _table(document.get("links", {}), "links")
    return ImportMapping(
        source=_text(document.get("source"), "source"),
        record_id=_text(document.get("record_id"), "record_id"),
        identifiers=identifiers,
        attributes=tuple(attributes),
        links={system: _text(column, f"links.{system}") for system, column in links.items()},
    )


def columns_of(mapping: ImportMapping) -> set[str]:
    """The columns that a file must have to be read with this mapping."""
    return {
        mapping.record_id,
        *mapping.identifiers.values(),
        *(attribute.column for attribute in mapping.attributes),
        *mapping.links.values(),
    }


def read_csv(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Rows of a CSV file with a header, each bad one in its place and no good one lost behind it.

    `lines` keep their line ends and were decoded with `surrogateescape`, so that a row that is not UTF-8 is found.
    Two stray quotes may make one value of the rows between them; those are all named as bad, since they may as well
    be that value: neither is a row swallowed in silence nor a text taken for people. Source: RFC 4180.
    """
    waiting: deque[tuple[int, str]] = deque()
    numbered = enumerate(lines, 1)

    def ahead(count: int) -> list[tuple[int, str]]:
        while len(waiting) < count and (following := next(numbered, None)):
            waiting.append(following)
        return list(waiting)[:count]

    header: list[str] | None = None
    while first := ahead(1):
        line, text = first[0]
        values, used = _parse(text, lambda count: [part for _, part in ahead(count)], len(header) if header else None)
        taken = [waiting.popleft() for _ in range(used)]
        if header is None:
            header = values or []
        elif values is None:
            # Without a quotation mark, what fails is above the csv module's own limit, or holds a bare line break.
            reason = "its quotation marks do not pair" if '"' in text else TOO_LONG
            yield BadRow(line=line, reason=reason, text=text)
        elif not values:
            continue
        elif used > 1 and _are_rows([part for _, part in taken], len(header)):
            reason = f"quotation marks make one row of lines {line} to {taken[-1][0]}"
            yield from (BadRow(line=number, reason=reason, text=part) for number, part in taken)
        elif len(values) != len(header):
            yield BadRow(line=line, reason=f"{len(values)} values where the header has {len(header)}", text=text)
        elif any("\udc80" <= sign <= "\udcff" for value in values for sign in value):
            yield BadRow(line=line, reason="not UTF-8", text=text)
        elif any(len(value) > LONGEST_VALUE for value in values):
            yield BadRow(line=line, reason=TOO_LONG, text=text)
        elif any("\x00" in value for value in values):
            yield BadRow(line=line, reason="a value holds a zero byte", text=text)
        else:
            yield Row(line=line, values=dict(zip(header, values, strict=True)))


def value_of(row: Row, column: str) -> str:
    """A row's value in one column, without the white space around it; empty where there is none."""
    return row.values.get(column, "").strip()


def record_id_of(row: Row, mapping: ImportMapping) -> str:
    """The row's id in its source. Raises: RowInvalid, when it has none."""
    record_id = value_of(row, mapping.record_id)
    if not record_id:
        raise RowInvalid(f"no {mapping.record_id}", field=mapping.record_id)
    return record_id


def _parse(text: str, ahead: Callable[[int], list[str]], width: int | None) -> tuple[list[str] | None, int]:
    """The values of the row that begins with `text`, and how many lines it takes; None where no quote closes it.

    A row of several lines counts only if it has the header's `width`.
    """
    for count in range(1, MOST_LINES_A_ROW + 1):
        parts = ahead(count)
        if len(parts) < count:
            break
        if count > 1 and '"' not in parts[-1]:
            continue  # nothing in this line can close the quote
        try:
            values = next(csv.reader(["".join(parts)], strict=True), [])
        except csv.Error as error:
            if "unexpected end" in str(error):
                continue
            break  # more lines cannot mend what stands in these
        if count == 1 or width in (None, len(values)):
            return values, count
        break
    return None, 1


def _are_rows(parts: Sequence[str], width: int) -> bool:
    """Whether each line of a quoted value that runs over several looks like a row of its own."""
    return width > 1 and all(part.count(",") == width - 1 for part in parts)


def _table(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise MappingInvalid("write a table", field=place)
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise MappingInvalid("write a text that is not empty", field=place)
    return value


def _member(terms: type[Member], value: str, place: str) -> Member:
    try:
        return terms(value)
    except ValueError:
        known = ", ".join(str(term.value) for term in terms)
        raise MappingInvalid(f"{value} is not one of {known}", field=place) from None
