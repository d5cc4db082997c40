"""Draws pages: the one object through which HTML leaves the program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from aiohttp import web
from markupsafe import Markup

from desk.site import Site
from outbound.words import LANGUAGES
from tickets.clock import Clock
from web.look import dates, toast, words
from web.look.headers import page_headers
from web.look.reader import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Reader, chosen_language, reader_of, remember
from web.look.said import Said
from web.look.static import StaticFiles

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_WEB = Path(__file__).resolve().parents[1]
_NO_LETTERS = str.maketrans('«»"-', "    ")
_KNOWN_ERRORS = frozenset({400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 503})


class Look:
    """Templates, words, files and the reader's taste.

    `counts`, if somebody sets it, gives the numbers beside the sections of staff pages: `queue`, `deliveries`,
    `quarantine`, `spam`. It is asked while a page is drawn and must answer from memory.
    """

    def __init__(self, site: Site, clock: Clock, *, folder: Path = _WEB) -> None:
        self.site = site
        self.clock = clock
        self.counts: Callable[[Reader], Mapping[str, int]] = lambda _reader: {}
        self._folder = folder
        self.words = words.load(folder)
        self.files = StaticFiles(folder / "static")
        self._templates = _environment(folder)
        self._icons: dict[tuple[str, int], Markup] = {}

    @property
    def secure(self) -> bool:
        """Whether the pages are reached by https, so that cookies may insist on it."""
        return self.site.public_url.startswith("https://")

    def reload(self) -> None:
        """Read templates, words and files anew.

        Raises:
            WordsError: the words are not in order; those read before stay.
        """
        self.words, self.files, self._templates = (
            words.load(self._folder),
            StaticFiles(self._folder / "static"),
            _environment(self._folder),
        )
        self._icons = {}

    def routes(self) -> list[web.RouteDef]:
        """Files, and the choice of a theme."""
        return [web.get("/static/{name}", self._file), web.post("/theme", self._choose_theme)]

    def reader(self, request: web.Request) -> Reader:
        """For whom pages of this request are drawn."""
        return reader_of(request, self.site, self.clock.now())

    def say(self, request: web.Request, key: str, **facts: Any) -> str:
        """A phrase in the language of whoever asks, as plain text."""
        return self.words.say(key, self.reader(request).language, facts).unescape()

    def render(
        self,
        request: web.Request,
        template: str,
        status: int = 200,
        *,
        fragment: str = "",
        frame_ancestors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> web.Response:
        """A page, or one block of it where `fragment` names the block htmx asked for."""
        reader = self.reader(request)
        given = self._variables(request, reader)
        source = self._templates.get_template(template)
        # what a page names as it likes must not stand in the way of what parts and frame are made of
        given["parts"] = self._templates.get_template("look/parts.html.j2").make_module(given)
        given["frame"] = given
        variables = {**given, **context}
        variables["toast"] = None if fragment else toast.taken(request, self.words, reader.language)
        body = _block(source, fragment, variables) if fragment else source.render(variables)
        response = web.Response(
            text=body,
            status=status,
            content_type="text/html",
            headers={**page_headers(frame_ancestors), "Content-Language": reader.language, **(headers or {})},
        )
        if variables["toast"] is not None:
            toast.forget(response, secure=self.secure)
        if not reader.visitor and (asked := chosen_language(request)):
            remember(response, LANGUAGE_COOKIE, asked, secure=self.secure)
        return response

    def error(
        self,
        request: web.Request,
        status: int,
        *,
        key: str = "",
        back: str = "",
        incident: str = "",
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> web.Response:
        """The page of an error. It never tells what was asked for: a missing thing and another's look the same."""
        known = status if status in _KNOWN_ERRORS else 400 if status < 500 else 500
        return self.render(
            request,
            "look/error.html.j2",
            status,
            headers=headers,
            code=status,
            name=f"error.{known}",
            key=key,
            back=back if back.startswith("/") and not back.startswith("//") else "",
            incident=incident,
            facts=dict(facts or {}),
        )

    def tell(self, response: web.StreamResponse, key: str, *, undo: str = "", **facts: Any) -> None:
        """Let the next page begin with a toast: `key` with its facts, and what undoes it, a local address to POST to.

        Raises:
            KeyError: there is no such phrase.
        """
        toast.put(response, self.words, key, facts, undo=undo, secure=self.secure)

    async def _file(self, request: web.Request) -> web.Response:
        return await self.files.serve(request)

    async def _choose_theme(self, request: web.Request) -> web.Response:
        # nothing but the look of pages hangs on it; other sites may not change even that
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise web.HTTPForbidden
        form = await request.post()
        theme = str(form.get("theme", ""))
        if theme not in THEMES:
            raise web.HTTPBadRequest
        if request.headers.get("HX-Request") or request.headers.get("X-Requested-With"):
            response = web.Response(status=204)
        else:
            response = web.Response(status=303, headers={"Location": local(str(form.get("next", "/")))})
        remember(response, THEME_COOKIE, theme, secure=self.secure)
        return response

    def _variables(self, request: web.Request, reader: Reader) -> dict[str, Any]:
        language = reader.language
        book = self.words

        def t(key: str, /, **facts: Any) -> Markup:
            return book.say(key, language, facts)

        def date(at: Any, form: str = "default") -> str:
            return dates.told(_aware(at), form, zone=reader.zone, now=reader.now, language=language) if at else ""

        def instant(at: Any, form: str = "default") -> Markup:
            if not at:
                return Markup()
            return dates.element(_aware(at), form, zone=reader.zone, now=reader.now, language=language)

        def left(minutes: float, day: int = 0) -> str:
            return dates.left(minutes, language, day=day)

        def number(value: float, digits: int = 0) -> str:
            return dates.number(value, language, digits)

        def size(count: int) -> str:
            return dates.size(count, language)

        def with_query(**changes: Any) -> str:
            return changed_query(request, changes)

        csrf = reader.visitor.csrf if reader.visitor else ""
        return {
            "t": t,
            "has_words": book.__contains__,
            "said": Said(book, language),
            "date": date,
            "instant": instant,
            "initials": initials,
            "left": left,
            "number": number,
            "size": size,
            "lang": language,
            "languages": LANGUAGES,
            "theme": reader.theme,
            "themes": THEMES,
            "reader": reader,
            "visitor": reader.visitor,
            "may": reader.visitor.may if reader.visitor else (lambda _right: False),
            "now": reader.now,
            "zone": reader.zone,
            "icon": self._icon,
            "static": self.files.address,
            "csrf": csrf,
            "csrf_field": lambda: Markup('<input type="hidden" name="csrf" value="{}">').format(csrf),
            "hx_headers": json.dumps({"X-CSRF-Token": csrf}) if csrf else "{}",
            "here": request.rel_url.raw_path_qs,
            "path": request.path,
            "with_query": with_query,
            "site_name": self.site.name,
            "counts": self.counts(reader) if reader.visitor else {},
        }

    def _icon(self, name: str, label: str = "", size: int = 16) -> Markup:
        if label:
            return self._drawn(name, label, size)
        # a list draws the same few pictures hundreds of times
        known = self._icons.get((name, size))
        if known is None:
            known = self._icons[name, size] = self._drawn(name, "", size)
        return known

    def _drawn(self, name: str, label: str, size: int) -> Markup:
        named = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
        return Markup('<svg class="icon" width="{s}" height="{s}" focusable="false" {named}>{use}</svg>').format(
            s=size, named=named, use=Markup('<use href="{}#{}"/>').format(self.files.address("icons.svg"), name)
        )


