"""Reads settings from the environment so that a wrong value stops the start with the setting's name."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

NOT_SET = environ.Env.NOTSET
MOST_DAYS = 36_500
KINDS = {int: "a whole number", float: "a number"}


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # django-environ ships no types
    """django-environ, but strict: what it would take for false, or pass on unread, is refused.

    Every reader raises ImproperlyConfigured with the setting's name; none shows its value, which may be a secret.
    """

    def get_value(self, var: str, cast: Any = None, default: Any = NOT_SET, parse_default: bool = False) -> Any:  # noqa: ANN401  # django-environ's own signature
        """One setting, cast as asked."""
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except OSError as error:
            raise ImproperlyConfigured(f"{var}_FILE cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise ImproperlyConfigured(f"{var} must be {KINDS.get(cast, 'something else')}") from None

    def bool(self, var: str, default: Any = NOT_SET) -> bool:  # noqa: ANN401  # as above
        """Yes or no; any other word is refused instead of being taken for no."""
        word = str(self.str(var, default=str(default))).strip().lower()
        if word not in {"true", "1", "yes", "on", "false", "0", "no", "off"}:
            raise ImproperlyConfigured(f"{var} must be true or false")
        return word in {"true", "1", "yes", "on"}

    def url_of(self, var: str, default: str, *, schemes: tuple[str, ...]) -> str:
        """A URL that begins with one of these schemes; none at all where the default is none."""
        url = str(self.str(var, default=default))
        if url != default and url.partition("://")[0] not in schemes:
            raise ImproperlyConfigured(f"{var} must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return url

    def database(self, var: str, default: str) -> dict[str, Any]:
        """Django's settings of the database at a URL."""
        self.url_of(var, default, schemes=("sqlite", "postgres", "postgresql"))
        found: dict[str, Any] = self.db_url(var, default=default)
        if not found.get("NAME"):
            raise ImproperlyConfigured(f"{var} must end with the database's name")
        return found

    def mail(self, var: str, default: str) -> dict[str, Any]:
        """Django's settings of the mail server at a URL."""
        try:
            found: dict[str, Any] = self.email_url(var, default=default)
        except ImproperlyConfigured:
            raise ImproperlyConfigured(f"{var} must be smtp+tls://user:password@host:port or the like") from None
        return found

    def one_of(self, var: str, default: str, *, words: tuple[str, ...]) -> str:
        """One of a few words."""
        word = str(self.str(var, default=default))
        if word not in words:
            raise ImproperlyConfigured(f"{var} must be one of: {', '.join(words)}")
        return word

    def days(self, var: str, default: int) -> int:
        """A number of days that is not negative, up to a hundred years."""
        number = int(self.int(var, default=default))
        if not 0 <= number <= MOST_DAYS:
            raise ImproperlyConfigured(f"{var} must be a number of days from 0 to {MOST_DAYS}")
        return number

    def at_least_one(self, var: str, default: int) -> int:
        """A whole number from 1."""
        number = int(self.int(var, default=default))
        if number < 1:
            raise ImproperlyConfigured(f"{var} must be at least 1")
        return number
