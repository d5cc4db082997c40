"""The Jinja environment templates run in: a sandbox for one language, its filters, and where sources come from.

A template sees data only, cannot change it, reaches no attribute that begins with an underscore, and fails loudly on a
name nobody gave it (`StrictUndefined`). Only `*.html.j2` is escaped. Jinja's sandbox limits neither time nor memory:
templates are the operator's own files, what comes from outside is never compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from outbound import foreign
from outbound.dates import duration, moment, zone_words
from outbound.typography import bind_template
from outbound.words import known_language, plural, priority_words, status_words

if TYPE_CHECKING:
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

FILTERS = {
    "moment": "an instant as day and time in the recipient's zone: «20 ноября, 14:05»",
    "zone_words": "whose time it is: «время новосибирское»",
    "duration": "a timedelta: «1 ч 20 мин»",
    "plural": "a number with its noun: `n | plural('заявка', 'заявки', 'заявок')`",
    "status_words": "a ticket's status as its author reads it; `status_words('staff')` as we do",
    "priority_words": "a priority: «высокий»",
    "shorten": "at most so many characters: `shorten(120)`",
    "unlinked": "the text with «[ссылка]» in place of links",
    "quoted": "plain text as mail quotes it, `> ` before each line",
    "lines": "several lines in HTML, escaped, with `<br>` between them",
}
"""The filters of ours, beside Jinja's own."""

_LINK = {"ru": "[ссылка]", "en": "[link]"}


def build(language: str, sources: dict[str, Path]) -> ImmutableSandboxedEnvironment:
    """An environment that speaks `language`; `sources` gives the file of each template by its name.

    Errors while reading a file are Jinja's `TemplateNotFound`, so that they are told like all other mistakes.
    """
    from jinja2 import FunctionLoader, StrictUndefined, TemplateNotFound, pass_context
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup, escape

    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        path = sources.get(name)
        if path is None:
            return None
        try:
            source = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateNotFound(name, f"{path} cannot be read as UTF-8: {error}") from error
        return bind_template(foreign.clean(source), language), str(path), lambda: True

    @pass_context
    def moment_here(context: Context, at: datetime) -> str:
        return moment(at, zone=context["zone"], now=context["now"], language=language)

    def lines(text: str) -> Markup:
        return Markup("<br>\n").join(escape(line) for line in text.strip().split("\n"))

    def words_of_status(status: str, audience: str = "author") -> str:
        return status_words(status, language, audience)

    def words_of_priority(priority: str) -> str:
        return priority_words(priority, language)

    def words_of_zone(zone: str) -> str:
        return zone_words(zone, language)

    def words_of_span(span: timedelta) -> str:
        return duration(span, language)

    def number_of(number: int, *forms: str) -> str:
        return plural(number, language, *forms)

    def unlinked(text: str) -> str:
        return foreign.unlinked(text, _LINK[known_language(language)])

    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(load),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["language"] = language
    environment.filters.update(
        moment=moment_here,
        zone_words=words_of_zone,
        duration=words_of_span,
        plural=number_of,
        status_words=words_of_status,
        priority_words=words_of_priority,
        shorten=foreign.shorten,
        unlinked=unlinked,
        quoted=foreign.quoted,
        lines=lines,
    )
    return environment