def local(address: str, otherwise: str = "/") -> str:
    r"""An address on this site, or `otherwise`: never a way out.

    >>> local("/queue?x=1"), local("//evil.example"), local("https://evil.example"), local("/\\evil.example")
    ('/queue?x=1', '/', '/', '/')
    """
    safe = address.startswith("/") and not address.startswith("//") and "\\" not in address and address.isprintable()
    return quote(address, safe="/?&=%:@!$'()*+,;~-._#[]") if safe else otherwise


@lru_cache(maxsize=1024)
def initials(name: str) -> str:
    """Of a person or a firm, two letters at most.

    >>> initials("Анна-Мария Лебедева"), initials("ООО «Ромашка»"), initials("")
    ('АМ', 'ОР', '')
    """
    words = name.translate(_NO_LETTERS).split()[:2]
    return "".join(word[0].upper() for word in words)


def changed_query(request: web.Request, changes: Mapping[str, Any]) -> str:
    """The address of this page with other parameters; `None` takes one out, a list gives several."""
    kept = [(name, value) for name, value in request.query.items() if name not in changes]
    for name, value in changes.items():
        values = value if isinstance(value, list | tuple) else [] if value is None else [value]
        kept += [(name, str(each)) for each in values]
    return f"{request.rel_url.raw_path}?{urlencode(kept)}" if kept else request.rel_url.raw_path


def _aware(at: Any) -> datetime:
    """An instant that may be written in ISO 8601."""
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _environment(folder: Path) -> Environment:
    return _compiled(folder, tuple(path.stat().st_mtime_ns for path in sorted(folder.glob("*/templates/*"))))


@lru_cache(maxsize=2)
def _compiled(folder: Path, written: tuple[int, ...]) -> Environment:
    """The templates as they were `written`; compiling them takes longer than all else a program does at its start."""
    from jinja2 import FileSystemLoader, PrefixLoader, StrictUndefined

    from web.look.escaping import PageEnvironment

    areas = sorted(path.parent.name for path in folder.glob("*/templates"))
    return PageEnvironment(
        loader=PrefixLoader({area: FileSystemLoader(folder / area / "templates") for area in areas}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=400,
    )


def _block(source: Template, name: str, variables: dict[str, Any]) -> str:
    context = source.new_context(variables)
    # what a template sets or imports at its top its blocks may use: run it up to its first output, which does that
    next(iter(source.root_render_func(context)), None)
    return "".join(context.blocks[name][0](context))
