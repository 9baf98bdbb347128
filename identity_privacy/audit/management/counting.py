"""Counts in words."""


def entries(count: int) -> str:
    """One entry, two entries."""
    return f"{count} {'entry' if count == 1 else 'entries'}"
