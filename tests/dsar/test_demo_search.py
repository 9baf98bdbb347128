"""The demo's search finds a value wherever and however it leaked, and nothing that is only part of a longer number."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsar.demo.search import Search, Wanted, encoded

NAME, NUMBER = "zoë Waller", "5304218"
ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-16 LE": lambda text: text.encode("utf-16-le"),
    "UTF-16 BE": lambda text: text.encode("utf-16-be"),
}


def planted(file: Path, content: bytes, *wanted: Wanted) -> set[tuple[int, str]]:
    file.write_bytes(content)
    return {(found.offset, found.encoding) for found in Search(wanted).file(file)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leak.bin"


WANTED = [Wanted(text=NAME), Wanted(text=NUMBER, is_number=True)]


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_value_is_found_in_each_encoding_in_plain_and_in_hex(file: Path, wanted: Wanted, encoding: str) -> None:
    raw = ENCODINGS[encoding](f"<{wanted.text}>")
    at = len(raw) - len(ENCODINGS[encoding](f"{wanted.text}>"))
    assert (1000 + at, encoding) in planted(file, bytes(1000) + raw, wanted)
    for text in (raw.hex(), raw.hex().upper()):
        assert (3 + 2 * at, f"hex of {encoding}") in planted(file, b"xx:" + text.encode(), wanted)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(3))
def test_a_value_is_found_in_base64_at_each_offset(
    file: Path, wanted: Wanted, encoding: str, before: int, after: int
) -> None:
    raw = b"\x9b" * before + ENCODINGS[encoding](wanted.text) + b"\xe1" * after
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for text in (encode(raw), encode(raw).rstrip(b"=")):
            names = {name for _, name in planted(file, b'{"a":"' + text + b'"}', wanted)}
            assert f"base64 of {encoding}" in names


@given(
    before=st.binary(max_size=30),
    after=st.binary(max_size=30),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_whatever_stands_around_it_base64_hides_nothing(
    before: bytes, after: bytes, encode: Callable[[bytes], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("search")
    text = encode(before + NUMBER.encode() + after)
    assert planted(folder / "leak", text, Wanted(text=NUMBER, is_number=True))


@pytest.mark.parametrize(
    "text", [f"9{NUMBER}", f"{NUMBER}0", f"a{NUMBER}", f"{NUMBER}f", f"F{NUMBER}", f"00{NUMBER}00"]
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_number_inside_a_longer_run_of_digits_or_hex_is_not_that_number(file: Path, text: str, encoding: str) -> None:
    raw = ENCODINGS[encoding](text)
    wanted = Wanted(text=NUMBER, is_number=True)
    assert planted(file, raw, wanted) == set()
    assert planted(file, raw.hex().encode(), wanted) == set()
    assert planted(file, raw, Wanted(text=NUMBER)), "a text is found wherever it stands"


@pytest.mark.parametrize("text", [NUMBER, f"no.{NUMBER}", f"{NUMBER},", f"x{NUMBER}x", f"\x00{NUMBER}\x00"])
def test_a_number_that_stands_alone_is_found(file: Path, text: str) -> None:
    assert {name for _, name in planted(file, text.encode(), Wanted(text=NUMBER, is_number=True))} == {"UTF-8"}


def test_all_values_are_found_in_one_pass_over_a_folder_and_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_text(f"hello {NAME}, goodbye {NAME}")
    (tmp_path / "wal").write_bytes(b"\x00" * 10 + NUMBER.encode())
    (tmp_path / "clean").write_bytes(bytes(range(256)) * 8)
    search = Search(WANTED)
    found = list(search.files_below(tmp_path))
    assert [(one.path.name, one.offset) for one in found] == [("log", 6), ("log", 27), ("wal", 10)]
    assert (search.files, search.searched_bytes) == (3, 38 + 17 + 2048)
    assert NAME not in repr(found)
    assert NUMBER not in repr(found)


def test_every_encoding_is_searched() -> None:
    names = {name for name, _ in encoded(NAME)}
    assert names == {f"{prefix}{name}" for name in ENCODINGS for prefix in ("", "hex of ", "base64 of ")}
