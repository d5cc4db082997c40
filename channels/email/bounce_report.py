"""The report of a mail system to programs: delivery status (RFC 3464, RFC 6533), and what it returns of the mail.

BUGS: recipients of other networks than the Internet's (X.400, fax) are not addresses here and left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from channels.email import body, charset, headers, parse
from channels.email.body import Content
from channels.email.headers import Fields
from channels.email.parse import Mail, Part
from tickets.message import GOT_IT, Bounce, Fate

MAX_RECIPIENTS = 100
MAX_REPORT = 200_000
_MAX_NESTED = 500_000
"""Octets of a report, and of a returned mail that is a bounce itself."""

STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
REPLY_CODE = re.compile(r"(?<![\d.\-:/])([45]\d\d)(?:[ -]|$)(?!\d)", re.MULTILINE)
_WORST_FIRST = ("failed", "delayed", "relayed", "expanded", "delivered")
_ADDRESS = re.compile(r"[^\s<>\"(),;:]{1,320}@[^\s<>\"(),;:@]{1,255}")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_RETURNED_TYPES = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822",
     "message/rfc822-headers"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bounce, and what it was recognised by: `report`, `header`, `detector` or `text`."""

    bounce: Bounce
    by: str

    @property
    def delayed(self) -> bool:
        """The mail is still being tried."""
        return self.bounce.action == "delayed"

    @property
    def delivered(self) -> bool:
        """Not a failure at all: somebody asked for a receipt of delivery."""
        return self.bounce.action in GOT_IT


def read_report(mail: Mail, content: Content) -> Verdict | None:
    """The delivery status report of a mail, if it has one that names a recipient or a status.

    A bounce that came back as undeliverable itself tells of both failures.
    """
    for part in content.reports:
        if not part.type.endswith("delivery-status"):
            continue
        found = status(body.payload(mail, part)[:MAX_REPORT])
        if found is not None:
            inner = _inner(mail, content)
            recipients = tuple(dict.fromkeys([*found.recipients, *inner.recipients]))[:MAX_RECIPIENTS]
            told = replace(found, recipients=recipients, fates=(*found.fates, *inner.fates))
            return Verdict(replace(told, original_message_id=returned_id(mail, content)), "report")
    return None


def _inner(mail: Mail, content: Content) -> Bounce:
    """What a bounce says that came back as undeliverable itself."""
    for part in content.files:
        if part.type != "message/rfc822" or part.end - part.start > _MAX_NESTED:
            continue
        inner = parse.parse(body.payload(mail, part))
        if inner.root.type != "multipart/report":
            continue
        for report in body.sort(inner).reports:
            if report.type.endswith("delivery-status"):
                return status(body.payload(inner, report)[:MAX_REPORT]) or Bounce()
    return Bounce()


@dataclass(frozen=True, slots=True)
class _Block:
    """What a block of a report says of its recipient; what it leaves out is empty."""

    recipient: str
    action: str
    code: str
    diagnostic: str


def status(data: bytes) -> Bounce | None:
    """A delivery status report from its octets; None where it names neither a recipient nor a status.

    Where recipients fared differently it tells of the worst: those that got the mail are not among the failed.
    """
    blocks = _blocks(data)
    action = next((a for a in _WORST_FIRST if any(block.action == a for block in blocks)), "")
    worst = [block for block in blocks if block.action in (action, "")]
    recipients = tuple(dict.fromkeys(block.recipient for block in worst if block.recipient))
    code = next((block.code for block in worst if block.code), "")
    if not (recipients or code):
        return None
    if not action:
        action = "delayed" if code[:1] == "4" else "delivered" if code[:1] == "2" else "failed"
    diagnostics = next((block.diagnostic for block in worst if block.diagnostic), "")
    permanent = _is_permanent(action, code, diagnostics)
    return Bounce(recipients, action, code, permanent, fates=_fates(blocks, action))


