"""The arguments of MAIL and RCPT (RFC 5321, sections 4.1.1.2, 4.1.1.3 and 4.1.2; RFC 3461 for the DSN parameters)."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)?>(?: +(.*))?")
_ATOM = r'[^\s<>"@,;:\\()\[\]]+'
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MAILBOX = rf"(?:{_QUOTED}|{_ATOM})(?:@(?:\[[^\[\]\s]+\]|{_ATOM}))?"
_LENIENT = re.compile(rf"(?:<(?:@[^:<>]*:)?({_MAILBOX})>|({_MAILBOX}))(?:\s+(.*))?")
_HOSTILE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST = 320

MAIL_TOLERATED = frozenset({"RET", "ENVID", "AUTH"})
RCPT_TOLERATED = frozenset({"NOTIFY", "ORCPT"})


def parse_path(keyword: str, arg: str | None) -> tuple[str, list[str]] | None:
    """The mailbox and the parameters, their names upper-cased; None if the argument cannot be read.

    `keyword` is "FROM:" or "TO:". The null path `<>` is the empty string. Source routes are ignored (RFC 5321,
    appendix C); missing angle brackets and a missing domain are tolerated. Parameters are made `printable`: RFC 3461
    allows nothing else in them, and a mail is not lost for the odd octet in one.

    >>> parse_path("FROM:", "FROM:<ivan@example.ru> size=100 BODY=8BITMIME")
    ('ivan@example.ru', ['SIZE=100', 'BODY=8BITMIME'])
    >>> parse_path("FROM:", "from: <>")
    ('', [])
    """
    if arg is None or arg[: len(keyword)].upper() != keyword:
        return None
    text = arg[len(keyword) :].lstrip()
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        address, rest = plain[1] or "", plain[2]
    else:
        found = _LENIENT.fullmatch(text)
        if found is None or _HOSTILE.search(found[1] or found[2]):
            return None
        address, rest = found[1] or found[2], found[3]
    if len(address) > _LONGEST:
        return None
    return address, [printable(_named(option)) for option in rest.split()] if rest else []


def refuse_mail(options: list[str], max_size: int, room: int) -> str:
    """The reply that refuses these MAIL parameters, or nothing. `room` is what memory is left, in bytes."""
    for option in options:
        name, equals, value = option.partition("=")
        if name == "SIZE":
            if not (value.isascii() and value.isdigit() and len(value) <= 20):
                return "501 5.5.4 SIZE takes a number"
            if int(value) > max_size:
                return "552 5.3.4 Message exceeds the maximum size"
            if int(value) > room:
                return "452 4.3.1 Too much mail at once, try again later"
        elif name == "BODY":
            if value.upper() not in ("7BIT", "8BITMIME"):
                return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        elif name == "SMTPUTF8":
            if equals:
                return "501 5.5.4 SMTPUTF8 takes no value"
        elif name not in MAIL_TOLERATED:
            return "555 5.5.4 MAIL parameter not recognized"
    return ""


def refuse_rcpt(options: list[str]) -> str:
    """The reply that refuses these RCPT parameters, or nothing."""
    if all(option.partition("=")[0] in RCPT_TOLERATED for option in options):
        return ""
    return "555 5.5.4 RCPT parameter not recognized"


def _named(option: str) -> str:
    # only the name is free of case: an ENVID is given back letter for letter
    name, equals, value = option.partition("=")
    return name.upper() + equals + value


def printable(text: str) -> str:
    """A client's words made safe to keep and to show: control characters and undecodable bytes become `?`."""
    return _HOSTILE.sub("?", text)[:255]
