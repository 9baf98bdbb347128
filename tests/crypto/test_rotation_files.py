"""A sealed file that the app writes anew or removes while its key is rotated stays as the app left it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from identity_privacy.crypto import files
from identity_privacy.crypto.files import SealedFile, SealedWriter, open_file
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.rotation import Whose, rotate_dek
from identity_privacy.crypto.terms import KeyKind
from tests.crypto.rotated import half_done, reading

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def package(tmp_path: Path) -> Iterator[SealedFile]:
    key_id = create_data_key(kind=KeyKind.REQUEST, controller_id=uuid4(), owner_id=uuid4())
    package = SealedFile(path=tmp_path / "package", place="test.file", row_id=UUID(int=7), key_id=key_id)

    def of(key_ids: object) -> list[SealedFile]:
        return [package]

    files.register_files("test.file", of)
    write(package, b"old")
    yield package
    del files._files["test.file"]


def write(file: SealedFile, content: bytes) -> None:
    with SealedWriter(file.path, place=file.place, row_id=file.row_id, key_id=file.key_id) as writer:
        writer.write(content)


def once_it_was_read(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let the app work when a rotation has read the file, and has not written it yet."""
    close = files._Resealer.finish

    def finish(self: files._Resealer) -> None:
        monkeypatch.undo()
        change()
        close(self)

    monkeypatch.setattr(files._Resealer, "finish", finish)


def test_a_file_that_the_app_writes_anew_meanwhile_stays(package: SealedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    once_it_was_read(monkeypatch, lambda: write(package, b"new"))
    assert not rotate_dek(Whose.everybody(), patience=1).unreadable
    with reading():
        opened = open_file(package.path, place=package.place, row_id=package.row_id, key_id=package.key_id)
        assert b"".join(opened) == b"new"
    assert half_done() == []
    assert list(package.path.parent.iterdir()) == [package.path]


def test_a_file_that_the_app_removes_meanwhile_does_not_come_back(
    package: SealedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    once_it_was_read(monkeypatch, package.path.unlink)
    assert not rotate_dek(Whose.everybody(), patience=1).unreadable
    assert list(package.path.parent.iterdir()) == []
    assert half_done() == []
