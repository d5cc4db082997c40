"""The listener's certificate, and its exchange while the program runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

_log = structlog.get_logger()


class Certificate:
    """PEM files with a chain and its key; `context` is what handshakes are done with, None without files.

    Sessions under way keep the context they began with: nothing of theirs is touched by a new one.
    """

    def __init__(self, chain: str = "", key: str = "") -> None:
        self._files = tuple(Path(name) for name in (chain, key) if name)
        self.context: ssl.SSLContext | None = None
        self._seen: tuple[tuple[int, int, int], ...] = ()
        if chain:
            self._seen = self._look()
            self.context = self._load()

    def refresh(self) -> bool:
        """Read the files again if they have changed; whether there is a new context.

        Where they cannot be used together, as between the exchange of one and of the other, the old context stays and
        the next call tries again.
        """
        if self.context is None:
            return False
        try:
            found = self._look()
            if found == self._seen:
                return False
            self.context = self._load()
        except (OSError, ValueError) as error:
            _log.warning("smtp.certificate_unusable", error=type(error).__name__)
            return False
        self._seen = found
        _log.info("smtp.certificate_renewed")
        return True

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        found = [path.stat() for path in self._files]
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*map(str, self._files))
        return context
