"""Addresses of people for readers who may not see them."""

from __future__ import annotations

import re

_DOTS = "•••"
_PHONE = re.compile(r"\+?[\d\s()-]{7,}")


def address(value: str) -> str:
    """A mailbox or telephone number of which only enough is left to tell two apart.

    >>> address("irina@romashka.example"), address("+79130000007"), address("@nick"), address("")
    ('i•••@romashka.example', '+7 913 •••-••-07', '@•••', '')
    """
    value = value.strip()
    local, at, domain = value.rpartition("@")
    if at and local:
        return f"{local[:1]}{_DOTS}@{domain}"
    if _PHONE.fullmatch(value):
        digits = re.sub(r"\D", "", value)
        if len(digits) == 11 and digits[0] in "78":
            return f"+7 {digits[1:4]} {_DOTS}-••-{digits[-2:]}"
        return f"+{digits[:2]}{_DOTS}{digits[-2:]}"
    return f"{value[:1]}{_DOTS}" if value else ""


def named(value: str) -> str:
    """The same for `Name <address>`: the name stays.

    >>> named("Ирина <irina@romashka.example>")
    'Ирина <i•••@romashka.example>'
    """
    name, opened, rest = value.rpartition("<")
    return f"{name}<{address(rest.rstrip('>'))}>" if opened else address(value)
