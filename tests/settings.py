"""The service's settings under test: databases as the environment says, else SQLite in memory; the rest here."""

import base64
import os
from pathlib import Path

# Set before our settings are read: no test may touch the files of a service that runs from this folder.
os.environ["VAR_DIR"] = str(Path(__file__).resolve().parent.parent / "var" / "tests")
os.environ.setdefault("LOG_LEVEL", "WARNING")
# One of several processes on PostgreSQL has a server of its own (tests/run.py).
if own_server := os.environ.get(f"TEST_POSTGRES_URL_{os.environ.get('PYTEST_XDIST_WORKER')}"):
    for name in ("DATABASE_URL", "DATABASE_KEYS_URL"):
        if os.environ.get(name, "").startswith("postgres:"):
            os.environ[name] = own_server.rpartition("/")[0] + "/" + os.environ[name].rpartition("/")[2]

from identity_privacy.settings import *  # noqa: F403

ROOT_KEY_URL = "env://"
ROOT_KEY = base64.b64encode(b"only for the tests: 32 bytes key").decode()

CELERY_BROKER_URL = "memory://"
# Passwords cost half a second each by design; here only their use matters.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "identity_privacy.access.hashers.RandomSecretHasher",
]
ALLOWED_HOSTS = ["*"]
STATIC_ROOT = None  # nothing is collected: the finders serve what the pages ask for

# An app such as somebody else would write it.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.crypto.notebook"]  # noqa: F405  # the service's