def _fates(blocks: list[_Block], usual: str) -> tuple[Fate, ...]:
    """Each recipient once, with the worst that is said of it; `usual` is the action of a block that names none."""
    told = [replace(block, action=block.action or usual) for block in blocks if block.recipient]
    told.sort(key=lambda block: _WORST_FIRST.index(block.action))
    found: dict[str, Fate] = {}
    for block in told:
        permanent = _is_permanent(block.action, block.code, block.diagnostic)
        found.setdefault(block.recipient, Fate(block.recipient, block.action, block.code, permanent))
    return tuple(found.values())


def _blocks(data: bytes) -> list[_Block]:
    found: list[_Block] = []
    for block in re.split(rb"\r?\n[ \t]*\r?\n", data)[: MAX_RECIPIENTS + 1]:
        fields, _ = headers.split_fields(block.strip(b"\r\n"))
        named = _recipient(fields)
        action = headers.text_of(fields.get(b"action", [b""])[0]).lower().partition(" ")[0]
        given = STATUS.search(headers.text_of(fields.get(b"status", [b""])[0]))
        diagnostic = headers.text_of(fields.get(b"diagnostic-code", [b""])[0])
        if not (named or action or given):
            continue
        code = given[0] if given else ""
        better = STATUS.search(diagnostic)
        if better and (not code or (code.endswith(".0.0") and better[1] == code[0])):
            code = better[0]
        found.append(_Block(named, action if action in _WORST_FIRST else "", code, diagnostic))
    return found


def _is_permanent(action: str, code: str, words: str) -> bool:
    if action == "delayed" or action in GOT_IT:
        return False
    if code[:1] in ("4", "5"):
        return code[0] == "5"
    reply = REPLY_CODE.search(words)
    return not (reply and reply[1][0] == "4")


def _recipient(fields: Fields) -> str:
    """The address a block is about: the final one, but by its outer name where its host has one only inside."""
    final = _typed(fields, b"final-recipient")
    name, _, host = final.rpartition("@")
    if final and "." in host:
        return final
    original = _typed(fields, b"original-recipient")
    if original and (not final or original.rpartition("@")[0].lower() == name.lower()):
        return original
    return final or _typed(fields, b"x-actual-recipient")


def _typed(fields: Fields, name: bytes) -> str:
    """The address of a typed recipient field: `rfc822; anna@example.ru`, `utf-8; \\x{430}@example.ru`."""
    values = fields.get(name)
    if not values:
        return ""
    # An encoded word is no such thing in an address: it stays as it was written.
    text = charset.decode(values[0][:2000])[0]
    kind, semicolon, address = text.partition(";")
    if not semicolon:
        address = kind
    elif kind.strip().lower() in ("x400", "unknown", "x-local"):
        return ""
    if "\\x{" in address:
        address = _ESCAPED.sub(lambda found: _character(int(found[1], 16)), address)
    found = _ADDRESS.search(address)
    return charset.clean(found[0].strip("'.")) if found else ""


def _character(number: int) -> str:
    return chr(number) if 32 < number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def returned_id(mail: Mail, content: Content) -> str:
    """The Message-ID of the mail a report returns, empty where it returns none."""
    ids = headers.identifiers(_returned_fields(mail, content).get(b"message-id"))
    return ids[0] if ids else ""


def returned_to(mail: Mail, content: Content) -> list[str]:
    """Whom the returned mail was written to."""
    fields = _returned_fields(mail, content)
    return [address for _, address in headers.mailboxes(fields.get(b"to", [])[:1])[:MAX_RECIPIENTS] if address]


def _returned_fields(mail: Mail, content: Content) -> Fields:
    for part in content.files + content.texts:
        if part.type in _RETURNED_TYPES:
            fields = first_fields(body.payload(mail, part))
            if b"message-id" in fields or b"to" in fields:
                return fields
    return {}


def first_fields(data: bytes) -> Fields:
    """The first block of fields of a report, or of a mail that is returned."""
    block = data[:65_536].lstrip(b"\r\n")
    end = min((at for at in (block.find(b"\n\n"), block.find(b"\n\r\n")) if at >= 0), default=len(block))
    return headers.split_fields(block[:end])[0]


def parts_of(content: Content, kind: str) -> list[Part]:
    """Report parts whose type ends with `kind`."""
    return [part for part in content.reports if part.type.endswith(kind)]
