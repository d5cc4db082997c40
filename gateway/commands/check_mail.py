"""What `otklik check` asks about the mail door: its certificate, and those who judge the mail that comes in by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Settings

Question = Callable[[], Awaitable[str]]

SOON = timedelta(days=7)
"""A certificate that ends sooner should have been renewed."""


class Wrong(Exception):
    """Something is not as it should be; the text says what to do."""


def questions(settings: Settings) -> list[tuple[str, Question]]:
    """What is to be asked, by the name of its line; only what the settings name.

    A question returns what it found, or raises `Wrong`, `OSError` or `ValueError`.
    """
    asked: list[tuple[str, Question]] = []
    if settings.smtp.certificate is not None:
        asked.append(("certificate", lambda: _certificate(settings)))
    if settings.authenticity.resolver or settings.spam.dnsbl:
        asked.append(("resolver", lambda: _resolver(settings)))
    asked += [(f"list {zone}", lambda zone=zone: _list(settings, zone)) for zone in settings.spam.dnsbl]  # type: ignore[misc]
    if settings.spam.rspamd:
        asked.append(("rspamd", lambda: _rspamd(settings.spam.rspamd)))
    if settings.spam.clamd:
        asked.append(("clamd", lambda: _clamd(settings.spam.clamd)))
    return asked


async def _certificate(settings: Settings) -> str:
    from cryptography import x509

    from channels.email.smtp_tls import Certificate

    path = settings.smtp.certificate
    if path is None:
        return "none"
    try:
        Certificate(str(path), str(settings.smtp.key))
    except OSError as error:
        raise Wrong(f"{path} and {settings.smtp.key} are no pair that can be used: {error}") from None
    (first, *_) = x509.load_pem_x509_certificates(path.read_bytes())
    ends = first.not_valid_after_utc
    left = ends - datetime.now(UTC)
    if left < SOON:
        raise Wrong(f"{path} {'ended' if left < timedelta() else 'ends'} on {ends:%Y-%m-%d}: renew it")
    return f"{path}, good until {ends:%Y-%m-%d}"


async def _resolver(settings: Settings) -> str:
    from channels.email.resolver import DnsTrouble, Resolver

    servers = settings.authenticity.resolver
    try:
        await Resolver(servers).txt("_dmarc.example.org")
    except DnsTrouble:
        raise Wrong("it does not answer, so nothing is verified: see [authenticity] resolver") from None
    return f"{', '.join(servers) or 'the system’s'} answers"


async def _list(settings: Settings, zone: str) -> str:
    from channels.email.dnsbl import Dnsbl
    from channels.email.resolver import Resolver

    # every list knows this address, for being asked about (RFC 5782, section 5)
    lists = Dnsbl(Resolver(settings.authenticity.resolver), [zone], "note", timeout=5.0)
    if not await lists.listings("127.0.0.2"):
        raise Wrong(f"{zone} does not serve you: ask it from another resolver, or take it out of [spam] dnsbl")
    return "answers"


async def _rspamd(url: str) -> str:
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client,
            client.get(f"{url.rstrip('/')}/ping") as answer,
        ):
            said = (await answer.text())[:20].strip()
    except aiohttp.ClientError as error:
        raise Wrong(f"{url} cannot be asked ({type(error).__name__}); see [spam] rspamd") from None
    if said != "pong":
        raise Wrong(f"{url} is no Rspamd; [spam] rspamd names its scanner, often port 11333")
    return f"{url} answers"


async def _clamd(address: str) -> str:
    from channels.email.clamd import Clamd
    from channels.email.filter_verdict import FilterFailed

    try:
        await Clamd(address, timeout=5.0).ping()
    except FilterFailed as failed:
        raise Wrong(f"{address}: {failed}; see [spam] clamd") from None
    return f"{address} answers"
