"""The web process's entry point."""

import os

from django.core.wsgi import get_wsgi_application

from identity_privacy.checks import refuse_to_start
from identity_privacy.guard import Guard
from identity_privacy.private_files import keep_files_private

keep_files_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "identity_privacy.settings")
application = Guard(get_wsgi_application())
refuse_to_start()
