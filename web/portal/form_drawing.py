"""How the pages of a form are drawn: the reader's words, what is typed, the frame around it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from channels.webform.form import Form, Kind, said
from channels.webform.nonce import Nonce
from web.look import dates
from web.look.page import Look
from web.portal import form_view
from web.portal.form_view import Shown

LANGUAGES = ("ru", "en")


class FormDrawing:
    """Draws forms with the look of the installation."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def language(self, request: web.Request) -> str:
        """The reader's language."""
        return self.look.reader(request).language

    def say(self, request: web.Request) -> form_view.Say:
        """Phrases in the reader's language; sizes and instants among the facts are put into words."""
        language = self.look.reader(request).language

        def say(key: str, **facts: Any) -> str:
            for name in ("each", "total", "size"):
                if name in facts:
                    facts[name] = dates.size(facts[name], language)
            if isinstance(facts.get("until"), datetime):
                reader = self.look.reader(request)
                facts["until"] = dates.told(facts["until"], "time", zone=reader.zone, now=reader.now, language=language)
            return str(self.look.words.say(key, language, facts).unescape())

        return say

    def page(
        self,
        request: web.Request,
        form: Form,
        shown: Shown,
        status: int = 200,
        *,
        nonce: Nonce,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """A form, empty or as it was sent."""
        language = self.look.reader(request).language
        say = self.say(request)
        return self.look.render(
            request,
            "portal/form.html.j2",
            status,
            frame_ancestors=self.ancestors(request, form),
            headers={**self.headers(request), **(headers or {})},
            form=form.name,
            action=with_embed(request, f"/form/{form.name}"),
            title=said(form.title, language),
            intro=said(form.intro, language),
            nonce=nonce.text,
            work=form.work,
            questions=form_view.questions(form.questions, form, shown, say, language),
            contacts=form_view.questions(form.contacts, form, shown, say, language),
            consents=form_view.questions(form.consents, form, shown, say, language),
            errors=form_view.summary(form, shown, say, language),
            notice=say(f"form.notice.{shown.notice}", **shown.facts) if shown.notice else "",
            notice_do=say(f"form.notice.{shown.notice}.do", **shown.facts) if shown.notice else "",
            files_lost=shown.files_lost,
            has_files=bool(form.of_kind(Kind.FILE)),
            limits=form.files,
            **self.frame(request, form),
        )

    def frame(self, request: web.Request, form: Form) -> dict[str, Any]:
        """What every page of a form has around it."""
        phone = form_view.phone_link(form.phone) if form.phone else ""
        return {"phone": phone, "has_consent": bool(form.consents), "embedded": embedded(request)}

    def ancestors(self, request: web.Request, form: Form) -> tuple[str, ...]:
        """Who may show the page in a frame."""
        return form.origins if embedded(request) else ()

    def headers(self, request: web.Request) -> dict[str, str]:
        """What a page in somebody's frame is sent with."""
        # a site that isolates itself (Cross-Origin-Embedder-Policy) shows only frames that say they may be shown
        return {"Cross-Origin-Resource-Policy": "cross-origin"} if embedded(request) else {}


def embedded(request: web.Request) -> bool:
    """Whether the page stands in a frame of another site."""
    return request.query.get("embed") == "1"


def with_embed(request: web.Request, path: str) -> str:
    """A path that stays in the frame and in the language the address asks for."""
    asked = {name: request.query.get(name, "") for name in ("embed", "lang")}
    kept = [f"{name}={value}" for name, value in asked.items() if value in ("1", *LANGUAGES)]
    return f"{path}?{'&'.join(kept)}" if kept else path
