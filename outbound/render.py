"""Turns an event into what a person reads: subject, plain text and HTML, from templates.

A text is three files in a folder of its own, `subject.j2`, `email.txt.j2` and `email.html.j2`:

    [<customer>/|<centre>/]<language>/<event>/<file>

`customer` and `centre` are codes, `event` is a value of `tickets.event.Event`. The operator's folder lies over the
shipped one. Each file is looked for by itself, in the recipient's language first and in Russian after it; within a
language the customer's wins, then the centre's, then the plain one. Every other `*.j2` file is a part to be extended,
included or imported: `layout.html.j2`, `ru/staff.txt.j2`.

What every template may use (all keys are always there; "" or None where nothing is known):

    ticket.number          "NSK-26-000123"
    ticket.subject         as the author wrote it
    ticket.text            the author's first message; may have several lines
    ticket.status          a value of tickets.status.Status: `{{ ticket.status | status_words }}`
    ticket.type            "incident", "request", ...
    ticket.priority        a value of tickets.priority.Priority: `{{ ticket.priority | priority_words }}`
    ticket.centre_name, ticket.customer_name, ticket.contact_name, ticket.assignee_name
    ticket.respond_by, ticket.resolve_by     instants or None: `{{ ticket.respond_by | moment }}`
    ticket.created_at      instant
    ticket.close_at        when a solved ticket closes by itself, or None: `{{ ticket.close_at | moment }}`
    ticket.url             the page of the ticket for this recipient; portal_link: the one-time link
    event.old, event.new   status_changed, resolved, closed: the statuses; deadline_*: `new` is "respond" or "resolve"
    event.comment          what was said on the occasion: an answer, a question, a cause; may have several lines
    event.author           who said or did it, by name
    event.reasons          why it was decided so, a list of sentences in the recipient's language
    recipient.name         recipient.role (tickets.event.Role), recipient.language
    site.name, site.url    site.signature may have several lines
    zone                   IANA name of the zone in which times are told; `{{ zone | zone_words }}`
    now                    instant of the occasion
    language               the language of the template in use

Strings are data: they are never compiled, lose control characters on the way in, and are one line but for the three
marked above. Filters of ours are listed in `outbound.environment.FILTERS`.

A text of the operator's that fails is replaced by the shipped one, and `Rendered.problem` says so: a slip in a template
must not silence the desk.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outbound import foreign
from outbound.environment import build
from outbound.sample import sample_context, sample_contexts
from tickets.event import Event, Role

if TYPE_CHECKING:
    from jinja2 import Environment, Template

SHIPPED = Path(__file__).resolve().parent.parent / "templates"
"""The texts that come with Otklik."""

EVENTS = tuple(event.value for event in Event)
"""Every event that has a folder of texts."""

SUBJECT, TEXT, HTML = PARTS = ("subject.j2", "email.txt.j2", "email.html.j2")

SUBJECT_LIMIT = 200
TEXT_LIMIT = 100_000
"""Characters. A longer HTML part is left out whole: half a document helps nobody, and the text part says the same."""

_BLANK_LINES = re.compile(r"\n{3,}")
_SEVERAL_LINES = frozenset({"text", "comment", "signature"})
_FALLBACK_LANGUAGE = "ru"
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes out. `language` is the one it was found in; `problem` what is wrong with the operator's own text."""

    subject: str
    text: str
    html: str
    language: str = _FALLBACK_LANGUAGE
    problem: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A mistake in a template: file, line (0: the file as a whole), and what is wrong."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


