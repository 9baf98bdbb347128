"""Sealed files: streamed, so that a large one needs little memory, and whole or not at all.

    version byte 0x02 | nonce prefix (7 bytes) | chunks

Each chunk is AES-256-GCM over at most 65,536 bytes with the nonce `prefix | counter (4 bytes) | 1 if last else 0` and
the associated data of `seal.associated_data`. A chunk that is missing, moved, repeated or taken from another file does
not open; nor does a file that was cut, since its last chunk says that it is the last.

Source: Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance
(2015), section 7, the STREAM construction.
"""

import contextlib
import io
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from django.db import DEFAULT_DB_ALIAS, transaction

from identity_privacy.crypto.controller_keys import again_if_rotated
from identity_privacy.crypto.errors import KeyDestroyed, KeyRotated, OpenedWithoutReading, UnreadableSeal, WrongPlace
from identity_privacy.crypto.keys import material, wrapped_keys
from identity_privacy.crypto.reading import Reading, active, active_reading
from identity_privacy.crypto.seal import Cipher, associated_data
from identity_privacy.crypto.transactions import ensure_begun
from identity_privacy.errors import IntegrityFailure, Invalid

VERSION = b"\x02"
CHUNK_BYTES = 65_536
TAG_BYTES = 16
PREFIX_BYTES = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A sealed file and what it is bound to."""

    path: Path
    place: str
    row_id: UUID
    key_id: UUID


# Says which files there are under some data keys.
Files: TypeAlias = Callable[[Collection[UUID]], Iterable[SealedFile]]

_files: dict[str, Files] = {}


def register_files(place: str, files: Files) -> None:
    """Name the sealed files of a place, so that a rotation finds them and no sweep takes their key for unused.

    A file must be named by a row that is committed in the transaction inside which it was finished. Called when the
    service starts; a place that was not named takes no file.
    """
    _files[place] = files


def sealed_files(key_ids: Collection[UUID]) -> Iterator[SealedFile]:
    """Every registered file under these data keys."""
    for files in _files.values():
        yield from files(key_ids)


class SealedWriter(io.RawIOBase):
    """A file to write to whose bytes reach the disk sealed; it appears under its name only once it is complete."""

    def __init__(self, path: Path, *, place: str, row_id: UUID, key_id: UUID) -> None:
        super().__init__()
        if place not in _files:
            raise Invalid("say first which files there are: register_files(place, …)", field="place")
        self._key_id, self._key = key_id, _key_to_seal(key_id)
        self._cipher = Cipher(self._key)
        self._associated = associated_data(place, row_id, key_id)
        self._path, self._unfinished = path, path.with_name(f".{path.name}.{uuid4().hex}")
        self._prefix, self._counter, self._waiting = os.urandom(PREFIX_BYTES), 0, bytearray()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = self._unfinished.open("wb")
        self._file.write(VERSION + self._prefix)

    def writable(self) -> bool:
        """It is only written."""
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]  # narrower than Buffer
        """Take in some bytes; full chunks go to the disk sealed."""
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk and give the file its name.

        Raises: KeyDestroyed; KeyRotated, where its key was rotated meanwhile: write it again.
        """
        self._seal(bytes(self._waiting), is_last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        # A rotation waits for this transaction, and then finds the file under its name.
        with transaction.atomic():
            ensure_begun(DEFAULT_DB_ALIAS)
            if _key_to_seal(self._key_id) != self._key:
                raise KeyRotated(f"data key {self._key_id} was rotated while a file was written under it")
            self._see_that_it_is_wanted()
            self._unfinished.replace(self._path)

    def _see_that_it_is_wanted(self) -> None:
        """Raise where the file must not appear under its name after all."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            self._file.close()
            self._unfinished.unlink(missing_ok=True)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._prefix, self._counter, is_last=is_last)
        self._file.write(self._cipher.encrypt(nonce, chunk, self._associated))
        self._counter += 1


def open_file(path: Path, *, place: str, row_id: UUID, key_id: UUID) -> Iterator[bytes]:
    """The bytes of a sealed file, chunk by chunk; take them inside a Reading.

    Raises: OpenedWithoutReading; KeyDestroyed; UnreadableSeal; WrongPlace, where a chunk was changed, moved or cut.
    """
    reading = active_reading()
    ciphers = reading.ciphers_now(key_id)  # refuse here, not at the first chunk

    def see_that_it_lasts() -> None:
        if active.get() is not reading:  # nothing comes out once the Reading has ended
            raise OpenedWithoutReading("take the bytes of a sealed file inside the Reading that opened it")

    def chunks(ciphers: list[Cipher]) -> Iterator[bytes]:
        return _chunks(path, ciphers, associated_data(place, row_id, key_id), before_each=see_that_it_lasts)

    def opened() -> Iterator[bytes]:
        found = chunks(ciphers)
        try:
            first = next(found)
        except WrongPlace:  # its key was rotated since it was fetched, and the file sealed anew?
            found = chunks(reading.ciphers_now(key_id))
            first = next(found)
        yield first
        yield from found

    return _reported(
        opened(),
        reading,
        place=place,
        row_id=row_id,
        key_id=key_id,
    )


def is_under(file: SealedFile, cipher: Cipher) -> bool:
    """Whether a file is sealed under this cipher, by its first chunk. Raises: UnreadableSeal; FileNotFoundError."""
    associated = associated_data(file.place, file.row_id, file.key_id)
    try:
        next(_chunks(file.path, [cipher], associated))
    except WrongPlace:
        return False
    return True


class _Resealer(SealedWriter):
    """Takes the place of a file as it was when this began, and of no other that came there since."""

    def __init__(self, file: SealedFile) -> None:
        self._before = _version(file.path)
        super().__init__(file.path, place=file.place, row_id=file.row_id, key_id=file.key_id)

    def _see_that_it_is_wanted(self) -> None:
        if _version(self._path) != self._before:
            raise _Replaced


class _Replaced(Exception):
    """The app wrote the file anew meanwhile."""


def reseal_file(file: SealedFile, previous: Cipher) -> bool:
    """Seal a file anew under its key as it is now, for a rotation; `previous` opens it.

    False, and nothing was done, where the app wrote it anew meanwhile.
    Raises: WrongPlace; UnreadableSeal; KeyDestroyed; KeyRotated; FileNotFoundError, where the app removed it.
    """
    associated = associated_data(file.place, file.row_id, file.key_id)
    try:
        with _Resealer(file) as writer:
            for chunk in _chunks(file.path, [previous], associated):
                writer.write(chunk)
    except _Replaced:
        return False
    return True


def _version(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _key_to_seal(key_id: UUID) -> bytes:
    def fetch() -> bytes:
        for key in wrapped_keys([key_id], to_seal=True):
            return material(key, key.wrapped)
        raise KeyDestroyed(key_id)

    return again_if_rotated(fetch)


def _reported(chunks: Iterator[bytes], reading: Reading, *, place: str, row_id: UUID, key_id: UUID) -> Iterator[bytes]:
    try:
        yield from chunks
    except IntegrityFailure as error:
        reading.report(error, place=place, row_id=row_id, key_id=key_id)
        raise


def _chunks(
    path: Path, ciphers: list[Cipher], associated: bytes, *, before_each: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    with path.open("rb") as file:
        if file.read(1) != VERSION:
            raise UnreadableSeal
        prefix = file.read(PREFIX_BYTES)
        if len(prefix) < PREFIX_BYTES:
            raise UnreadableSeal
        chunk, counter = file.read(CHUNK_BYTES + TAG_BYTES), 0
        while True:
            following = file.read(CHUNK_BYTES + TAG_BYTES)
            before_each()
            cipher, opened = _open_chunk(ciphers, _nonce(prefix, counter, is_last=not following), chunk, associated)
            ciphers = [cipher]  # all chunks of a file are under one key
            yield opened
            if not following:
                return
            chunk, counter = following, counter + 1


def _open_chunk(ciphers: list[Cipher], nonce: bytes, chunk: bytes, associated: bytes) -> tuple[Cipher, bytes]:
    for cipher in ciphers:
        with contextlib.suppress(InvalidTag):
            return cipher, cipher.decrypt(nonce, chunk, associated)
    raise WrongPlace


def _nonce(prefix: bytes, counter: int, *, is_last: bool) -> bytes:
    return prefix + counter.to_bytes(4) + bytes([is_last])
