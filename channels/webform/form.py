"""What a web form is: its fields, its limits, its words in both languages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

Words = Mapping[str, str]
"""One text by language (`ru`, `en`); a language that is missing is spoken for by the other."""


class Kind(StrEnum):
    """How a field is filled in and checked."""

    TEXT = "text"
    LONG = "long"
    CHOICE = "choice"
    PHONE = "phone"
    EMAIL = "email"
    FILE = "file"
    CONSENT = "consent"
    NUMBER = "number"
    DATE = "date"


class Target(StrEnum):
    """What becomes of a field's value: a part of the message, the sender, or how much it hurts (ITIL)."""

    SUBJECT = "subject"
    TEXT = "text"
    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    IMPACT = "impact"
    URGENCY = "urgency"
    EXTRA = "extra"


CONTACT = frozenset({Target.NAME, Target.EMAIL, Target.PHONE})


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of a choice: `value` is sent and kept, `label` is read."""

    value: str
    label: Words


@dataclass(frozen=True, slots=True)
class Field:
    """One question. `optional` replaces the word that stands at a field which may be left empty."""

    key: str
    kind: Kind
    label: Words
    maps_to: Target = Target.EXTRA
    hint: Words = field(default_factory=dict)
    optional: Words = field(default_factory=dict)
    required: bool = True
    choices: tuple[Choice, ...] = ()
    max_length: int = 200

    @property
    def is_contact(self) -> bool:
        """Whether it asks how the writer can be reached; such fields stand last."""
        return self.maps_to in CONTACT


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What may be attached: how many files, octets of each and of all, suffixes without their dot."""

    count: int = 5
    each: int = 25_000_000
    total: int = 25_000_000
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Caps:
    """How many forms are taken within an hour: from one client address, from it without a proof of work, under one
    sender address, by the form in all."""

    client: int = 20
    unproven: int = 3
    sender: int = 10
    form: int = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """One web form. `centre`, `type` and `category` are stated to the router; empty ones are its to decide.

    `work` is how many hashes a proof takes at most (0: none is asked for); `fill_time` the least time a person needs.
    `origins` may show the form in a frame. `consent_text` is the whole text behind the short one a consent shows.
    """

    name: str
    title: Words
    fields: tuple[Field, ...]
    intro: Words = field(default_factory=dict)
    consent_text: Words = field(default_factory=dict)
    centre: str = ""
    type: str = ""
    category: str = ""
    phone: str = ""
    files: FileLimits = FileLimits()
    caps: Caps = Caps()
    origins: tuple[str, ...] = ()
    work: int = 200_000
    fill_time: timedelta = timedelta(seconds=3)
    listed: bool = True

    def field(self, key: str) -> Field | None:
        """The field with a key."""
        return next((one for one in self.fields if one.key == key), None)

    def of_kind(self, kind: Kind) -> tuple[Field, ...]:
        """The fields of a kind, in order."""
        return tuple(one for one in self.fields if one.kind is kind)

    @property
    def questions(self) -> tuple[Field, ...]:
        """What is asked first: everything but how to answer, and agreeing."""
        return tuple(one for one in self.fields if not one.is_contact and one.kind is not Kind.CONSENT)

    @property
    def contacts(self) -> tuple[Field, ...]:
        """How the writer can be reached."""
        return tuple(one for one in self.fields if one.is_contact)

    @property
    def consents(self) -> tuple[Field, ...]:
        """What has to be agreed to."""
        return self.of_kind(Kind.CONSENT)


def said(words: Words, language: str) -> str:
    """A text in a language, else in the other one; empty where there is none.

    >>> said({"ru": "Имя", "en": "Name"}, "en"), said({"ru": "Имя"}, "en"), said({}, "ru")
    ('Name', 'Имя', '')
    """
    return words.get(language) or next(iter(words.values()), "")


def consent_words(form: Form, one: Field, language: str) -> str:
    """Everything a person agrees to by ticking a consent: what stands at the box, then the whole text behind it."""
    whole = said(form.consent_text, language)
    label = said(one.label, language)
    return f"{label}\n\n{whole}" if whole else label


def version_of(text: str) -> str:
    """The version of a consent: the beginning of its text's SHA-256. Another wording is another version.

    >>> version_of("Согласен")
    'be952c9e0dc57328'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _both(ru: str, en: str) -> Words:
    return {"ru": ru, "en": en}


SUPPORT = Form(
    name="support",
    title=_both("Сообщить о неисправности", "Report a problem"),
    intro=_both(
        "Расскажите, что случилось. Ответим и пришлём ссылку, по которой видно ход работ.",
        "Tell us what happened. We answer and send a link that shows how the work goes.",
    ),
    consent_text=_both(
        "Имя, почта и телефон нужны, чтобы ответить на заявку и решить её. Их видят только сотрудники, которые над ней "
        "работают. Мы не передаём их другим и не пишем ни о чём, кроме заявки. Отозвать согласие можно в любой момент: "
        "напишите об этом в ответ на любое наше письмо.",
        "We need your name, e-mail and telephone number to answer this request and to solve it. Only the staff who "
        "work on it see them. We pass them to nobody and write about nothing else. You can withdraw your consent at "
        "any time: say so in answer to any mail of ours.",
    ),
    fields=(
        Field(
            "hinder",
            Kind.CHOICE,
            _both("Насколько это мешает работе", "How much does it get in the way"),
            Target.URGENCY,
            choices=(
                Choice("high", _both("Работать нельзя совсем", "We cannot work at all")),
                Choice("medium", _both("Работать можно, но с трудом", "We can work, with difficulty")),
                Choice("low", _both("Не мешает: вопрос или просьба", "It does not: a question or a request")),
            ),
        ),
        Field(
            "what",
            Kind.LONG,
            _both("Что случилось", "What happened"),
            Target.TEXT,
            hint=_both("Что делали, что увидели, какая ошибка на экране", "What you did, what you saw, any error"),
            max_length=20_000,
        ),
        Field(
            "place",
            Kind.TEXT,
            _both("Место и оборудование", "Place and equipment"),
            optional=_both("если знаете", "if you know"),
            required=False,
        ),
        Field("files", Kind.FILE, _both("Фото или документы", "Photos or documents"), required=False),
        Field("name", Kind.TEXT, _both("Имя", "Name"), Target.NAME, max_length=120),
        Field("email", Kind.EMAIL, _both("Электронная почта", "E-mail"), Target.EMAIL, max_length=254),
        Field("phone", Kind.PHONE, _both("Телефон", "Telephone"), Target.PHONE, required=False, max_length=40),
        Field(
            "consent",
            Kind.CONSENT,
            _both(
                "Согласие на обработку персональных данных: имя, почта и телефон нужны, чтобы решить заявку.",
                "I agree that my name, e-mail and telephone number are used to solve this request.",
            ),
        ),
    ),
)
"""The form every installation has."""
