"""The parameters of a sender who asks for delivery status notifications (RFC 3461, section 4).

They are understood and kept, and the extension is not offered: who offers it has to answer for it, and a service desk
tells people in its own words. What is malformed is left out: no mail is lost for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_NOTIFY = frozenset({"NEVER", "SUCCESS", "FAILURE", "DELAY"})


def xtext(value: str) -> str:
    """What an `xtext` stands for; octets that are no text become `?`.

    >>> xtext("QQ+2B314159"), xtext("a+0Ab")
    ('QQ+314159', 'a?b')
    """
    decoded = _XTEXT.sub(lambda found: chr(int(found[1], 16)), value)
    return "".join(each if each.isprintable() and each.isascii() else "?" for each in decoded)


def of_mail(options: Iterable[str]) -> dict[str, Any]:
    """`ret` (FULL or HDRS) and `envid` of the parameters of MAIL."""
    found: dict[str, Any] = {}
    for name, value in _pairs(options):
        if name == "RET" and value.upper() in ("FULL", "HDRS"):
            found["ret"] = value.upper()
        elif name == "ENVID" and value:
            found["envid"] = xtext(value)[:100]
    return found


def of_rcpt(options: Iterable[str]) -> dict[str, Any]:
    """`notify`, a list, and `orcpt` of the parameters of RCPT."""
    found: dict[str, Any] = {}
    for name, value in _pairs(options):
        if name == "NOTIFY":
            wishes = [wish for wish in value.upper().split(",") if wish in _NOTIFY]
            if wishes:
                found["notify"] = wishes
        elif name == "ORCPT" and ";" in value:
            kind, _, address = value.partition(";")
            found["orcpt"] = f"{kind.lower()};{xtext(address)}"[:500]
    return found


def wishes(mail: Sequence[str], recipients: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """All that was asked for in one transaction; empty if nothing was."""
    found = of_mail(mail)
    by_recipient = {address: asked for address, options in recipients.items() if (asked := of_rcpt(options))}
    if by_recipient:
        found["recipients"] = by_recipient
    return found


def _pairs(options: Iterable[str]) -> list[tuple[str, str]]:
    return [(name.upper(), value) for name, _, value in (option.partition("=") for option in options)]
