"""What browsers are told about every page: nothing from elsewhere runs, loads, frames it or learns its address."""

from __future__ import annotations

from collections.abc import Sequence

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
"""Content Security Policy Level 3."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# with the policy `no-referrer` browsers send `Origin: null` with our own forms, and nothing could be checked by it


def page_headers(frame_ancestors: Sequence[str] = ()) -> dict[str, str]:
    """Headers of a page; `frame_ancestors` are origins that may embed it, nobody by default."""
    return {
        **_ALWAYS,
        "Content-Security-Policy": POLICY.format(ancestors=" ".join(frame_ancestors) or "'none'"),
        "Cache-Control": "no-store",
        "Vary": "Cookie, Accept-Language, HX-Request",
    }


def file_headers() -> dict[str, str]:
    """Headers of a file that pages use: alone it can do nothing, as a worker it may speak to us."""
    return {**_ALWAYS, "Content-Security-Policy": "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"}
