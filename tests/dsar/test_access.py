"""A person's copy holds what every place sent, harms nobody who opens it, and stays sealed until they take it."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from dsar import packages
from dsar.models import SubjectRequest
from dsar.packages import as_csv, open_package, package_path
from dsar.services import answer_due, carry_out, fulfil_due, fulfilment
from dsar.terms import Outcome, RequestKind, RequestState, TaskState
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import KeyDestroyed, OpenedWithoutReading, UnreadableSeal, WrongPlace
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import Message
from identity_privacy.subject_data import Section
from tests.cast import ALICE_EMAIL, Cast
from tests.dsar.test_erasure import killed_at
from tests.dsar.world import Killed, again, own_task, reading, report, task_of
from tests.factories import make_request

ACCESS = RequestKind.ACCESS
EVIL = '<script>alert("x")</script>'
SHOP = {
    "Orders": [{"no": 1, "what": "Shoes; red"}, {"what": "=cmd|' /C calc'!A1", "note": EVIL}],
    "Заказы": [{"что": "шарф"}],
    "Адреса": ["Düsseldorf", {"town": "Bonn"}],
    EVIL: {"values": "a", "items": ["b", 2], "keys": None},
}


@pytest.fixture
def request_of_alice(cast: Cast) -> SubjectRequest:
    """Answered: the shop sent data, the mailer found nothing."""
    request = make_request(cast.lindwerk, cast.alice, ACCESS)
    carry_out(request_id=request.id)
    report(task_of(request, "shop"), data=SHOP)
    report(task_of(request, "mailer"), "nothing_found")
    answer_due()
    return again(request)


@pytest.fixture
def package(request_of_alice: SubjectRequest) -> Iterator[zipfile.ZipFile]:
    with reading(request_of_alice.subject_id):
        content = b"".join(open_package(request_of_alice))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        yield archive


def table(package: zipfile.ZipFile, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(package.read(f"csv/{name}.csv").decode("utf-8-sig"), newline="")))


def test_the_copy_holds_what_we_and_every_system_have(package: zipfile.ZipFile) -> None:
    assert package.testzip() is None
    document = json.loads(package.read("data.json"))
    told = {
        source["system"]: {part["title"]: part["rows"] for part in source["sections"]} for source in document["sources"]
    }
    assert set(told) == {"Lindwerk", "Kassenwerk", "Postbote"}
    facts = {row["what"]: row["value"] for row in told["Lindwerk"]["What we know about you"]}
    assert facts["Address"] == "Freiherr-vom-Stein-Straße 118a, Hinterhaus, 40217 Düsseldorf"
    assert facts["Social security number"] == "5304218"
    assert {row["source"] for row in told["Lindwerk"]["What we know about you"]} == {"Our shop"}
    assert ALICE_EMAIL in {row["value"] for row in told["Lindwerk"]["What names you"]}
    assert {row["account"] for row in told["Lindwerk"]["Linked systems"]} == {"shop-alice", "mailer-alice"}
    assert told["Kassenwerk"]["Orders"][0] == {"no": "1", "what": "Shoes; red"}
    assert told["Postbote"] == {}


def test_every_section_is_a_table_of_its_own_with_each_value_under_its_heading(package: zipfile.ZipFile) -> None:
    names = [name for name in package.namelist() if name.startswith("csv/03")]
    assert names == [
        "csv/03-kassenwerk-01-orders.csv",
        "csv/03-kassenwerk-02-data.csv",
        "csv/03-kassenwerk-03-data.csv",
        "csv/03-kassenwerk-04-script-alert-x-script.csv",
    ]
    assert table(package, "03-kassenwerk-01-orders") == [
        ["no", "what", "note"],
        ["1", "Shoes; red", ""],
        ["", "'=cmd|' /C calc'!A1", EVIL],
    ]
    assert table(package, "03-kassenwerk-03-data") == [["value", "town"], ["Düsseldorf", ""], ["", "Bonn"]]
    assert table(package, "03-kassenwerk-04-script-alert-x-script") == [
        ["values", "items", "keys"],
        ["a", '["b", 2]', "null"],
    ]


class Page(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.cells: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag in {"td", "th", "h3"}:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells and self.tags[-1] in {"td", "th", "h3"}:
            self.cells[-1] += data


def test_the_readable_page_runs_nothing_and_loads_nothing(package: zipfile.ZipFile) -> None:
    page = Page(package.read("index.html").decode())
    assert not {"script", "img", "iframe", "object", "embed", "form", "link", "svg"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on") or name in {"src", "href", "style"}]
    assert [cell.strip() for cell in page.cells].count(EVIL) == 2, (
        "shown as text, once as a heading and once as a value"
    )


def test_the_readable_page_names_purposes_recipients_and_rights(package: zipfile.ZipFile) -> None:
    page = package.read("index.html").decode()
    for words in ("Newsletter by e-mail", "Consent", "Kassenwerk", "Postbote", "privacy@lindwerk.example", "authority"):
        assert words in page, "Art. 15(1)(a), (c), (e), (f)"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "＝", "＠"])
@pytest.mark.parametrize("before", ["", "a;", "a\n", "a;b\t", "a\r\n"])
def test_no_cell_of_a_table_begins_as_a_formula(before: str, start: str) -> None:
    text = as_csv(Section(f"{start}t", [{f"{start}h": f"{before}{start}1+1"}])).removeprefix("\ufeff")
    for separator in ",;\t":
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))]


def test_an_ordinary_value_is_left_as_it_is() -> None:
    assert as_csv(Section("t", [{"a": "x=1, y-2; z", "b": "5"}])) == '\ufeffa,b\r\n"x=1, y-2; z",5\r\n'


# --- Sealed -----------------------------------------------------------------------------------------


def test_the_file_on_disk_holds_no_value_and_opens_in_a_reading_only(request_of_alice: SubjectRequest) -> None:
    path = package_path(request_of_alice)
    raw = path.read_bytes()
    assert not [
        mark for mark in (b"PK\x03\x04", b"alice", b"Shoes", "Düsseldorf".encode(), b"data.json") if mark in raw
    ]
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing else was left beside it"
    with pytest.raises(OpenedWithoutReading):
        b"".join(open_package(request_of_alice))


def test_a_reading_of_somebody_else_opens_nothing(cast: Cast, request_of_alice: SubjectRequest) -> None:
    with reading(cast.bob), pytest.raises(OpenedWithoutReading):
        b"".join(open_package(request_of_alice))


@pytest.mark.parametrize("damage", ["cut", "longer", "first", "middle", "last", "empty"])
def test_a_file_that_was_changed_or_cut_does_not_open(request_of_alice: SubjectRequest, damage: str) -> None:
    path = package_path(request_of_alice)
    raw = bytearray(path.read_bytes())
    if damage in {"first", "middle", "last"}:
        raw[{"first": 0, "middle": len(raw) // 2, "last": -1}[damage]] ^= 1
    changed = {"cut": raw[:-1], "longer": raw + b"x", "empty": bytearray()}
    path.write_bytes(changed.get(damage, raw))
    with reading(), pytest.raises((WrongPlace, UnreadableSeal)):
        b"".join(open_package(request_of_alice))


def test_anothers_package_in_its_place_does_not_open(cast: Cast, request_of_alice: SubjectRequest) -> None:
    other = make_request(cast.lindwerk, cast.bob, ACCESS)
    carry_out(request_id=other.id)
    for code in ("shop", "mailer"):
        report(task_of(other, code))
    answer_due()
    package_path(request_of_alice).write_bytes(package_path(again(other)).read_bytes())
    with reading(), pytest.raises(WrongPlace):
        b"".join(open_package(request_of_alice))


def test_without_the_requests_key_the_copy_is_gone(request_of_alice: SubjectRequest) -> None:
    destroy_subject_keys(request_of_alice.subject_id, kinds=[KeyKind.REQUEST])
    with reading(), pytest.raises(KeyDestroyed):
        b"".join(open_package(request_of_alice))


# --- Carried out whole --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["_note_locators", "ask_ready", "enter_request", "_collect"])
def test_killed_at_any_step_the_copy_is_collected_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    request = make_request(cast.lindwerk, cast.alice, ACCESS)
    with monkeypatch.context() as process:
        process.setattr(fulfilment, step, killed_at(step, when))
        with pytest.raises(Killed):
            fulfil_due()
    fulfil_due()
    assert (own_task(request).state, own_task(request).outcome) == (TaskState.REPORTED, Outcome.DONE)
    assert Message.objects.filter(topic="task.access").count() == 2


def test_killed_while_the_package_is_written_it_is_written_again_and_told_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request(cast.lindwerk, cast.alice, ACCESS)
    fulfil_due()
    for code in ("shop", "mailer"):
        report(task_of(request, code))

    def dies(*_: object) -> str:
        raise Killed

    with monkeypatch.context() as process:
        process.setattr(packages, "render_to_string", dies)
        with pytest.raises(Killed):
            answer_due()
    assert again(request).state == RequestState.FULFILLING
    assert answer_due() == 1
    assert Message.objects.filter(topic="mail.request_answered").count() == 1
    with reading(), zipfile.ZipFile(io.BytesIO(b"".join(open_package(again(request))))) as archive:
        assert archive.testzip() is None


def test_a_request_that_cannot_be_answered_holds_up_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [make_request(cast.lindwerk, person, ACCESS) for person in (cast.alice, cast.bob)]
    fulfil_due()
    for request in requests:
        for code in ("shop", "mailer"):
            report(task_of(request, code))
    sections_of = packages.sections_of

    def full_disk(task: object) -> object:
        if task == own_task(requests[0]):
            raise OSError("no space left on device")
        return sections_of(task)  # type: ignore[arg-type]  # a task

    monkeypatch.setattr(packages, "sections_of", full_disk)
    assert answer_due() == 1
    assert [again(request).state for request in requests] == [RequestState.FULFILLING, RequestState.ANSWERED]
