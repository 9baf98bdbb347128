"""The service's settings for the type checker, which sees beside its models those of benchmarks and tests."""

from benchmarks.settings import *  # noqa: F403
from benchmarks.settings import INSTALLED_APPS as _MEASURED

INSTALLED_APPS = [*_MEASURED, "tests.crypto.notebook"]
