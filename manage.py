#!/usr/bin/env python
"""Runs the service's commands: `manage.py help` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError

from identity_privacy.private_files import keep_files_private

if __name__ == "__main__":
    keep_files_private()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "identity_privacy.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"a setting is wrong: {error}")
    except (OperationalError, ProgrammingError) as error:
        sys.exit(f"the database cannot be used: {error}. If it is new, or older than this version: manage.py setup")
