"""A PostgreSQL server of the tests' own: a temporary folder, a Unix socket in it, and nothing left behind."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import URL

from tests.waiting import PATIENCE

SERVE = """
exec 3<&0
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >&2 && {
    "$1/postgres" -D "$2/data" -k "$2" -h "" -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
        -c max_connections=200 -c timezone=Asia/Kathmandu &
    server=$!
    ( read -r _ <&3; while kill -QUIT $server 2>/dev/null; do sleep 1; done ) &
    wait $server
}
rm -rf "$2"
"""
"""Serves until its input ends, as it does however the process ends that holds the other end.

No test may count on the server's time zone being UTC, so it is none that anybody's clock agrees with by chance.
"""


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class Server:
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count(1)

    def connect(self) -> psycopg.Connection:
        """A connection to the database that every server has."""
        return psycopg.connect(host=str(self._folder), user="postgres", dbname="postgres", autocommit=True)

    def new_database(self, like: str = "template1") -> str:
        """The SQLAlchemy URL of a new database: an empty one, or a copy of another, to which nobody may be connected."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        url = URL.create("postgresql+psycopg", username="postgres", database=name, query={"host": str(self._folder)})
        return url.render_as_string()


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    """A server, until this ends or the process does."""
    folder = Path(tempfile.mkdtemp(prefix="reft-postgres-", dir="/tmp"))  # the path of a socket has to be short
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", SERVE, "sh", str(programs), str(folder)],
            cwd="/", stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, **_without_root(folder),
        )  # fmt: skip
        try:
            server = Server(folder)
            if not _answers(server, process):
                log.seek(0)
                raise RuntimeError(f"PostgreSQL does not start: {log.read().decode(errors='replace')}")
            yield server
        finally:
            process.stdin.close()
            process.wait(timeout=PATIENCE)


def _without_root(folder: Path) -> dict:
    """How to start the server: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _answers(server: Server, process: subprocess.Popen, seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False
