"""Private servers for the tests, on free ports and in a folder of their own, stopped whatever happens.

Each is a context manager that yields a URL. Where the environment names a server (`TEST_POSTGRES_URL`,
`TEST_RABBITMQ_URL`, `TEST_REDIS_URL`) that one is yielded and left alone. They run as root too, where PostgreSQL
refuses to: there it becomes `postgres`. `python -m tests.servers postgres rabbitmq` starts some by hand.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

RABBITMQ_BIN = Path("/usr/lib/rabbitmq/bin")


class ServerMissing(Exception):
    """The server's programs are not installed, so that it can be neither started nor tested against."""


def has_postgres() -> bool:
    return postgres_bin() is not None


def has_rabbitmq() -> bool:
    # Not the wrapper in /usr/sbin: as root that becomes the user `rabbitmq`, who cannot write our folder.
    return (RABBITMQ_BIN / "rabbitmq-server").exists()


def has_redis() -> bool:
    return shutil.which("redis-server") is not None


# --- PostgreSQL -------------------------------------------------------------------------------------


def postgres_bin() -> Path | None:
    """Where the newest installed PostgreSQL keeps its programs, which Debian leaves off the PATH."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda path: float(path.parts[-3]), default=None)
    if newest is not None:
        return newest.parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """A cluster that forgets on a crash of the machine (no fsync), with a superuser who needs no password.

    `durable`, for measuring: always one of its own, which writes as a real one does, but for the vacuum that would run
    into some rounds and not into others.

    Raises: ServerMissing.
    """
    if not durable and (url := os.environ.get("TEST_POSTGRES_URL")):
        yield url
        return
    programs = postgres_bin()
    if programs is None:
        raise ServerMissing("PostgreSQL")
    # initdb refuses root.
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with _folder() as folder:
        if become:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        cluster, port = folder / "data", free_port()
        control = [*become, f"{programs}/pg_ctl", "-D", str(cluster), "-s", "-w"]
        # Without the locale and encoding a bare machine would make a cluster of SQL_ASCII.
        flags = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        _run([*become, f"{programs}/initdb", "-D", str(cluster), "-U", "postgres", *flags], folder)
        lasting = "-c fsync=on -c autovacuum=off -c max_wal_size=4GB"
        forgetful = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        options = (
            f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200 -c max_prepared_transactions=4"
            f" {lasting if durable else forgetful}"
        )
        _run([*control, "-l", f"{folder}/log", "-o", options, "start"], folder)
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], folder)


@contextlib.contextmanager
def replica(primary_url: str) -> Iterator[str]:
    """A hot standby of a server of ours, begun from a base backup of it and fed by streaming replication.

    Raises: ServerMissing.
    """
    programs = postgres_bin()
    if programs is None:
        raise ServerMissing("PostgreSQL")
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    primary = urlsplit(primary_url)
    with _folder() as folder:
        if become:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        cluster, port = folder / "data", free_port()
        source = ["-h", str(primary.hostname), "-p", str(primary.port), "-U", "postgres"]
        flags = ["-R", "-X", "stream", "-c", "fast", "--no-sync"]
        _run([*become, f"{programs}/pg_basebackup", *source, "-D", str(cluster), *flags], folder)
        control = [*become, f"{programs}/pg_ctl", "-D", str(cluster), "-s", "-w"]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off"
        options += " -c max_prepared_transactions=4"  # no fewer than its primary
        _run([*control, "-l", f"{folder}/log", "-o", options, "start"], folder)
        try:
            yield f"postgres://postgres@127.0.0.1:{port}{primary.path}"
        finally:
            _run([*control, "-m", "immediate", "stop"], folder)


@contextlib.contextmanager
def databases(server_url: str) -> Iterator[tuple[str, str]]:
    """Two fresh, empty databases on a PostgreSQL server, for the data and for the keys; dropped at the end."""
    names = [f"ip_{part}_{secrets.token_hex(4)}" for part in ("data", "keys")]
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield with_path(server_url, names[0]), with_path(server_url, names[1])
        finally:
            for name in names:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def with_path(url: str, path: str) -> str:
    """The same server, another database or virtual host."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


# --- Brokers ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ node with its own epmd and cookie, ready to take messages.

    Raises: ServerMissing.
    """
    if url := os.environ.get("TEST_RABBITMQ_URL"):
        yield url
        return
    if not has_rabbitmq():
        raise ServerMissing("RabbitMQ")
    with _folder() as folder:
        port = free_port()
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"t{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_MNESIA_BASE": str(folder / "db"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }
        try:
            with _started([f"{RABBITMQ_BIN}/rabbitmq-server"], folder, environment):
                wait = [f"{RABBITMQ_BIN}/rabbitmqctl", "-q", "wait", "--timeout", "90", f"{folder}/pid"]
                _run(wait, folder, environment)
                yield f"amqp://guest:guest@127.0.0.1:{port}//"
        finally:
            # epmd is a daemon of its own: it outlives the node, and refuses to end before it.
            subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis that writes nothing to disk.

    Raises: ServerMissing.
    """
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    if not has_redis():
        raise ServerMissing("Redis")
    with _folder() as folder:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with _started(command, folder, dict(os.environ)):
            _wait_for_port(port)
            yield f"redis://127.0.0.1:{port}/0"


# --- Key management ---------------------------------------------------------------------------------


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """AWS as moto plays it, which forgets everything at its end; what it is asked over HTTP is real."""
    with _folder() as folder:
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with _started(command, folder, dict(os.environ)):
            _wait_for_port(port, 30)
            yield f"http://127.0.0.1:{port}"


# --- Browser ----------------------------------------------------------------------------------------


def chromium_path() -> str | None:
    """The browser that the journeys drive: `CHROMIUM`, or the one that is installed."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


def chromium_arguments() -> list[str]:
    """What Chromium needs here; root may not use its sandbox."""
    quiet = ["--disable-gpu", "--disable-quic", "--disable-sync", "--disable-background-networking"]
    return [*quiet, "--no-sandbox"] if os.geteuid() == 0 else quiet


# --- Processes --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Short, since a socket's path holds 107 bytes, and open, since `postgres` cannot enter a folder of mode 700.
    folder = Path(tempfile.mkdtemp(prefix="ip.", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _started(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        # A session of its own, so that Ctrl-C reaches the tests first, and all its children can be ended together.
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    # The output goes to a file: a daemon that is started here would keep a pipe open for ever.
    with (folder / "commands").open("ab") as output:
        result = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
    if result.returncode:
        logs = [folder / name for name in ("commands", "log", "output")]
        text = "\n".join(log.read_text(errors="replace") for log in logs if log.is_file())
        raise RuntimeError(f"{command} failed:\n{text}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "postgres": postgres,
    "rabbitmq": rabbitmq,
    "redis": redis,
    "moto": moto,
}

if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        for wanted in sys.argv[1:] or SERVERS:
            sys.stdout.write(f"{wanted} {stack.enter_context(SERVERS[wanted]())}\n")
            sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
