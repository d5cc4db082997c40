"""Whose mail was forwarded: found in a mail that says in its subject that it forwards another.

The other one is a file of the mail (`message/rfc822`), or stands in its text below a block of header lines, as mail
programs write it in Russian and in English:

    -------- Пересылаемое сообщение --------        ---------- Forwarded message ---------
    От кого: Анна <anna@example.ru>                 From: Anna <anna@example.ru>
    Кому: gleb@otklik.example                       Date: Mon, 2 Nov 2026 at 10:15
    Дата: 2 ноября 2026, 10:15                      Subject: Printer
    Тема: Принтер                                   To: <gleb@otklik.example>

Only who is trusted to forward may make use of what is found: anybody can write such a block.

BUGS: a block in another language is not recognised; of several nested ones the outermost counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from channels.email import body, headers, html, parse
from channels.email.body import Content
from channels.email.parse import Mail, Part

_SUBJECT = re.compile(r"\s*\[?(?:fwd?|fw|пер|пересл\w{0,8}|wg|tr|rv)\s*[:\]]\s*", re.IGNORECASE)
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_LINE = re.compile(r"[>\s*_]*([A-Za-zА-Яа-яЁё -]{2,20}?)[*_]*\s*:[*_\s]*(.*)")
_INTRODUCTION = re.compile(r"[>\s]*\d{1,2}\.\d{1,2}\.\d{4},? .{0,200}<[^<>\s]{3,320}>\s*:\s*$")
_RULER = re.compile(r"[>\s]*-{3,}.{0,80}-{3,}\s*$")
_KEYS = {
    **dict.fromkeys(("from", "от", "от кого", "отправитель"), "from"),
    **dict.fromkeys(("subject", "тема"), "subject"),
    **dict.fromkeys(("date", "sent", "дата", "отправлено", "дата отправки"), "date"),
    **dict.fromkeys(("to", "кому", "получатель"), "to"),
    **dict.fromkeys(("cc", "копия", "reply-to", "importance", "важность"), "other"),
}
_SEARCHED = 200
"""Lines in which the block is looked for: what stands above it is a note of who forwards."""

_BLOCK = 12
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The mail that was forwarded, and the `note` above it."""

    address: str
    name: str
    subject: str
    text: str
    note: str = ""
    message_id: str = ""

    def as_json(self) -> dict[str, str]:
        """As it is handed on."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def original(mail: Mail, content: Content, subject: str, text: str) -> Forwarded | None:
    """What a mail forwards; None where it does not say so, or names no sender."""
    if not _SUBJECT.match(subject):
        return None
    files = [part for part in content.files if part.type == "message/rfc822"]
    if len(files) == 1:
        found = _file(mail, files[0], text)
        if found is not None:
            return found
    return inline(subject, text)


def _file(mail: Mail, part: Part, note: str) -> Forwarded | None:
    inner = parse.parse(body.payload(mail, part))
    fields = inner.root.fields
    sender = next(((name, address) for name, address in headers.mailboxes(fields.get(b"from")) if address), None)
    if sender is None:
        return None
    shown = []
    for each in body.sort(inner).shown:
        said = body.text(inner, each)
        shown.append(html.to_text(said)[0] if each.type == "text/html" else said)
    ids = headers.identifiers(fields.get(b"message-id"))
    subject = headers.text_of(fields[b"subject"][0]) if b"subject" in fields else ""
    return Forwarded(
        sender[1], sender[0], subject[:2000], "\n\n".join(shown).strip(), note.strip(), ids[0] if ids else ""
    )


def inline(subject: str, text: str) -> Forwarded | None:
    """What a text holds below a block of header lines."""
    lines = text.split("\n")
    for start, line in enumerate(lines[:_SEARCHED]):
        if len(line) > 400:
            continue
        if _INTRODUCTION.match(line) and start and _RULER.match(lines[start - 1]):
            found = _MAILBOX.search(line)
            name = line.rpartition("<")[0].rpartition(",")[2].strip(" \"'")
            if found:
                return _made(lines, start + 1, found[0], name, _SUBJECT.sub("", subject, count=1), start - 1)
        block, end = _block(lines, start)
        found = _MAILBOX.search(block.get("from", ""))
        if found and len(block) >= 3:
            name = re.split(r"[<\[(]", block["from"])[0].strip(" \"'")
            told = block.get("subject") or _SUBJECT.sub("", subject, count=1)
            return _made(lines, end, found[0], "" if "@" in name else name, told, start)
    return None


def _block(lines: list[str], start: int) -> tuple[dict[str, str], int]:
    """The header lines that begin here, by their meaning, and where what follows begins."""
    found: dict[str, str] = {}
    index = start
    while index < min(start + _BLOCK, len(lines)):
        line = lines[index]
        match = _LINE.match(line) if len(line) <= 1000 else None
        key = _KEYS.get(match[1].strip().lower(), "") if match else ""
        if key and match:
            found.setdefault(key, match[2].strip())
        elif not line.strip(" >\t") or not found:
            break
        index += 1
    return found, index


def _made(lines: list[str], begin: int, address: str, name: str, subject: str, end_of_note: int) -> Forwarded:
    above = [line for line in lines[:end_of_note] if not _RULER.match(line) and not _is_phrase(line)]
    said = lines[begin:]
    if said and all(line.startswith(">") for line in said if line.strip()):
        said = [re.sub(r"^> ?", "", line) for line in said]
    text = "\n".join(said).strip()[:_LONGEST]
    return Forwarded(address, name[:200], subject.strip()[:2000], text, "\n".join(above).strip())


def _is_phrase(line: str) -> bool:
    return line.strip().lower() in (
        "begin forwarded message:",
        "начало переадресованного сообщения:",
        "начало пересылаемого сообщения:",
    )
