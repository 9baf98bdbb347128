"""The data is lost and an older backup restored: nothing is served or signed until what was undone is done again."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from identity_privacy.checks import CANNOT_START
from tests.faults.house import CELERY, House, free_port, house, wait_until
from tests.servers import databases, postgres_bin


def test_a_restore_brings_nobody_back_who_was_erased(tmp_path: Path, pg_server: str, rabbitmq_server: str) -> None:
    with (
        databases(pg_server) as (database_url, keys_url),
        house(tmp_path, database_url, keys_url, rabbitmq_server) as service,
    ):
        act(service, "people")
        dump = dumped(database_url)
        act(service, "erase_alice")
        act(service, "enter", "20")
        assert told(service)["names"] == ["bob"]

        restore(pg_server, database_url, dump)
        port = free_port()
        service.start(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "identity_privacy.wsgi")
        wait_until(lambda: status(port) is not None, 30, "web answers")
        assert status(port) == 503
        worker = subprocess.run(
            [*CELERY, "worker"], cwd=Path.cwd(), env=service.environment, capture_output=True, text=True, check=False
        )
        assert worker.returncode == CANNOT_START
        assert "E102: the audit log is behind" in worker.stderr
        refused = subprocess.run(
            [sys.executable, "manage.py", "audit", "sequence"],
            env=service.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert "CommandError: we have signed a checkpoint of" in refused.stderr

        said = service.run("manage.py", "erasures", "replay")
        assert "1 people were erased before; 1 were back: erased again." in said
        assert "The log goes on as identity-privacy.example/log/epoch-2." in said
        wait_until(lambda: status(port) == 200, 30, "web serves")
        act(service, "enter", "5")
        after = told(service)
        assert after["names"] == ["bob"]
        epochs = service.ask("SELECT epoch, count(*) FROM audit_sequenced GROUP BY epoch ORDER BY epoch")
        assert [epoch for epoch, _ in epochs] == [1, 2]
        assert after["verified"] == sum(int(str(count)) for _, count in epochs)


def act(service: House, *what: str) -> str:
    return service.run("-m", "tests.faults.restoring", *what)


def told(service: House) -> dict[str, object]:
    answer: dict[str, object] = json.loads(act(service, "told"))
    return answer


def status(port: int) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/audit/checkpoint/", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def dumped(database_url: str) -> bytes:
    command = [f"{postgres_bin()}/pg_dump", "--format=custom", f"--dbname={plain(database_url)}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def restore(server_url: str, database_url: str, dump: bytes) -> None:
    name = urlsplit(database_url).path[1:]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    command = [f"{postgres_bin()}/pg_restore", "--exit-on-error", f"--dbname={plain(database_url)}"]
    subprocess.run(command, input=dump, check=True, capture_output=True)


def plain(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1)
