"""From a form's raw body to checked answers, and every mistake at once with the field it belongs to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from datetime import date
from typing import Any

from channels.webform import files
from channels.webform.form import Field, Form, Kind, Target, consent_words, version_of
from channels.webform.multipart import Part
from tickets.address import Address, AddressKind

NONCE = "nonce"
PROOF = "altcha"
PARKED = "parked"
DROPPED = "drop"
LANGUAGE = "language"
TRAP = "website"
"""Names of our own in the body; a form's fields stand behind `f-`. `TRAP` is a field no person sees."""

PREFIX = "f-"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufdd0-\ufdef\ufffe\uffff]")
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]{1,64}")
_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,6})?")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a field: a code that is put into words in the reader's language, and what it knows."""

    field: str
    code: str
    facts: Mapping[str, Any] = made_by(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A file that was sent before and is parked: `id` names it, `field` is whose it is."""

    id: str
    field: str
    name: str
    content_type: str
    size: int


@dataclass(slots=True)
class Sent:
    """A body as it came, sorted but not judged yet. `cut` names files too large to be kept: key and file name."""

    values: dict[str, str]
    files: list[Part]
    nonce: str = ""
    proof: str = ""
    language: str = ""
    parked: tuple[str, ...] = ()
    dropped: frozenset[str] = frozenset()
    trapped: bool = False
    cut: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Answers:
    """What the writer said. `values` are normalised (E.164, ISO dates); `mistakes` stand in the order of the form."""

    form: Form
    language: str
    values: dict[str, str]
    files: list[Part]
    held: list[Held]
    mistakes: list[Mistake]

    @property
    def sender(self) -> Address:
        """Who writes: the mailbox, else the telephone number."""
        name = self._of(Target.NAME)
        mailbox = self._of(Target.EMAIL)
        return (
            Address(AddressKind.EMAIL, mailbox, name)
            if mailbox
            else Address(AddressKind.PHONE, self._of(Target.PHONE), name)
        )

    def _of(self, target: Target) -> str:
        said = (self.values.get(one.key, "") for one in self.form.fields if one.maps_to is target)
        return next((value for value in said if value), "")


def sort(form: Form, found: Iterable[Part], cut: Sequence[tuple[str, str]] = ()) -> Sent:
    """Tell fields, files and our own parts from each other; what no field of the form asks for is left out."""
    sent = Sent({}, [])
    too_large: list[tuple[str, str]] = []
    parked: list[str] = []
    dropped: set[str] = set()
    for part in found:
        if part.filename is not None:
            asked = form.field(part.name.removeprefix(PREFIX)) if part.name.startswith(PREFIX) else None
            # a file field nobody filled in comes as a part without a name and without octets
            if asked is None or asked.kind is not Kind.FILE:
                continue
            if not part.data and (part.name, part.filename) in cut:
                too_large.append((asked.key, files.name_of(part)))
            elif part.filename or part.data:
                sent.files.append(part)
            continue
        if len(part.data) > 200_000:
            continue
        match part.name:
            case "nonce":
                sent.nonce = part.text.strip()
            case "altcha":
                sent.proof = part.text.strip()
            case "language":
                sent.language = part.text.strip()
            case "parked":
                parked.append(part.text.strip())
            case "drop":
                dropped.add(part.text.strip())
            case "website":
                sent.trapped = sent.trapped or bool(part.data.strip())
            case name if name.startswith(PREFIX) and (asked := form.field(name.removeprefix(PREFIX))) is not None:
                if asked.kind is not Kind.FILE:
                    sent.values[asked.key] = clean(part.text, lines=asked.kind is Kind.LONG)
    sent.parked = tuple(dict.fromkeys(parked))[:50]
    sent.dropped = frozenset(dropped)
    sent.cut = tuple(too_large)
    return sent


def clean(text: str, *, lines: bool) -> str:
    """Typed text without what cannot be stored or seen; in one line where the field is one."""
    text = _CONTROL.sub("", unicodedata.normalize("NFC", text))
    if lines:
        return "\n".join(line.rstrip() for line in text.replace("\t", "    ").split("\n")).strip("\n")
    return " ".join(text.split())


def check(form: Form, sent: Sent, held: list[Held], language: str) -> Answers:
    """Judge everything at once."""
    mistakes: list[Mistake] = []
    values: dict[str, str] = {}
    for one in form.fields:
        if one.kind is Kind.FILE:
            mistakes += _files(form, one, sent, held)
            continue
        value = sent.values.get(one.key, "")
        if one.kind is Kind.CONSENT:
            code = _consent(form, one, value, language)
        elif not value:
            code = "missing" if one.required else ""
        elif len(value) > one.max_length:
            code = "too_long"
        else:
            value, code = normalised(one, value)
        if code:
            facts: dict[str, Any] = {"most": one.max_length, "n": len(value)} if code == "too_long" else {}
            mistakes.append(Mistake(one.key, code, facts))
        else:
            values[one.key] = value
    ways = [one for one in form.fields if one.maps_to in (Target.EMAIL, Target.PHONE)]
    wrong = {mistake.field for mistake in mistakes}
    if not any(values.get(one.key) for one in ways) and not wrong & {one.key for one in ways}:
        mistakes.append(Mistake(ways[0].key, "no_contact"))
    order = {one.key: position for position, one in enumerate((*form.questions, *form.contacts, *form.consents))}
    mistakes.sort(key=lambda mistake: order.get(mistake.field, 0))
    kept = [part for part in sent.files if not any(m.facts.get("file") == files.name_of(part) for m in mistakes)]
    return Answers(form, language, values, kept, held, mistakes)


def normalised(one: Field, value: str) -> tuple[str, str]:
    """A value as it is kept, and the code of what is wrong with it, empty where nothing is."""
    match one.kind:
        case Kind.EMAIL:
            return value, mailbox_mistake(value)
        case Kind.PHONE:
            number = e164(value)
            return number or value, "" if number else "no_phone"
        case Kind.CHOICE:
            return value, "" if any(choice.value == value for choice in one.choices) else "no_choice"
        case Kind.NUMBER:
            plain = value.replace(" ", "").replace("\u00a0", "").replace("\u2212", "-")
            return plain, "" if _NUMBER.fullmatch(plain) else "no_number"
        case Kind.DATE:
            return _date(value)
    return value, ""


def mailbox_mistake(value: str) -> str:
    """What is wrong with a mailbox: one addr-spec of RFC 5321 and nothing else is taken.

    >>> [mailbox_mistake(m) for m in ("irina@romashka.example", "irina@", "irina", "a@b.example, c@d.example", "<>")]
    ['', 'no_domain', 'no_at', 'no_mailbox', 'no_at']
    >>> mailbox_mistake("ирина@ромашка.рф"), mailbox_mistake("a@localhost"), mailbox_mistake("a..b@c.example")
    ('', 'no_dot', 'no_mailbox')
    """
    local, at, domain = value.rpartition("@")
    if not at:
        return "no_at"
    if not domain:
        return "no_domain"
    if not local or not _MAILBOX.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return "no_mailbox"
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        return "no_mailbox"
    if "." not in domain:
        return "no_dot"
    return "" if not domain.rpartition(".")[2].isdigit() else "no_mailbox"


def e164(value: str) -> str:
    """A telephone number in E.164; empty where it is none. One without a country code is a Russian one."""
    import phonenumbers

    if len(value) > 40:
        return ""
    try:
        number = phonenumbers.parse(value, "RU")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _date(value: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", value)
    text = f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}" if found else value
    try:
        return date.fromisoformat(text).isoformat(), ""
    except ValueError:
        return value, "no_date"


def _consent(form: Form, one: Field, value: str, language: str) -> str:
    """A ticked consent carries the version of the text it stood at."""
    if not value:
        return "not_agreed" if one.required else ""
    return "" if value == version_of(consent_words(form, one, language)) else "other_text"


def _files(form: Form, one: Field, sent: Sent, held: list[Held]) -> Iterable[Mistake]:
    limits = form.files
    own = [part for part in sent.files if part.name == PREFIX + one.key]
    for part in own:
        name = files.name_of(part)
        code = files.refusal(name, part.data, limits)
        if code:
            facts = {"file": name, "each": limits.each, "kinds": sorted(limits.kinds)}
            yield Mistake(one.key, f"file_{code}", facts)
    for key, name in sent.cut:
        if key == one.key:
            yield Mistake(one.key, "file_too_large", {"file": name, "each": limits.each})
    there = [file for file in held if file.field == one.key]
    if len(own) + len(there) > limits.count:
        yield Mistake(one.key, "too_many", {"most": limits.count, "n": len(own) + len(there)})
    elif sum(len(part.data) for part in own) + sum(file.size for file in there) > limits.total:
        yield Mistake(one.key, "too_much", {"total": limits.total})
    elif one.required and not own and not there and not sent.cut:
        yield Mistake(one.key, "missing", {})
