"""The values that all sides store: five texts of 32 bytes a row, the same in every run and every process."""

import random
from typing import TypeAlias

Five: TypeAlias = tuple[str, str, str, str, str]


def five_texts(rows: int) -> list[Five]:
    """The texts of so many rows."""
    source = random.Random(14)  # noqa: S311  # made up values, no secret

    def text() -> str:
        return source.randbytes(16).hex()

    return [(text(), text(), text(), text(), text()) for _ in range(rows)]


def addresses(rows: int) -> list[str]:
    """So many e-mail addresses of 32 characters."""
    return [f"{number:020d}@example.com" for number in range(rows)]
