"""The service's settings for a benchmark: databases as the environment says, and the benchmark's own tables."""

import base64
import os
from pathlib import Path

# Set before our settings are read: no benchmark may touch the files of a service that runs from this folder.
os.environ["VAR_DIR"] = str(Path(__file__).resolve().parent.parent / "var" / "bench")
os.environ.setdefault("LOG_LEVEL", "WARNING")

from identity_privacy.settings import *  # noqa: F403
from identity_privacy.settings import INSTALLED_APPS as _SERVICE

INSTALLED_APPS = [*_SERVICE, "benchmarks"]
ROOT_KEY_URL = "env://"
ROOT_KEY = base64.b64encode(b"only for benchmarks: 32 byte key").decode()
CELERY_BROKER_URL = "memory://"
