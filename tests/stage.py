"""What the areas share that start the whole program: a clock one sets, settings, an organisation, a beginning."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from desk.organisation import import_bundle, parse
from gateway import settings as settings_module
from gateway.program import Program
from gateway.settings import Settings

SAMPLE = (Path(__file__).resolve().parents[1] / "gateway" / "sample" / "organisation.toml").read_text(encoding="utf-8")
"""The sample organisation."""

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
"""Noon in Moscow on a Wednesday."""


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    at: datetime = NOW

    def now(self) -> datetime:
        """Where the hands are."""
        return self.at

    def move(self, **by: float) -> datetime:
        """Turn the hands; returns where they are then."""
        self.at += timedelta(**by)
        return self.at


def doors(url: str, file: Path | None = None, **more: str) -> Settings:
    """Settings with doors on free ports; `more` by the names of environment variables."""
    usual = {
        "OTKLIK_DATABASE__URL": url,
        "OTKLIK_HTTP__LISTEN": "127.0.0.1:0",
        "OTKLIK_SMTP__LISTEN": "127.0.0.1:0",
    }
    return settings_module.load(file, usual | more)


def post_office(url: str, sections: Mapping[str, str] = MappingProxyType({})) -> str:
    """A file of settings for mail in and mail out, with little patience; `sections` have further lines of each."""
    lines = {
        "site": 'prefix = "NSK"',
        "database": f'url = "{url}"',
        "http": 'listen = "127.0.0.1:0"',
        "smtp": 'listen = "127.0.0.1:0"\ndomains = ["otklik.example"]',
        "mail": 'sender = "support@otklik.example"\nname = "Служба поддержки"',
        "mail.reply_keys": 'k1 = "0123456789abcdef"',
        "outbox": 'quick = ["50 ms"]\nevery = "50 ms"\npoll = "50 ms"',
    }
    # [outbox] is the last: what a test appends goes there
    return _joined(lines, sections)


def apart(url: str, smtp: int, http: int, sections: Mapping[str, str]) -> str:
    """A file of settings for a gateway in a process of its own, whose ports are known before it starts."""
    lines = {
        "database": f'url = "{url}"',
        "smtp": f'listen = "127.0.0.1:{smtp}"',
        "http": f'listen = "127.0.0.1:{http}"',
        "mail": 'sender = "support@desk.example"',
        "log": 'level = "warning"',
    }
    return _joined(lines, sections)


def _joined(lines: Mapping[str, str], more: Mapping[str, str]) -> str:
    names = [*(name for name in more if name not in lines), *lines]
    return "".join(f"[{name}]\n{lines.get(name, '')}\n{more.get(name, '')}\n" for name in names)


async def settle_in(program: Program, organisation: str = SAMPLE) -> None:
    """Import an organisation."""
    bundle = parse(organisation, "organisation.toml")
    await program.opened.write(lambda connection: import_bundle(connection, bundle, site=program.site))


@asynccontextmanager
async def running(
    settings: Settings, organisation: str = SAMPLE, *, only: Sequence[Any] = ("http",), clock: Any = None
) -> AsyncIterator[Program]:
    """A program at work with an organisation in it, stopped at the end."""
    program = Program(settings, only=only, **({"clock": clock} if clock is not None else {}))
    try:
        await program.start()
        await settle_in(program, organisation)
        yield program
    finally:
        await program.stop()
