#!/usr/bin/env python
"""Runs the service's commands: `manage.py help` lists them."""

import os
import sys

from django.core.management import execute_from_command_line

from identity_privacy.private_files import keep_files_private

if __name__ == "__main__":
    keep_files_private()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "identity_privacy.settings")
    execute_from_command_line(sys.argv)
