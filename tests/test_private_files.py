"""What the service writes is its own account's: no other account of the machine can read it."""

import os
import stat
import subprocess
import sys
from pathlib import Path


def test_a_set_up_service_shows_its_files_to_nobody_else(tmp_path: Path) -> None:
    var = tmp_path / "var"
    var.mkdir()
    var.chmod(0o755)  # as an earlier version left it
    databases = {f"DATABASE{name}_URL": f"sqlite:///{var}/{name}.sqlite3" for name in ("", "_KEYS")}
    environment = {
        **os.environ,
        **databases,
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "identity_privacy.settings",
    }
    subprocess.run(
        [sys.executable, "manage.py", "setup", "--verbosity=0"], env=environment, umask=0o022, check=True, timeout=120
    )

    made = [var, *var.rglob("*")]
    assert {"root-key.json", ".sqlite3", "_KEYS.sqlite3"} <= {path.name for path in made}
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
