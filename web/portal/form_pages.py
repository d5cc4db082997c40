"""The pages of web forms: shown, sent, received. They work without scripts; scripts make them quicker."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from channels.webform.form import Form, consent_words, said, version_of
from channels.webform.nonce import BadNonce, Nonces
from channels.webform.proof import Proofs
from desk.forms import Forms
from outbound.dates import zone_words
from tickets.clock import Clock
from web.look import dates
from web.look.page import Look
from web.look.refusal import Refusal
from web.portal.form_drawing import FormDrawing
from web.portal.form_sending import FormLimits, FormSending
from web.portal.form_view import Shown


class FormPages:
    """The handlers of `/form`. `forms` are the installation's, by name; `key` signs what goes out and comes back."""

    def __init__(
        self, forms: Mapping[str, Form], desk: Forms, look: Look, clock: Clock, key: bytes, limits: FormLimits
    ) -> None:
        self.forms = dict(forms)
        self._desk = desk
        self._look = look
        self._clock = clock
        self._nonces = Nonces(key)
        self._proofs = Proofs(key)
        self._drawing = FormDrawing(look)
        self._sending = FormSending(desk, self._drawing, clock, self._nonces, self._proofs, limits)

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each page."""
        return [
            web.get("/form", self.index),
            web.get("/form/{name}", self.show),
            web.post("/form/{name}", self.send),
            web.get("/form/{name}/challenge", self.challenge),
            web.get("/form/{name}/consent", self.consent),
            web.post("/form/{name}/files", self.park),
            web.post("/form/{name}/files/{id}/drop", self.drop),
            web.get("/form/{name}/done/{receipt}", self.done),
            web.get("/form/{name}/kept", self.kept),
        ]

    # ---- showing --------------------------------------------------------------------------------------------------

    async def index(self, request: web.Request) -> web.Response:
        """The only form there is, or a list of them."""
        listed = [form for form in self.forms.values() if form.listed]
        if len(listed) == 1:
            return self._empty(request, listed[0])
        language = self._look.reader(request).language
        found = [
            {"href": f"/form/{one.name}", "title": said(one.title, language), "intro": said(one.intro, language)}
            for one in listed
        ]
        return self._look.render(request, "portal/form_list.html.j2", found=found)

    async def show(self, request: web.Request) -> web.Response:
        """One form, empty."""
        return self._empty(request, self._form(request))

    async def challenge(self, request: web.Request) -> web.Response:
        """A task for the proof of work, for the form opened under `?nonce=`, else for a new one."""
        form = self._form(request)
        now = self._clock.now()
        try:
            nonce = self._nonces.read(form.name, request.query.get("nonce", ""))
        except BadNonce:
            nonce = self._nonces.make(form.name, now)
        document = {"nonce": nonce.text, **self._proofs.challenge(nonce.id, form.work, now)}
        return web.json_response(document, headers={"Cache-Control": "no-store"})

    async def consent(self, request: web.Request) -> web.Response:
        """The whole text of what a form asks consent to."""
        form = self._form(request)
        language = self._look.reader(request).language
        texts = [consent_words(form, one, language) for one in form.consents]
        whole = [{"lines": text.split("\n"), "version": version_of(text)} for text in texts]
        return self._look.render(request, "portal/form_consent.html.j2", form=form.name, texts=whole)

    # ---- sending --------------------------------------------------------------------------------------------------

    async def send(self, request: web.Request) -> web.Response:
        """Take a form: 303 to its receipt, or the form again with everything that was typed."""
        return await self._sending.send(request, self._form(request))

    async def park(self, request: web.Request) -> web.Response:
        """Take one file of an opened form ahead of it."""
        return await self._sending.park(request, self._form(request))

    async def drop(self, request: web.Request) -> web.Response:
        """Forget a file of an opened form."""
        return await self._sending.drop(request, self._form(request))

    # ---- afterwards -----------------------------------------------------------------------------------------------

    async def done(self, request: web.Request) -> web.Response:
        """The receipt: number, link, what happens next."""
        form = self._form(request)
        receipt = await self._desk.receipt(form.name, request.match_info["receipt"])
        if receipt is None:
            raise Refusal(404, "form.gone", back=f"/form/{form.name}")
        reader = self._look.reader(request)
        base = self._look.site.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
        return self._look.render(
            request,
            "portal/form_done.html.j2",
            frame_ancestors=self._drawing.ancestors(request, form),
            headers=self._drawing.headers(request),
            form=form.name,
            receipt=receipt,
            link=f"{base}{receipt.page}" if receipt.page else "",
            zone_words=zone_words(receipt.zone, reader.language),
            at=lambda when: dates.told(when, "default", zone=receipt.zone, now=reader.now, language=reader.language),
            **self._drawing.frame(request, form),
        )

    async def kept(self, request: web.Request) -> web.Response:
        """A form that is kept for a person to look at."""
        form = self._form(request)
        return self._look.render(
            request,
            "portal/form_kept.html.j2",
            frame_ancestors=self._drawing.ancestors(request, form),
            headers=self._drawing.headers(request),
            form=form.name,
            **self._drawing.frame(request, form),
        )

    def _form(self, request: web.Request) -> Form:
        form = self.forms.get(request.match_info["name"])
        if form is None:
            raise Refusal(404)
        return form

    def _empty(self, request: web.Request, form: Form) -> web.Response:
        return self._drawing.page(request, form, Shown(), nonce=self._nonces.make(form.name, self._clock.now()))
