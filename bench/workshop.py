"""What all measurements share: the build folder, the mails, the databases and the programs running."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import corpus
from bench.corpus import Corpus
from bench.postgres import PostgresServer
from bench.processes import ROOT, Children


class Workshop:
    """Everything is made on first use; leaving the `with` block ends and removes all but the mails and the results."""

    def __init__(self, build: Path = ROOT / "build", rounds: int = 5) -> None:
        self.build = build
        self.rounds = rounds
        self.folder = build / "bench"
        self.children = Children(build / "bench-logs")
        self._postgres: PostgresServer | None = None
        self._names = 0
        self._kept: dict[str, str] = {}

    @cached_property
    def corpus(self) -> Corpus:
        """The mails of every SMTP figure."""
        made = corpus.prepare(self.build / "corpus")
        print(f"mails: {made}", file=sys.stderr, flush=True)
        return made

    @property
    def postgres(self) -> PostgresServer:
        """A server of the bench's own with fsync and synchronous_commit on, as if it had been in use for a while."""
        if self._postgres is None:
            self._postgres = PostgresServer()
            self._postgres.start(fsync=True)
            self._postgres.settle()
        return self._postgres

    def database(self, base: str) -> str:
        """The URL of a new, empty database on `sqlite` or `pg`."""
        if base == "pg":
            return self.postgres.create_database()
        self._names += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{self.folder / f'{self._names}.sqlite'}"

    def discard(self, url: str) -> None:
        """Remove a database nobody uses any more: the disk is wanted for the next one."""
        if url.startswith("postgresql"):
            self.postgres.drop_database(url)
            return
        file = Path(url.removeprefix("sqlite:///"))
        for path in file.parent.glob(f"{file.name}*"):
            path.unlink()

    def kept(self, name: str, make: Callable[[], str]) -> str:
        """The URL of a database that several measurements read; made by the first of them."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def fresh_folder(self, name: str) -> Path:
        """An empty folder of one measurement."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.children.__exit__(kind, value, trace)
        if self._postgres is not None:
            self._postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)
