"""One package's side of a comparison: `python -m benchmarks.peers PACKAGE ROWS`.

Writes the rows into the database that PEER_DATABASE describes, answers with a line how long that took, and then for
each line on standard input reads all rows once and answers the same way.
"""

import base64
import importlib
import itertools
import json
import operator
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from uuid import uuid4

import django
from django.conf import settings
from django.db import connection, models

from benchmarks.harness import here
from benchmarks.texts import five_texts

CHUNK = 1_000
NAMES = ("one", "two", "three", "four", "five")


def main(package: str, rows: int) -> None:
    """Write the rows, then read them as often as is asked."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **json.loads(os.environ["PEER_DATABASE"])}},
        INSTALLED_APPS=[],
        USE_TZ=True,
        SECRET_KEY="for benchmarks only",  # noqa: S106  # it protects nothing
        SALT_KEY="for benchmarks only",
        FIELD_ENCRYPTION_KEY=base64.urlsafe_b64encode(bytes(32)).decode(),
    )
    django.setup()
    model = row_model(package)
    work = {
        "write": here(partial(write, model, rows)),
        "read_all": here(partial(read, model, NAMES)),
        "read_one": here(partial(read, model, NAMES[2:3])),
    }
    for name in itertools.chain(["write"], map(str.strip, sys.stdin)):
        sys.stdout.write(json.dumps(asdict(work[name]())) + "\n")
        sys.stdout.flush()


def row_model(package: str) -> type[models.Model]:
    """The model of five texts, by the package's field."""
    fields = {name: FIELDS[package]() for name in NAMES}
    table = "peer_" + package.replace("-", "_")
    meta = type("Meta", (), {"app_label": "peers", "db_table": table})
    key = models.UUIDField(primary_key=True, default=uuid4)
    return type("Row", (models.Model,), {"__module__": __name__, "Meta": meta, "id": key, **fields})


def write(model: type[models.Model], rows: int) -> None:
    """Make the table anew and fill it."""
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
    with connection.schema_editor() as editor:
        editor.create_model(model)
    texts = five_texts(rows)
    model._default_manager.bulk_create([model(**dict(zip(NAMES, row, strict=True))) for row in texts], batch_size=CHUNK)
    if set(model._default_manager.values_list(*NAMES)) != set(texts):
        raise AssertionError("what comes back is not what was written")
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {table}")


def read(model: type[models.Model], names: tuple[str, ...]) -> None:
    """Touch these attributes of every row."""
    touch = operator.attrgetter(*names)
    for row in model._default_manager.all():
        touch(row)


def _fernet_encrypted_fields() -> object:
    return importlib.import_module("encrypted_fields.fields").EncryptedTextField()


def _encrypted_model_fields() -> object:
    return importlib.import_module("encrypted_model_fields.fields").EncryptedTextField()


def _cryptography() -> object:
    return importlib.import_module("django_cryptography.fields").encrypt(models.TextField())


# Imported by name: a package reads its settings when it is imported, and only the one that is asked for is.
FIELDS: Mapping[str, Callable[[], object]] = {
    "django-fernet-encrypted-fields": _fernet_encrypted_fields,
    "django-encrypted-model-fields": _encrypted_model_fields,
    "django-cryptography-5": _cryptography,
}

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
