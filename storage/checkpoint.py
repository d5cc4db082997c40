"""SQLite's log is copied into the file beside the writer, so that commits seldom wait for it.

SQLite copies the log when a commit finds it long, within that commit: 30 MB take it 20 to 30 ms (measured), in which
nobody is answered. Here a thread copies what there is a few times a second while something is written, by a PASSIVE
checkpoint, which holds up nobody (https://www.sqlite.org/c3ref/wal_checkpoint_v2.html). What was written since is left
to the writer, who also begins the log anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from sqlalchemy import Connection

log = structlog.get_logger(__name__)

EVERY = 0.25
"""Seconds between two copies while something is written: pages that many commits change are copied only so often."""


class Checkpoints:
    """Copies the log of one file. `connect` opens a connection of its own."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-checkpoint")
        self._connection: Connection | None = None
        self._last: Future[None] | None = None
        self._next = time.monotonic() + EVERY
        self.done = 0

    def committed(self) -> None:
        """To be called by the writer after each commit; it neither waits nor fails."""
        now = time.monotonic()
        if now >= self._next and (self._last is None or self._last.done()):
            self._next = now + EVERY
            try:
                self._last = self._thread.submit(self._copy)
            except RuntimeError as error:
                # no thread to be had: the commit is on disk all the same
                log.info("checkpoint_left_to_the_writer", error=type(error).__name__)

    def close(self) -> None:
        """Finish what is being copied and let go of the file."""
        self._thread.shutdown(wait=True)
        self._drop()

    def _copy(self) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            cursor = self._connection.connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            cursor.close()
            self.done += 1
        except Exception as error:
            # the writer copies it then, as ever
            log.info("checkpoint_left_to_the_writer", error=type(error).__name__)
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
