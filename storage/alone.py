"""One server for one SQLite file: a second one would take the deliveries of the first for those of a dead process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from sqlalchemy.engine import make_url

from storage.errors import StorageUnavailable


class Alone:
    """Holds a lock file beside the database for as long as the process lives; a killed process lets go of it too."""

    def __init__(self, url: str) -> None:
        database = make_url(url).database
        self._path = Path(f"{database}.lock") if url.startswith("sqlite") and database else None
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock; nothing to do on PostgreSQL, where nodes know each other.

        Raises:
            StorageUnavailable: another server works on this file.
        """
        if self._path is None or sys.platform == "win32":
            return
        import fcntl

        opened = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            opened.seek(0)
            holder = opened.read().strip()
            opened.close()
            raise StorageUnavailable(
                f"another server{f' (process {holder})' if holder else ''} works on {self._path.with_suffix('')}"
            ) from None
        opened.truncate(0)
        opened.write(str(os.getpid()))
        opened.flush()
        self._file = opened

    def let_go(self) -> None:
        """Give the lock up."""
        if self._file is not None:
            self._file.close()
            self._file = None
