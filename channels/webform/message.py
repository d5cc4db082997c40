"""From checked answers to the message the rest of Otklik takes, and what is stated about its ticket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from channels.webform import files
from channels.webform.answers import Answers, check, sort
from channels.webform.form import SUPPORT, Form, Kind, Target, consent_words, said, version_of
from channels.webform.multipart import NotAForm, Part, parts
from channels.webform.nonce import Nonce
from channels.webform.proof import Proof
from tickets.address import AddressKind
from tickets.consent import Consent
from tickets.message import InboundMessage, MessageKind, Unreadable
from tickets.priority import Level

CHANNEL = "web"
LONGEST_SUBJECT = 120


@dataclass(frozen=True, slots=True)
class Statement:
    """What a form says of its ticket, for the desk to state to the router."""

    centre: str = ""
    type: str = ""
    category: str = ""
    impact: Level | None = None
    urgency: Level | None = None
    consents: tuple[Consent, ...] = ()
    unproven: bool = False


def message_of(
    answers: Answers, all_files: Sequence[Part], *, external_id: str, received_at: datetime, envelope: Mapping[str, Any]
) -> InboundMessage:
    """The message that answers amount to. `all_files` are the file parts of the raw body that is kept.

    The content is named by what was typed and attached, not by the octets of the body: a browser that sends the same
    form twice draws another boundary each time.
    """
    text = text_of(answers)
    attachments = tuple(files.attachment(part) for part in all_files)
    proof = str(envelope.get("proof", Proof.NONE.value))
    trapped = bool(envelope.get("trapped"))
    return InboundMessage(
        channel=CHANNEL,
        account=answers.form.name,
        external_id=external_id,
        sender=answers.sender,
        recipients=(),
        subject=subject_of(answers),
        text=text,
        reply_text=text,
        language=answers.language,
        received_at=received_at,
        attachments=attachments,
        kind=MessageKind.SPAM if trapped else MessageKind.HUMAN,
        kind_because=("hidden_field_filled",) if trapped else (),
        authenticity={"form": answers.form.name, "proof_of_work": proof},
        digest=_digest(answers, [one.sha256 for one in attachments]),
        window=timedelta(0),
        extra={"envelope": dict(envelope)},
    )


def statement_of(answers: Answers, *, unproven: bool) -> Statement:
    """What the form and its answers state."""
    form, language = answers.form, answers.language
    consents = []
    for one in form.consents:
        if answers.values.get(one.key):
            text = consent_words(form, one, language)
            consents.append(Consent(form.name, one.key, version_of(text), language, text))
    return Statement(
        centre=form.centre,
        type=form.type,
        category=form.category,
        impact=_level(answers, Target.IMPACT),
        urgency=_level(answers, Target.URGENCY),
        consents=tuple(consents),
        unproven=unproven,
    )


def text_of(answers: Answers) -> str:
    """The text: what happened first, then a line for each further answer."""
    main: list[str] = []
    lines: list[str] = []
    by_mail = answers.sender.kind is AddressKind.EMAIL
    for one in answers.form.fields:
        value = answers.values.get(one.key, "")
        if not value or one.kind in (Kind.FILE, Kind.CONSENT):
            continue
        if one.maps_to is Target.TEXT:
            main.append(value)
        elif one.maps_to in (Target.EXTRA, Target.IMPACT, Target.URGENCY) or (by_mail and one.maps_to is Target.PHONE):
            shown = next((said(c.label, answers.language) for c in one.choices if c.value == value), value)
            label = said(one.label, answers.language).rstrip(" :?")
            lines.append(f"{label}:\n{value}" if "\n" in value else f"{label}: {shown}")
    return "\n\n".join(part for part in ("\n\n".join(main), "\n".join(lines)) if part)


def subject_of(answers: Answers) -> str:
    """The subject: the field for it, else the beginning of the text, else the form's title."""
    form = answers.form
    for target in (Target.SUBJECT, Target.TEXT):
        for one in form.fields:
            value = answers.values.get(one.key, "") if one.maps_to is target else ""
            if value.strip():
                return _shortened(" ".join(value.strip().split("\n", 1)[0].split()))
    return said(form.title, answers.language)


def unreadable(form: Form, error: NotAForm, received_at: datetime, envelope: Mapping[str, Any]) -> Unreadable:
    """A body that is no form, for quarantine."""
    return Unreadable(CHANNEL, form.name, "not_a_form", received_at, str(error)[:500], dict(envelope))


def read_again(
    forms: Mapping[str, Form], raw: bytes, *, account: str, external_id: str, received_at: datetime,
    envelope: Mapping[str, Any],
) -> tuple[InboundMessage | Unreadable, Statement]:  # fmt: skip
    """What today's program makes of a body kept in quarantine.

    Nobody is there to mend it, so mistakes do not count: what was said is taken as it is. A form that is gone is read
    as the usual one.
    """
    form = forms.get(account, SUPPORT)
    language = str(envelope.get("language") or "ru")
    try:
        found = parts(raw)
    except NotAForm as error:
        return unreadable(form, error, received_at, envelope), Statement()
    answers = check(form, sort(form, found), [], language)
    wrong = {mistake.field for mistake in answers.mistakes}
    sent = sort(form, found)
    for key, value in sent.values.items():
        one = form.field(key)
        addressed = one is not None and one.maps_to in (Target.EMAIL, Target.PHONE)
        if key in wrong and not addressed and one is not None and one.kind is not Kind.CONSENT:
            answers.values[key] = value[:20_000]
    every = [part for part in found if part.filename is not None and part.data]
    message = message_of(answers, every, external_id=external_id, received_at=received_at, envelope=envelope)
    return message, statement_of(answers, unproven=envelope.get("proof") != Proof.GOOD.value)


def envelope_of(
    form: Form, nonce: Nonce | None, *, peer: str, language: str, proof: Proof, trapped: bool
) -> dict[str, Any]:
    """What is kept about how a form came, so that it can be read again."""
    found: dict[str, Any] = {"peer": peer, "form": form.name, "language": language, "proof": proof.value}
    if nonce is not None:
        found["external_id"] = nonce.id
        found["shown_at"] = nonce.made_at.isoformat()
    if trapped:
        found["trapped"] = True
    return found


def _level(answers: Answers, target: Target) -> Level | None:
    for one in answers.form.fields:
        value = answers.values.get(one.key, "")
        if one.maps_to is target and value in set(Level):
            return Level(value)
    return None


def _digest(answers: Answers, attached: list[str]) -> bytes:
    told = [answers.form.name, answers.sender.key, sorted(answers.values.items()), sorted(attached)]
    return hashlib.sha256(b"form\x00" + json.dumps(told, ensure_ascii=False).encode()).digest()


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_SUBJECT:
        return text
    cut = text[: LONGEST_SUBJECT - 1]
    head = cut.rpartition(" ")[0] if " " in cut[60:] else cut
    return head.rstrip(" ,.;:—-") + "…"