class RenderFailed(Exception):
    """There is no text for the event, or the one there is cannot be rendered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def text_of(event: str, role: str) -> str:
    """The folder of texts for an event told to somebody in a role: staff never read what is worded for the author.

    >>> text_of("public_comment", "assignee"), text_of("public_comment", "author")
    ('author_replied', 'public_comment')
    """
    comment = event == Event.PUBLIC_COMMENT and role not in (Role.AUTHOR, Role.PARTICIPANT)
    return Event.AUTHOR_REPLIED.value if comment else str(event)


class Renderer:
    """Renders texts from the shipped templates and, over them, those in `folder`.

    `zone` is used where a context names none. Templates are compiled once, when first used; `reload` forgets them.

    Raises:
        NotADirectoryError: `folder` is given and is no folder.
    """

    def __init__(self, folder: Path | None = None, *, zone: str = "Europe/Moscow") -> None:
        if folder is not None and not folder.is_dir():
            raise NotADirectoryError(f"the folder of templates {folder} does not exist")
        self._folder = folder
        self._zone = zone
        self.reload()

    def reload(self) -> None:
        """Look at the folders anew."""
        shipped = _find(SHIPPED)
        self._shipped = _Shelf(shipped)
        self._shelf = _Shelf(shipped | _find(self._folder)) if self._folder else self._shipped

    def render(
        self,
        event: str,
        *,
        language: str,
        context: Mapping[str, Any],
        centre: str = "",
        customer: str = "",
    ) -> Rendered:
        """The text about `event` in the recipient's language, from the nearest templates.

        Raises:
            RenderFailed: no template at all, or a shipped one does not fit the context.
        """
        variables = {"zone": self._zone} | _cleaned(context)
        try:
            return self._shelf.render(event, _languages(language), _scopes(customer, centre), variables)
        except RenderFailed as failed:
            if self._shelf is self._shipped:
                raise
            rendered = self._shipped.render(event, _languages(language), ("",), variables)
            return Rendered(rendered.subject, rendered.text, rendered.html, rendered.language, str(failed))

    def preview(self, event: str, language: str = "ru", *, centre: str = "", customer: str = "") -> Rendered:
        """The text about `event` for the sample ticket.

        Raises:
            RenderFailed: as `render` does, and also where `render` would fall back to a shipped text.
        """
        variables = _cleaned(sample_context(event, language))
        return self._shelf.render(event, _languages(language), _scopes(customer, centre), variables)

    def found(self) -> dict[str, Path]:
        """Every template by name, with the file that is used for it."""
        return dict(sorted(self._shelf.sources.items()))

    def check(self, codes: Collection[str] | None = None) -> list[Problem]:
        """Everything wrong with any template, tried on sample tickets; `codes` are the centres and customers there are.

        Files nobody would ever look for are problems too: a misspelt event, part or code.
        """
        problems: set[Problem] = set()
        for name, path in self._shelf.sources.items():
            place = _Place.of(name)
            if place is None:
                problems.update(self._shelf.compile_problem(name))
                continue
            misplaced = place.misplaced(codes)
            if misplaced:
                problems.add(Problem(str(path), 0, misplaced))
                continue
            if place.file != SUBJECT and not path.is_relative_to(SHIPPED) and self._shelf.lonely(name):
                problems.add(Problem(str(path), 0, f"{TEXT} and {HTML} must say the same: put both into this folder"))
            for context in sample_contexts(place.event, place.language):
                problems.update(self._shelf.try_out(name, place, _cleaned(context)))
        return sorted(problems)


@dataclass(frozen=True, slots=True)
class _Place:
    """What the name of a leaf template says: `[<scope>/]<language>/<event>/<file>`."""

    scope: str
    language: str
    event: str
    file: str

    @classmethod
    def of(cls, name: str) -> _Place | None:
        """None for the name of a part that others extend or include."""
        pieces = name.split("/")
        if len(pieces) not in (3, 4) or not re.fullmatch(r"[a-z]{2}", pieces[-3]):
            return None
        return cls(pieces[0] if len(pieces) == 4 else "", *pieces[-3:])

    def misplaced(self, codes: Collection[str] | None) -> str:
        if self.event not in EVENTS:
            return f"there is no event {self.event!r}; known: {', '.join(EVENTS)}"
        if self.file not in PARTS:
            return f"{self.file} is never used; a text is made of {', '.join(PARTS)}"
        if self.scope and codes is not None and self.scope not in codes:
            return f"there is no centre and no customer with the code {self.scope!r}"
        return ""


class _Shelf:
    """The templates of one set of files, compiled as they are needed."""

    def __init__(self, sources: dict[str, Path]) -> None:
        self.sources = sources
        self._environments: dict[str, Environment] = {}
        self._chosen: dict[tuple[str, tuple[str, ...], tuple[str, ...]], tuple[tuple[str, Template], ...]] = {}

    def render(
        self, event: str, languages: tuple[str, ...], scopes: tuple[str, ...], variables: dict[str, Any]
    ) -> Rendered:
        key = (event, languages, scopes)
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = tuple(self._choose(event, part, languages, scopes) for part in PARTS)
            if len(self._chosen) >= _REMEMBERED:
                self._chosen.clear()
            self._chosen[key] = chosen
        (language, subject), (_, text), (_, html) = chosen
        return Rendered(
            subject=foreign.shorten(foreign.one_line(self._fill(subject, variables, TEXT_LIMIT)), SUBJECT_LIMIT),
            text=_plain(self._fill(text, variables, TEXT_LIMIT)),
            html=_whole(self._fill(html, variables, TEXT_LIMIT)),
            language=language,
        )

    def compile_problem(self, name: str) -> list[Problem]:
        try:
            self._compile(name, _language_in(name))
        except RenderFailed as failed:
            return [failed.problem]
        return []

    def lonely(self, name: str) -> bool:
        """Whether the other body comes from another folder than this one, or from nowhere."""
        path = self.sources[name]
        folder = name.rpartition("/")[0]
        return any(self.sources.get(f"{folder}/{body}") != path.with_name(body) for body in (TEXT, HTML))

    def try_out(self, name: str, place: _Place, variables: dict[str, Any]) -> list[Problem]:
        try:
            output = self._fill(self._compile(name, place.language), variables, TEXT_LIMIT)
        except RenderFailed as failed:
            return [failed.problem]
        if not output.strip():
            return [Problem(str(self.sources[name]), 0, "it comes out empty")]
        if len(output) > TEXT_LIMIT:
            return [Problem(str(self.sources[name]), 0, f"it comes out longer than {TEXT_LIMIT} characters")]
        return []

    def _choose(
        self, event: str, part: str, languages: tuple[str, ...], scopes: tuple[str, ...]
    ) -> tuple[str, Template]:
        for language in languages:
            for scope in scopes:
                name = f"{scope}/{language}/{event}/{part}" if scope else f"{language}/{event}/{part}"
                if name in self.sources:
                    return language, self._compile(name, language)
        raise RenderFailed(Problem(f"{languages[0]}/{event}/{part}", 0, "there is no such template"))

    def _compile(self, name: str, language: str) -> Template:
        from jinja2 import TemplateError

        environment = self._environments.get(language)
        if environment is None:
            environment = self._environments[language] = build(language, self.sources)
        try:
            return environment.get_template(name)
        except (TemplateError, RecursionError) as error:
            raise RenderFailed(self._problem(name, error)) from error

    def _fill(self, template: Template, variables: dict[str, Any], limit: int) -> str:
        """The output of a template, given up soon after `limit` characters."""
        pieces: list[str] = []
        length = 0
        try:
            for piece in template.root_render_func(template.new_context(variables)):
                pieces.append(piece)
                length += len(piece)
                if length > limit:
                    break
        except Exception as error:
            raise RenderFailed(self._problem(template.name or "", error)) from error
        return "".join(pieces)

    def _problem(self, name: str, error: Exception) -> Problem:
        """Where in the templates an error happened: its own place, else the innermost frame that is a template's."""
        from jinja2 import TemplateSyntaxError

        path, line = str(self.sources.get(name, name)), 0
        if isinstance(error, TemplateSyntaxError):
            return Problem(error.filename or path, error.lineno, error.message or "syntax error")
        trace = error.__traceback__
        while trace is not None:
            template = trace.tb_frame.f_globals.get("__jinja_template__")
            if template is not None:
                path, line = template.filename, template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return Problem(path, line, str(error) or type(error).__name__)


