"""Two operators who rotate at once: the second is told so, and nothing is rotated by half-known keys."""

import subprocess
import sys
from collections.abc import Mapping

from tests.faults.test_key_rotation_killed import ROOT, environment

__all__ = ["environment"]

RUN = """
import django; django.setup()
import subprocess, sys
from django.core.management import call_command
from identity_privacy.crypto.errors import RotationRuns
from identity_privacy.crypto.rotation import rotate_kek, rotate_root
from identity_privacy.crypto.rotation.alone import alone
from identity_privacy.crypto.providers import root_key_path, write_root_key
SECOND = '''
import django; django.setup()
from identity_privacy.crypto.rotation import rotate_kek
rotate_kek(patience=1)
'''
for alias in ("default", "keys"):
    call_command("migrate", verbosity=0, database=alias)
write_root_key(root_key_path())
with alone():
    ran = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True)
    print("RotationRuns" in ran.stderr)
ran = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True)
print(ran.returncode == 0)
rotate_root(patience=1)
"""


def test_a_second_rotation_is_refused_while_one_runs(environment: Mapping[str, str]) -> None:  # the fixture
    ran = subprocess.run(
        [sys.executable, "-c", RUN], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["True", "True"]
