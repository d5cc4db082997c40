"""Settings of web forms: what is asked, what may be attached, how often a form is taken, who may show it in a frame."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from channels.webform.form import SUPPORT, Caps, Choice, FileLimits, Form, Kind, Target
from channels.webform.form import Field as FormField
from gateway.settings_section import Section
from gateway.settings_values import Duration, Size
from tickets.priority import Level

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")
_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TAKEN = frozenset({"page"})
"""What authors send from the pages of their tickets goes by this name."""
_SUFFIX = re.compile(r"[a-z0-9]{1,10}")
_LENGTHS = {Kind.LONG: 20_000, Kind.EMAIL: 254, Kind.PHONE: 40}


def _words(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {"ru": value, "en": value} if value else {}
    if isinstance(value, Mapping) and set(value) <= {"ru", "en"} and all(isinstance(t, str) for t in value.values()):
        return {language: text for language, text in value.items() if text}
    raise ValueError('a text, or one in each language such as { ru = "Имя", en = "Name" }')


def _key(value: Any) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError('a name of small Latin letters, digits and _, a letter first, such as "serial_number"')
    return value


def _origin(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("https", "http") or not _HOST.fullmatch(parts.netloc):
        raise ValueError('an origin such as "https://www.example.ru"')
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError('an origin without a path, such as "https://www.example.ru"')
    return f"{parts.scheme}://{parts.netloc}".lower()


def _suffix(value: Any) -> str:
    text = value.removeprefix(".").casefold() if isinstance(value, str) else ""
    if not _SUFFIX.fullmatch(text):
        raise ValueError('the ending of a file name such as "pdf"')
    return text


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("a text of one line")
    return value


def _form_name(value: Any) -> str:
    if not isinstance(value, str) or not _FORM.fullmatch(value) or value in _TAKEN:
        raise ValueError('names of forms in small Latin letters, digits and hyphens, such as "support", but not "page"')
    return value


def _choice(value: Any) -> Any:
    return {"value": value, "label": value} if isinstance(value, str) else value


Words = Annotated[dict[str, str], PlainValidator(_words)]
Key = Annotated[str, PlainValidator(_key)]
Origin = Annotated[str, PlainValidator(_origin)]
Suffix = Annotated[str, PlainValidator(_suffix)]
Line = Annotated[str, BeforeValidator(_line)]
FormName = Annotated[str, PlainValidator(_form_name)]


class ChoiceSection(Section):
    """One answer of a choice; a plain text is both value and label."""

    value: Line = Field(..., min_length=1, max_length=200, description="What is sent and kept.")
    label: Words = Field({}, description="What is read; the value when empty.", validate_default=False)


class FieldSection(Section):
    """One question. They stand in this order, but those that ask for the sender come last."""

    key: Key = Field(..., description="Its name in letters and digits, once in a form.")
    kind: Kind = Field(
        Kind.TEXT,
        description="`text`, `long` (several lines), `choice`, `phone`, `email`, `file`, `consent`, `number`, `date`.",
    )
    label: Words = Field(..., description="The question.")
    hint: Words = Field({}, description="A line of help below it.")
    optional: Words = Field({}, description="What stands at a field that may be left empty instead of that word.")
    required: bool = Field(True, description="Whether it has to be filled in.")
    maps_to: Target | Literal[""] = Field(
        "",
        description="What becomes of it: `subject`, `text`, `name`, `email`, `phone`, `impact`, `urgency` (both with "
        "choices `high`, `medium`, `low`), or `extra`: a line of the text. By its kind when empty.",
    )
    choices: list[Annotated[ChoiceSection, BeforeValidator(_choice)]] = Field(
        [], description='Answers of a `choice`, as `[{ value = "high", label = { ru = "…", en = "…" } }]` or texts.'
    )
    max_length: int = Field(0, ge=0, le=100_000, description="Most characters; by its kind when 0.")

    @property
    def target(self) -> Target:
        """What becomes of it."""
        by_kind = {Kind.EMAIL: Target.EMAIL, Kind.PHONE: Target.PHONE}
        return Target(self.maps_to) if self.maps_to else by_kind.get(self.kind, Target.EXTRA)

    @model_validator(mode="after")
    def _sound(self) -> FieldSection:
        if not self.label:
            raise ValueError(f"a label for the field {self.key!r}")
        if (self.kind is Kind.CHOICE) != bool(self.choices):
            raise ValueError(f"choices for a field of the kind choice and for no other ({self.key!r} is not so)")
        values = [choice.value for choice in self.choices]
        if len(set(values)) != len(values):
            raise ValueError(f"choices of {self.key!r} with values of their own, no two alike")
        if self.target in (Target.IMPACT, Target.URGENCY) and not set(values) <= set(Level) | {""}:
            raise ValueError(f"choices high, medium and low, because {self.key!r} maps to {self.target}")
        if self.target in (Target.IMPACT, Target.URGENCY) and self.kind is not Kind.CHOICE:
            raise ValueError(f"the kind choice, because {self.key!r} maps to {self.target}")
        wanted = {Target.EMAIL: Kind.EMAIL, Target.PHONE: Kind.PHONE}.get(self.target)
        if wanted is not None and self.kind is not wanted:
            raise ValueError(f"the kind {wanted}, because {self.key!r} maps to {self.target}")
        if self.kind in (Kind.FILE, Kind.CONSENT) and self.target is not Target.EXTRA:
            raise ValueError(f"no maps_to for {self.key!r}, which is of the kind {self.kind}")
        return self

    def field(self) -> FormField:
        """As the form has it."""
        return FormField(
            key=self.key,
            kind=self.kind,
            label=self.label,
            maps_to=self.target,
            hint=self.hint,
            optional=self.optional,
            required=self.required,
            choices=tuple(Choice(c.value, c.label or {"ru": c.value, "en": c.value}) for c in self.choices),
            max_length=self.max_length or _LENGTHS.get(self.kind, 200),
        )


class FilesSection(Section):
    """What may be attached to a form."""

    count: int = Field(5, ge=1, le=50, description="Most files.")
    each: Size = Field(25_000_000, description="Largest file.")
    total: Size = Field(25_000_000, description="All of them together.")
    kinds: list[Suffix] = Field(
        [], description='Endings of file names that are taken, as `["jpg", "pdf"]`; all but programs when empty.'
    )


class CapsSection(Section):
    """How many forms are taken within an hour."""

    client: int = Field(20, ge=1, description="From one client address; of IPv6 a /64 counts as one.")
    unproven: int = Field(3, ge=0, description="Of these without a proof of work, as browsers without scripts send.")
    sender: int = Field(10, ge=1, description="Under one mail address or telephone number.")
    form: int = Field(1000, ge=1, description="By this form in all.")


class FormSection(Section):
    """A web form of one's own name, at `/form/NAME`; there is one, `support`, until you write your own."""

    title: Words = Field({}, description="Its heading; that of the form that is there already when empty.")
    intro: Words = Field({}, description="A line below the heading.")
    centre: Line = Field("", max_length=40, description="Code of the centre its tickets go to; by the router if empty.")
    type: Line = Field("", max_length=40, description="Type of its tickets, as `incident`; by the router if empty.")
    category: Line = Field("", max_length=80, description="Category of its tickets; by the router if empty.")
    phone: Line = Field("", max_length=40, description="A telephone number to call where a form is too slow.")
    field: list[FieldSection] = Field(
        [], max_length=60, description="What is asked, see below; the usual questions when empty."
    )
    consent_text: Words = Field(
        {}, description="The whole text behind the short one a `consent` shows; a line of it is a paragraph."
    )
    files: FilesSection = Field(FilesSection(), description="What may be attached, see below.")
    caps: CapsSection = Field(CapsSection(), description="How often it is taken, see below.")
    origins: list[Origin] = Field(
        [], description='Sites that may show it in a frame, as `["https://www.example.ru"]`; none when empty.'
    )
    work: int = Field(
        200_000, ge=0, le=50_000_000, description="Hashes a proof of work takes at most; 0 asks for none."
    )
    fill_time: Duration = Field(timedelta(seconds=3), description="Least time a person needs to fill it in.")
    listed: bool = Field(True, description="Whether `/form` names it.")

    @model_validator(mode="after")
    def _answerable(self) -> FormSection:
        if not self.field:
            return self
        keys = [one.key for one in self.field]
        double = next((key for key in keys if keys.count(key) > 1), None)
        if double is not None:
            raise ValueError(f"fields with keys of their own ({double!r} is there twice)")
        targets = [one.target for one in self.field]
        for target in (Target.SUBJECT, Target.TEXT, Target.NAME, Target.EMAIL, Target.PHONE, Target.IMPACT,
                       Target.URGENCY):  # fmt: skip
            if targets.count(target) > 1:
                raise ValueError(f"one field at most that maps to {target}")
        if Target.TEXT not in targets and Target.SUBJECT not in targets:
            raise ValueError('a field with maps_to = "text" or "subject": what is it about?')
        if Target.EMAIL not in targets and Target.PHONE not in targets:
            raise ValueError("a field of the kind email or phone: nobody could be answered")
        return self

    def form(self, name: str) -> Form:
        """As the channel takes it; what is not set is that of the usual form."""
        return Form(
            name=name,
            title=self.title or SUPPORT.title,
            fields=tuple(one.field() for one in self.field) or SUPPORT.fields,
            intro=self.intro or ({} if self.title else SUPPORT.intro),
            consent_text=self.consent_text or ({} if self.field else SUPPORT.consent_text),
            centre=self.centre,
            type=self.type,
            category=self.category,
            phone=self.phone,
            files=FileLimits(self.files.count, self.files.each, self.files.total, frozenset(self.files.kinds)),
            caps=Caps(self.caps.client, self.caps.unproven, self.caps.sender, self.caps.form),
            origins=tuple(self.origins),
            work=self.work,
            fill_time=self.fill_time,
            listed=self.listed,
        )


class FormsSection(Section):
    """What all web forms share."""

    per_hour: int = Field(5000, ge=1, description="Forms taken within an hour in all, by this process.")
    memory: Size = Field(256_000_000, description="Memory all unfinished forms together may take; then 503.")
    parked: Size = Field(1_000_000_000, description="Room for files of forms that are not sent yet.")
    parked_by_client: Size = Field(200_000_000, description="Of that for one client address within an hour.")