def _find(folder: Path) -> dict[str, Path]:
    """Template files by name, their path below `folder` with forward slashes."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.j2")) if path.is_file()}


def _languages(language: str) -> tuple[str, ...]:
    primary = language.replace("_", "-").partition("-")[0].lower()
    return (primary, _FALLBACK_LANGUAGE) if primary not in ("", _FALLBACK_LANGUAGE) else (_FALLBACK_LANGUAGE,)


def _scopes(customer: str, centre: str) -> tuple[str, ...]:
    """The nearest first; the plain texts, which have no scope, last."""
    return (*(code for code in (customer, centre) if code), "")


def _language_in(name: str) -> str:
    return next((piece for piece in name.split("/")[:-1] if re.fullmatch(r"[a-z]{2}", piece)), _FALLBACK_LANGUAGE)


def _cleaned(context: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the context in which every string is clean, and one line unless its key may have several."""
    return {key: _clean_value(key, value) for key, value in context.items()}


def _clean_value(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return foreign.clean(str(value)) if key in _SEVERAL_LINES else foreign.one_line(str(value))
    if isinstance(value, Mapping):
        return {name: _clean_value(name, item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean_value(key, item) for item in value]
    return value


def _plain(text: str) -> str:
    """Paragraphs one blank line apart, within the limit, ending in a newline."""
    return foreign.shorten(_BLANK_LINES.sub("\n\n", text).strip("\n"), TEXT_LIMIT) + "\n"


def _whole(html: str) -> str:
    return html.strip() + "\n" if len(html) <= TEXT_LIMIT else ""
