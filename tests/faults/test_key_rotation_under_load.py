"""Keys are rotated, and the rotation killed again and again, while others write, read and look up without a pause."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.faults.test_key_rotation_killed import IS_THOROUGH, ROOT, environment

__all__ = ["environment"]

SECONDS = 120 if IS_THOROUGH else 3
RUN = "import django; django.setup(); from tests.faults.rotated_under_load import main; main()"


def test_nobody_who_works_meanwhile_notices_and_nothing_is_lost(
    environment: Mapping[str, str],  # the fixture
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), str(SECONDS)],
        cwd=ROOT,
        env={**environment, "KEK_HOLD_SECONDS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    killed, ended, committed = map(int, ran.stdout.split())
    assert killed >= 10
    assert committed > 100
    assert ended >= 0
