"""Read receipts that programs word for people. Those made for programs (RFC 8098) are read by `report`."""

from __future__ import annotations

import re

from channels.email import body
from channels.email.body import Content
from channels.email.parse import Mail

_SUBJECT = re.compile(
    r"\s*(?:(?:not )?read|read receipt|return receipt(?: \(displayed\))?|disposition notification|displayed|"
    r"message (?:displayed|read)|(?:не )?(?:прочтено|прочитано|просмотрено)|уведомление о прочтении|"
    r"подтверждение (?:о )?прочтения|отч[её]т о прочтении|(?:удалено|не) (?:без )?прочтен\w+|прочитане|"
    r"(?:un)?gelesen|lesebestätigung|lu|accusé de lecture|leído|confirmación de lectura|letto|conferma di lettura|"
    r"lida?|gelezen|przeczytano|läst|開封済み)\s*(?:[:(—-]|$)",
    re.IGNORECASE,
)
_TEXT = re.compile(
    r"(?:was|were) (?:read|displayed|opened|deleted without being read)|return receipt for the (?:mail|message)|"
    r"(?:has been|was) (?:displayed|read) (?:on|by)|this is a (?:read|return|receipt)|no guarantee that the message|"
    r"(?:было|была|прочитано|прочтено|просмотрено|открыто) .{0,40}\d{1,2}[.:]\d\d|"
    r"было (?:прочитано|прочтено|просмотрено)|"
    r"(?:прочитано|прочтено|открыто) (?:получателем|адресатом)|удалено (?:без|не) проч|"
    r"уведомление о прочтении|подтверждение (?:о )?(?:прочтени|получени)|"
    r"wurde .{0,60}gelesen|a été (?:lu|ouvert|affiché)|ha sido leído|se leyó el|è stato letto|"
    r"foi (?:lida|exibida)|is gelezen",
    re.IGNORECASE,
)
_MOST_WORDS = 120
_TNEF_RECEIPT = re.compile(
    rb"REPORT\.IPM\.[A-Za-z.]{0,40}(?:IPNRN|IPNNRN)|IPM\.Microsoft Mail\.Read Receipt", re.IGNORECASE
)


def is_worded(subject: str, text: str) -> bool:
    """Whether a short mail says nothing but that another one was read: subject and words must both say so."""
    if _SUBJECT.match(subject) is None or len(text) > 4000 or len(text.split()) > _MOST_WORDS:
        return False
    return _TEXT.search(text) is not None


def is_microsoft(mail: Mail, content: Content) -> bool:
    """Whether Exchange put a read receipt into a winmail.dat, whose message class names it."""
    return any(
        _TNEF_RECEIPT.search(body.payload(mail, part)[:4000]) is not None
        for part in content.files
        if part.type in ("application/ms-tnef", "application/vnd.ms-tnef")
    )
