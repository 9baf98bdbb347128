"""The access package: a ZIP of JSON, CSV and readable HTML, sealed on disk under the request's own key."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string

from consent.models import Purpose
from dsar.models import SubjectRequest, Task
from identity_privacy.crypto.files import SealedFile, SealedWriter, open_file
from identity_privacy.subject_data import Section

PLACE = "dsar.package"

# What a table may be; see `_table`.
MOST_COLUMNS, MOST_CELLS, CELLS_PER_VALUE = 100, 1_000_000, 10


def package_path(request: SubjectRequest) -> Path:
    """Where a request's sealed package lies."""
    return Path(settings.MEDIA_ROOT) / "packages" / request.package_name


def write_package(request: SubjectRequest, name: str) -> None:
    """Write the package of an access request from what every system sent; inside a Reading of the person.

    Source: GDPR Art. 15(1) and (3), 12(1).
    """
    sources = [
        (task.system_name, sections_of(task)) for task in Task.objects.filter(request=request).order_by("position")
    ]
    path = Path(settings.MEDIA_ROOT) / "packages" / name
    with (
        SealedWriter(path, place=PLACE, row_id=request.id, key_id=request.data_key_id) as sealed,
        # zipfile needs only write() of a stream that cannot seek.
        zipfile.ZipFile(cast(IO[bytes], sealed), "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("data.json", _as_json(request, sources))
        for number, (source, sections) in enumerate(sources, 1):
            for part, section in enumerate(sections, 1):
                # Both numbers, since two names may come to one slug.
                table = f"{number:02d}-{_slug(source)}-{part:02d}-{_slug(section.title)}"
                archive.writestr(f"csv/{table}.csv", as_csv(section))
        context = {
            "request": request,
            "sources": [
                (source, [(section.title, *_table(section)) for section in sections]) for source, sections in sources
            ],
            "purposes": Purpose.objects.of(request.controller_id),
        }
        archive.writestr("index.html", render_to_string("dsar/package/index.html", context))


def open_package(request: SubjectRequest) -> Iterator[bytes]:
    """The package's bytes, chunk by chunk; take them inside a Reading of the person."""
    return open_file(package_path(request), place=PLACE, row_id=request.id, key_id=request.data_key_id)


def sealed_packages(key_ids: Collection[UUID]) -> Iterator[SealedFile]:
    """The packages under these data keys, for whoever rotates or sweeps keys."""
    for request in SubjectRequest.objects.filter(data_key_id__in=key_ids).exclude(package_name=""):
        yield SealedFile(path=package_path(request), place=PLACE, row_id=request.id, key_id=request.data_key_id)


def sections_of(task: Task) -> Sequence[Section]:
    """What one system sent, as tables; called inside a Reading."""
    answer = task.answer
    if task.is_own():
        return [Section(section["title"], section["rows"]) for section in answer or ()]
    if not isinstance(answer, Mapping):
        return [Section("Answer", [{"what": "data", "value": _text(answer)}])] if answer else []
    return [Section(str(title), _rows(content)) for title, content in answer.items()]


def as_csv(section: Section) -> str:
    """A table that a spreadsheet opens without running anything in it.

    Source: OWASP, CSV Injection.
    """
    columns, rows = _table(section)
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_harmless(value) for value in row] for row in (columns, *rows))
    return "\ufeff" + buffer.getvalue()


def _table(section: Section) -> tuple[list[str], list[list[str]]]:
    """Columns and rows, every value under its own heading where rows differ in theirs.

    Where that would be mostly empty cells, each row is one text instead: a system's short answer, every row of it with
    other names, would else fill the memory.
    """
    columns = list(dict.fromkeys(column for row in section.rows for column in row))
    cells, values = len(columns) * len(section.rows), sum(len(row) for row in section.rows)
    if len(columns) > MOST_COLUMNS or cells > min(MOST_CELLS, values * CELLS_PER_VALUE):
        return ["data"], [[_text(dict(row))] for row in section.rows]
    return columns, [[row.get(column, "") for column in columns] for row in section.rows]


def _rows(content: object) -> list[Mapping[str, str]]:
    rows = content if isinstance(content, list) else [content]
    return [
        {str(name): _text(value) for name, value in row.items()} if isinstance(row, Mapping) else {"value": _text(row)}
        for row in rows
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _harmless(text: str) -> str:
    # Behind a semicolon too, which begins a new cell where it parts the columns, as in a German spreadsheet.
    return re.sub(r"(?:^|(?<=[;\t\r\n]))(?=[=+\-@\t\r＝＋－＠])", "'", text)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "data"


def _as_json(request: SubjectRequest, sources: Sequence[tuple[str, Sequence[Section]]]) -> str:
    document = {
        "reference": request.reference,
        "controller": request.controller.name,
        "received_at": request.received_at.isoformat(timespec="seconds"),
        "sources": [
            {
                "system": source,
                "sections": [{"title": section.title, "rows": list(section.rows)} for section in sections],
            }
            for source, sections in sources
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)
