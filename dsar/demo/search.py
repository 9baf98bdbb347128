"""Search for personal values in raw bytes: in every file, in every encoding in which they could have leaked."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DIGITS_AND_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A value to look for; a number counts only where it does not stand inside a longer run of digits or hex."""

    text: str
    is_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a value stands in clear; never the value itself."""

    path: Path
    offset: int
    encoding: str


class Search:
    """Looks for many values at once: one pass over the bytes, by the first few bytes of every encoded value."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        forms = [(form, name, one.is_number) for one in set(wanted) for name, form in encoded(one.text)]
        self._width = min((len(form) for form, _, _ in forms), default=1)
        self._forms: Mapping[bytes, list[tuple[bytes, str, bool]]] = defaultdict(list)
        for form, name, is_number in forms:
            self._forms[form[: self._width]].append((form, name, is_number))
        self.values, self.searched_bytes, self.files = len(forms), 0, 0

    def files_below(self, folder: Path) -> Iterator[Found]:
        """Every place in every file below a folder."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with suppress(FileNotFoundError):  # of a service that runs: a message was taken, a log truncated
                yield from self.file(path)

    def file(self, path: Path) -> Iterator[Found]:
        """Every place in one file."""
        content = path.read_bytes()
        self.files, self.searched_bytes = self.files + 1, self.searched_bytes + len(content)
        width, forms = self._width, self._forms
        for offset in range(len(content) - width + 1):
            candidates = forms.get(content[offset : offset + width])
            for form, name, is_number in candidates or ():
                if content.startswith(form, offset) and not (is_number and _inside_run(content, offset, form, name)):
                    yield Found(path=path, offset=offset, encoding=name)


def encoded(text: str) -> Sequence[tuple[str, bytes]]:
    """All forms in which a text could stand in a file: UTF-8, UTF-16, hex, and base64 at each of its three offsets."""
    forms = [("UTF-8", text.encode()), ("UTF-16 LE", text.encode("utf-16-le")), ("UTF-16 BE", text.encode("utf-16-be"))]
    for name, plain in tuple(forms):
        forms += [(f"hex of {name}", plain.hex().encode()), (f"hex of {name}", plain.hex().upper().encode())]
        for shift in range(3):
            # The signs of base64 that depend on this text alone, wherever it begins within a group of three bytes.
            first, last = -(-8 * shift // 6), 8 * (shift + len(plain)) // 6
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                forms.append((f"base64 of {name}", encode(bytes(shift) + plain)[first:last]))
    return list(dict.fromkeys(forms))


# How many bytes a sign of plain text takes in each encoding, so that what stands beside it can be read. In base64 eight
# signs in a row are no chance, whatever stands beside them.
_UNITS = {"UTF-8": 1, "UTF-16 LE": 2, "UTF-16 BE": 2}
_SIGN_BYTES = _UNITS | {f"hex of {name}": 2 * size for name, size in _UNITS.items()}


def _inside_run(content: bytes, offset: int, form: bytes, name: str) -> bool:
    """Whether the sign before or after, read in the value's own encoding, is a digit or hex."""
    size, end = _SIGN_BYTES.get(name, 0), offset + len(form)
    beside = content[max(offset - size, 0) : offset], content[end : end + size]
    return any(_is_digit_or_hex(raw, name) for raw in beside)


def _is_digit_or_hex(raw: bytes, name: str) -> bool:
    if name.startswith("hex of "):
        try:
            raw = bytes.fromhex(raw.decode("ascii"))
        except ValueError:
            return False
    sign = raw.strip(b"\x00")  # what is left of a sign in UTF-16, whichever of its bytes comes first
    return len(sign) == 1 and sign[0] in DIGITS_AND_HEX
