"""What every page of the portal begins and ends with: forms that are ours, clients that are patient, headers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from markupsafe import Markup

from channels.webform.caps import Counts, client_of
from channels.webform.multipart import NotAForm, Part, parts
from outbound.portal_token import PageTokens
from tickets.clock import Clock
from web.look.refusal import Refusal

SECRECY = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}
"""Headers of pages whose address is a secret: no site learns it, no search engine keeps it."""

LONGEST_FORM = 64_000
PRESSES_PER_HOUR = 240
"""Forms one client sends within an hour."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that came back: the fields without files, its parts, and the bytes it came as."""

    nonce: str
    fields: Mapping[str, str]
    files: tuple[Part, ...]
    raw: bytes


class Door:
    """Draws the secret fields of forms and checks what comes back."""

    def __init__(self, pages: PageTokens, clock: Clock) -> None:
        self._pages = pages
        self._clock = clock
        self._presses = Counts()

    def form_fields(self, bound_to: str) -> Markup:
        """Hidden fields of a form that can be sent from this page or session only."""
        nonce = secrets.token_hex(16)
        return Markup(
            '<input type="hidden" name="nonce" value="{}"><input type="hidden" name="proof" value="{}">'
        ).format(nonce, self._pages.form_proof(bound_to, nonce))

    async def take(self, request: web.Request, bound_to: str, *, most: int = LONGEST_FORM) -> Sent:
        """A form of ours that came back from the page or session it was drawn for.

        Raises:
            Refusal: it is too large (413), no form (400), not from there (403), or the client sends too many (429).
        """
        self.count(request)
        raw = await _body(request, most)
        sent = _read(request, raw)
        if not self._pages.form_is_ours(bound_to, sent.nonce, sent.fields.get("proof", "")):
            raise Refusal(403, "portal.stale")
        return sent

    def count(self, request: web.Request, names: Mapping[str, int] | None = None) -> None:
        """Count a press of a client, and of further names with their limits within an hour.

        Raises:
            Refusal: that was too many (429).
        """
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise Refusal(403, "portal.stale")
        limits = names or {f"client:{client_of(request.remote or '')}": PRESSES_PER_HOUR}
        now = self._clock.now()
        if self._presses.full(dict(limits), now) is not None:
            raise Refusal(429)
        self._presses.count(dict(limits), now)


async def _body(request: web.Request, most: int) -> bytes:
    if request.content_length is not None and request.content_length > most:
        raise Refusal(413)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.content.iter_chunked(65_536):
        size += len(piece)
        if size > most:
            raise Refusal(413)
        pieces.append(piece)
    return b"".join(pieces)


def _read(request: web.Request, raw: bytes) -> Sent:
    if request.content_type == "application/x-www-form-urlencoded":
        from urllib.parse import parse_qsl

        try:
            pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
        except ValueError:
            raise Refusal(400) from None
        return _sent(dict(pairs), (), raw)
    if request.content_type != "multipart/form-data":
        raise Refusal(415)
    try:
        found = parts(raw)
    except NotAForm:
        raise Refusal(400) from None
    files = tuple(part for part in found if part.filename is not None and (part.filename or part.data))
    return _sent({part.name: part.text for part in found if part.filename is None}, files, raw)


def _sent(fields: dict[str, str], files: tuple[Part, ...], raw: bytes) -> Sent:
    return Sent(fields.get("nonce", "")[:64], fields, files, raw)
