"""Letting an operator confirm what cannot be undone, by typing its name."""

from django.core.management.base import CommandError


def confirm(word: str, *, otherwise: str) -> None:
    """Go on only if the operator types `word`; `otherwise` says what was not done, such as "nothing was pruned".

    Raises: CommandError.
    """
    try:
        said = input(f"Type `{word}` to go on: ").strip()
    except EOFError:
        raise CommandError(f"{otherwise}: nobody is there to ask; say --yes") from None
    except KeyboardInterrupt:
        raise CommandError(otherwise) from None
    if said != word:
        raise CommandError(otherwise)
