"""Whoever reads personal values and is killed before the transaction ends is in the log all the same."""

import subprocess
import sys
from pathlib import Path

from tests.faults.house import ROOT, house
from tests.servers import databases

READ = """
import django; django.setup()
import os, signal
from uuid import UUID
from django.db import transaction
from identity_privacy.crypto.reading import Reading
from tests.factories import SERVICE
with transaction.atomic(), Reading(actor=SERVICE, purpose="test", reason="drill", subject_id=UUID(int=1)):
    os.kill(os.getpid(), signal.SIGKILL)
"""
LOOK = """
import django; django.setup()
from identity_privacy.audit.models import Entry
from identity_privacy.audit.tasks import sequence
from identity_privacy.audit.verification import verify_log
assert not Entry.objects.exists()
sequence()
print(*Entry.objects.values_list("action", "subject_id", "details"), verify_log())
"""


def test_a_reader_who_is_killed_is_in_the_log(tmp_path: Path, pg_server: str, rabbitmq_server: str) -> None:
    with (
        databases(pg_server) as (database_url, keys_url),
        house(tmp_path, database_url, keys_url, rabbitmq_server) as service,
    ):
        killed = subprocess.run([sys.executable, "-c", READ], cwd=ROOT, env=service.environment, check=False)
        assert killed.returncode == -9
        said = service.run("-c", LOOK)
    assert "('personal_data.read', UUID('00000000-0000-0000-0000-000000000001'), {'rolled_back': True}) 1" in said
