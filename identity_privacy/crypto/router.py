"""Keys live in a database of their own, always."""

from django.db.models import Model

KEYS = "keys"


class KeysRouter:
    """Sends the crypto app's tables to the keys database and everything else to the data; no row spans the two."""

    def db_for_read(self, model: type[Model], **hints: object) -> str | None:
        """The keys database for key rows, else Django's choice."""
        return KEYS if model._meta.app_label == "crypto" else None

    def db_for_write(self, model: type[Model], **hints: object) -> str | None:
        """The keys database for key rows, else Django's choice."""
        return KEYS if model._meta.app_label == "crypto" else None

    def allow_relation(self, first: Model, second: Model, **hints: object) -> bool | None:
        """No relation crosses the two databases."""
        return None if (first._meta.app_label == "crypto") == (second._meta.app_label == "crypto") else False

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
        """Key tables only in the keys database, all others only in the data."""
        return (db == KEYS) == (app_label == "crypto")
