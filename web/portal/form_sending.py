"""Taking forms: what is sent is judged, guarded, taken in, or shown again with everything that was typed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from channels.base import NotAcceptedNow
from channels.webform import files
from channels.webform.answers import PREFIX, Answers, Held, Sent, check, sort
from channels.webform.caps import Counts, Full, client_of
from channels.webform.form import Form, Kind
from channels.webform.message import Statement, envelope_of, message_of, statement_of, unreadable
from channels.webform.multipart import NotAForm, Part, joined, parts
from channels.webform.nonce import BadNonce, Nonce, Nonces
from channels.webform.proof import Proof, Proofs
from channels.webform.stream import FarTooLarge
from desk.forms import Forms, NoRoom
from desk.intake import DifferentContent
from storage.errors import StorageError
from tickets.clock import Clock
from web.look.refusal import Refusal
from web.portal import form_body, form_view
from web.portal.form_drawing import LANGUAGES, FormDrawing, with_embed
from web.portal.form_view import Shown

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FormLimits:
    """What all forms share: forms an hour, memory for those arriving, octets a client may park within an hour."""

    per_hour: int = 5000
    memory: int = 256_000_000
    parked_by_client: int = 200_000_000


class FormSending:
    """The handlers that take something."""

    def __init__(
        self, desk: Forms, drawing: FormDrawing, clock: Clock, nonces: Nonces, proofs: Proofs, limits: FormLimits
    ) -> None:
        self._desk = desk
        self._drawing = drawing
        self._clock = clock
        self._nonces = nonces
        self._proofs = proofs
        self._limits = limits
        self._memory = form_body.Memory(limits.memory)
        self._counts = Counts()
        self._parked = Counts()

    async def send(self, request: web.Request, form: Form) -> web.Response:
        """Take a form: 303 to its receipt, or the form again with everything that was typed."""
        raw, sent = await self._read(request, form)
        language = sent.language if sent.language in LANGUAGES else self._drawing.language(request)
        now = self._clock.now()
        client = client_of(request.remote or "")
        try:
            nonce = self._nonces.read(form.name, sent.nonce)
        except BadNonce:
            nonce = None
        held, lost = await self._held(nonce, sent)
        answers = check(form, sent, held, language)
        if nonce is None or nonce.is_over(now):
            return await self._again(request, form, sent, answers, nonce, 422, notice="stale", lost=lost, renew=True)
        proof = self._proofs.check(sent.proof, nonce.id, now) if form.work else Proof.GOOD
        refused = "proof" if proof in (Proof.WRONG, Proof.EXPIRED) else ""
        if not refused and now - nonce.made_at < form.fill_time:
            refused = "quick"
        if (refused or answers.mistakes or lost) and await self._was_sent(form, nonce):
            return self._receipt(request, form, nonce)
        if answers.mistakes or lost or refused:
            notice = "" if answers.mistakes else refused or "files"
            return await self._again(request, form, sent, answers, nonce, 422, notice=notice, lost=lost)
        caps = self._caps(form, client, answers, proof)
        full = self._counts.full(caps, now)
        if full is not None:
            if await self._was_sent(form, nonce):
                return self._receipt(request, form, nonce)
            log.info("form_cap_reached", form=form.name, cap=full.name)
            return await self._again(request, form, sent, answers, nonce, 429, notice="many", full=full)
        return await self._take(request, form, raw, sent, answers, nonce, proof, caps)

    async def _take(
        self,
        request: web.Request,
        form: Form,
        raw: bytes,
        sent: Sent,
        answers: Answers,
        nonce: Nonce,
        proof: Proof,
        caps: dict[str, int],
    ) -> web.Response:
        now = self._clock.now()
        envelope = envelope_of(
            form, nonce, peer=request.remote or "", language=answers.language, proof=proof, trapped=sent.trapped
        )
        attached = sent.files
        try:
            if answers.held:
                waiting = await self._desk.held_bytes(nonce.id, answers.held)
                raw = joined(raw, [(PREFIX + key, name, kind, data) for key, name, kind, data in waiting])
                attached = [part for part in parts(raw) if _is_file(form, part)]
            message = message_of(answers, attached, external_id=nonce.id, received_at=now, envelope=envelope)
            stated = statement_of(answers, unproven=proof is not Proof.GOOD)
            taken = await self._desk.take(message, raw, stated)
        except (NotAcceptedNow, StorageError):
            return await self._again(request, form, sent, answers, nonce, 503, notice="busy")
        except DifferentContent:
            return await self._again(request, form, sent, answers, nonce, 409, notice="changed", renew=True)
        if not taken.accepted.joined:
            self._counts.count(caps, now)
        if answers.held:
            await self._forget(nonce)
        if not taken.accepted.number:
            return web.Response(status=303, headers={"Location": with_embed(request, f"/form/{form.name}/kept")})
        return self._receipt(request, form, nonce)

    async def _read(self, request: web.Request, form: Form) -> tuple[bytes, Sent]:
        """The body and what stands in it.

        Raises:
            Refusal: there is no form in it, or no room for it.
        """
        back = f"/form/{form.name}"
        if request.content_type != "multipart/form-data":
            raise Refusal(415, back=back)
        limit = form.files.total
        try:
            with self._memory.of(form_body.expected(request, limit)):
                body = await form_body.read(request, limit)
        except FarTooLarge:
            raise Refusal(413, "form.far_too_large", back=back) from None
        except form_body.Crowded:
            raise Refusal(503, "form.crowded", back=back) from None
        try:
            return body.raw, sort(form, parts(body.raw), body.cut)
        except NotAForm as error:
            await self._quarantine(request, form, body.raw, error)
            raise Refusal(400, "form.unread", back=back) from None

    async def _quarantine(self, request: web.Request, form: Form, raw: bytes, error: NotAForm) -> None:
        """Keep what could not be read, as long as one client does not make a habit of it."""
        now = self._clock.now()
        caps = {f"unread:{client_of(request.remote or '')}": form.caps.unproven, "unread:all": form.caps.form}
        if not raw or self._counts.full(caps, now) is not None:
            raise Refusal(400, back=f"/form/{form.name}")
        language = self._drawing.language(request)
        envelope = envelope_of(
            form, None, peer=request.remote or "", language=language, proof=Proof.NONE, trapped=False
        )
        try:
            await self._desk.take(unreadable(form, error, now, envelope), raw, Statement())
        except NotAcceptedNow:
            raise Refusal(503, back=f"/form/{form.name}") from None
        self._counts.count(caps, now)

    async def _held(self, nonce: Nonce | None, sent: Sent) -> tuple[list[Held], bool]:
        """The files that came before, and whether some that should be there are not."""
        if nonce is None or not sent.parked:
            return [], bool(sent.parked)
        wanted = [one for one in sent.parked if one not in sent.dropped]
        try:
            held = await self._desk.held(nonce.id, wanted)
        except StorageError:
            return [], True
        return held, len(held) < len(wanted)

    async def _was_sent(self, form: Form, nonce: Nonce) -> bool:
        try:
            return await self._desk.was_sent(form.name, nonce.id)
        except StorageError:
            return False

    async def _forget(self, nonce: Nonce) -> None:
        try:
            await self._desk.forget(nonce.id)
        except StorageError as error:
            # their hour ends anyway
            log.warning("form_files_left", error=str(error))

    def _caps(self, form: Form, client: str, answers: Answers, proof: Proof) -> dict[str, int]:
        """The counts a form has to fit into, with the most of each."""
        kind, value = answers.sender.key
        caps = {
            f"client:{client}": form.caps.client,
            f"sender:{kind}:{value}": form.caps.sender,
            f"form:{form.name}": form.caps.form,
            "all": self._limits.per_hour,
        }
        if proof is not Proof.GOOD:
            caps[f"unproven:{client}"] = form.caps.unproven
        return caps

    # ---- once more ------------------------------------------------------------------------------------------------

    async def _again(
        self,
        request: web.Request,
        form: Form,
        sent: Sent,
        answers: Answers,
        nonce: Nonce | None,
        status: int,
        *,
        notice: str = "",
        full: Full | None = None,
        lost: bool = False,
        renew: bool = False,
    ) -> web.Response:
        """The form with everything typed in its place, and the files that just came parked."""
        facts: dict[str, Any] = {}
        if notice == "changed" and nonce is not None:
            receipt = await self._desk.receipt(form.name, nonce.id)
            facts["number"] = receipt.number if receipt else ""
        if full is not None:
            facts["until"] = full.until
        opened = nonce
        if renew or opened is None:
            opened = self._nonces.make(form.name, self._clock.now())
        held = list(answers.held)
        try:
            if nonce is not None and opened is not nonce and held:
                await self._desk.move(nonce.id, opened.id)
            held += await self._park(request, form, opened, answers.files)
        except (StorageError, NoRoom):
            lost = True
            held = held if opened is nonce else []
        shown = Shown(
            values=sent.values,
            held=held,
            mistakes=answers.mistakes,
            notice=notice,
            facts=facts,
            files_lost=lost,
        )
        retry = {"Retry-After": "60"} if status == 503 else {}
        if full is not None:
            retry = {"Retry-After": str(max(1, math.ceil((full.until - self._clock.now()).total_seconds())))}
        return self._drawing.page(request, form, shown, status, nonce=opened, headers=retry)

    async def _park(self, request: web.Request, form: Form, nonce: Nonce, found: Sequence[Part]) -> list[Held]:
        """Park files that came with a form.

        Raises:
            NoRoom: there are enough.
            StorageError: none was kept.
        """
        if not found:
            return []
        now = self._clock.now()
        octets = sum(len(part.data) for part in found)
        caps = {f"parked:{client_of(request.remote or '')}": self._limits.parked_by_client}
        if self._parked.full(caps, now, octets) is not None:
            raise NoRoom("this client has parked enough within an hour")
        rows = []
        for part in found:
            name = files.name_of(part)
            rows.append((part.name.removeprefix(PREFIX), name, files.content_type_of(name, part.data), part.data))
        held = await self._desk.park(nonce.id, form, rows)
        self._parked.count(caps, now, octets)
        return held

    # ---- files before the form ------------------------------------------------------------------------------------

    async def park(self, request: web.Request, form: Form) -> web.Response:
        """Take one file of an opened form (header `X-Form-Nonce`): 201 with its id; refusals in words."""
        nonce = self._opened(request, form)
        say = self._drawing.say(request)
        _, sent = await self._read(request, form)
        if len(sent.files) != 1 and not sent.cut:
            return web.json_response({"words": say("form.files.failed")}, status=422)
        answers = check(form, sent, [], self._drawing.language(request))
        for mistake in answers.mistakes:
            if mistake.code.startswith("file_") or mistake.code == "too_much":
                words = form_view.words_of(form, mistake, say, self._drawing.language(request))
                return web.json_response({"words": words}, status=422)
        try:
            held = await self._park(request, form, nonce, sent.files)
        except NoRoom:
            return web.json_response({"words": say("form.files.no_room")}, status=429)
        except StorageError:
            return web.json_response({"words": say("form.files.failed")}, status=503)
        file = held[0]
        return web.json_response({"id": file.id, "name": file.name, "size": file.size}, status=201)

    async def drop(self, request: web.Request, form: Form) -> web.Response:
        """Forget a file of an opened form."""
        nonce = self._opened(request, form)
        await self._desk.drop(nonce.id, request.match_info["id"])
        return web.Response(status=204)

    def _opened(self, request: web.Request, form: Form) -> Nonce:
        try:
            nonce = self._nonces.read(form.name, request.headers.get("X-Form-Nonce", ""))
        except BadNonce:
            nonce = None
        if nonce is None or nonce.is_over(self._clock.now()):
            raise Refusal(403)
        return nonce

    def _receipt(self, request: web.Request, form: Form, nonce: Nonce) -> web.Response:
        location = with_embed(request, f"/form/{form.name}/done/{nonce.id}")
        return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def _is_file(form: Form, part: Part) -> bool:
    one = form.field(part.name.removeprefix(PREFIX)) if part.name.startswith(PREFIX) else None
    return part.filename is not None and bool(part.data) and one is not None and one.kind is Kind.FILE
