"""What the templates of a form are given: every question with its words, value and mistake in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from channels.webform.answers import PREFIX, Held, Mistake
from channels.webform.form import Field, Form, Kind, Target, consent_words, said, version_of

Say = Callable[..., str]
"""`say(key, **facts)`: a phrase in the reader's language, as plain text."""

_AUTOCOMPLETE = {Target.NAME: "name", Target.EMAIL: "email", Target.PHONE: "tel"}
_INPUT = {Kind.EMAIL: "email", Kind.PHONE: "tel", Kind.DATE: "date", Kind.LONG: "textarea"}
_MODES = {Kind.EMAIL: "email", Kind.PHONE: "tel", Kind.NUMBER: "decimal"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A form as it is to be drawn: what was typed, what waits, and what is wrong.

    `notice` is the code of something that is nobody's mistake (`stale`, `quick`, `busy`, …) with its facts.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    held: Sequence[Held] = ()
    mistakes: Sequence[Mistake] = ()
    notice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    files_lost: bool = False


def questions(fields: Sequence[Field], form: Form, shown: Shown, say: Say, language: str) -> list[dict[str, Any]]:
    """Each field as the template draws it."""
    wrong = {mistake.field: mistake for mistake in reversed(shown.mistakes)}
    return [_question(one, form, shown, wrong.get(one.key), say, language) for one in fields]


def summary(form: Form, shown: Shown, say: Say, language: str) -> list[dict[str, str]]:
    """The links of the error summary: `id` of the field and what to do there."""
    found = []
    for mistake in shown.mistakes:
        one = form.field(mistake.field)
        if one is not None:
            # a choice is a group: the link leads to its first box, which can be reached
            place = f"{_id(one)}-1" if one.kind is Kind.CHOICE else _id(one)
            found.append({"id": place, "words": wrong(one, mistake, say, language, short=True)})
    return found


def _question(one: Field, form: Form, shown: Shown, mistake: Mistake | None, say: Say, language: str) -> dict[str, Any]:
    value = shown.values.get(one.key, "")
    optional = "" if one.required else said(one.optional, language) or say("form.optional")
    consent = consent_words(form, one, language) if one.kind is Kind.CONSENT else ""
    version = version_of(consent) if consent else ""
    return {
        "kind": one.kind.value,
        "key": one.key,
        "id": _id(one),
        "name": PREFIX + one.key,
        "label": said(one.label, language),
        "hint": _hint(one, form, say, language),
        "error": wrong(one, mistake, say, language) if mistake else "",
        "optional": optional,
        "required": one.required,
        "value": version if consent else value,
        "checked": bool(consent) and value == version,
        "input": _INPUT.get(one.kind, "text"),
        "mode": _MODES.get(one.kind, ""),
        "autocomplete": _AUTOCOMPLETE.get(one.maps_to, "off"),
        "maxlength": one.max_length,
        "width": "short"
        if one.kind in (Kind.PHONE, Kind.DATE, Kind.NUMBER)
        else "middle"
        if one.is_contact
        else "full",
        "options": [{"value": c.value, "words": said(c.label, language)} for c in one.choices],
        "held": [file for file in shown.held if file.field == one.key],
        "accept": ",".join(f".{suffix}" for suffix in sorted(form.files.kinds)),
    }


def _id(one: Field) -> str:
    return f"field-{one.key}"


def _hint(one: Field, form: Form, say: Say, language: str) -> str:
    own = said(one.hint, language)
    if one.kind is not Kind.FILE:
        return own
    limits = form.files
    told = say("form.files.limits", n=limits.count, total=limits.total)
    kinds = say("form.files.kinds", kinds=", ".join(sorted(limits.kinds))) if limits.kinds else ""
    return " ".join(part for part in (own, told, kinds) if part)


def wrong(one: Field, mistake: Mistake, say: Say, language: str, *, short: bool = False) -> str:
    """A mistake in words; a field's own where there are such, and longer at the field than in the summary."""
    facts = {"label": said(one.label, language), **mistake.facts}
    if "kinds" in facts:
        facts["kinds"] = ", ".join(facts["kinds"])
    code = mistake.code
    if code == "missing":
        own = one.maps_to in (Target.TEXT, Target.NAME, Target.EMAIL, Target.PHONE)
        by_kind = one.kind.value if one.kind in (Kind.CHOICE, Kind.FILE) else "any"
        code = f"missing.{one.maps_to.value if own else by_kind}"
    return say(f"form.error.{code}.short" if short and code in _LONG else f"form.error.{code}", **facts)


def words_of(form: Form, mistake: Mistake, say: Say, language: str) -> str:
    """One mistake in words, as they stand at its field."""
    one = form.field(mistake.field)
    return wrong(one, mistake, say, language) if one is not None else mistake.code


_LONG = frozenset({"no_domain", "no_at", "no_mailbox", "no_dot", "not_agreed"})
"""Mistakes that are told at greater length at the field."""


def phone_link(number: str) -> Markup:
    """A telephone number to be pressed."""
    digits = "".join(c for c in number if c.isdigit() or c == "+")
    return Markup('<a href="tel:{}">{}</a>').format(digits, number.replace(" ", "\u00a0"))
