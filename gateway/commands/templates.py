"""`otklik templates`: the texts people are sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.acting import Lang, Language
from gateway.commands.frame import Frame, Refused, Unusable, frame_of, new_group

if TYPE_CHECKING:
    from outbound.render import Problem, Rendered, Renderer

app = new_group("Texts: check, preview, send a test.")

Event = Annotated[str, typer.Argument(metavar="EVENT", help="received, resolved, ...; `templates check` knows all.")]
Centre = Annotated[str, typer.Option(metavar="CODE", help="In the words of this service centre.")]
Customer = Annotated[str, typer.Option(metavar="CODE", help="In the words for this customer.")]


@app.command()
def check(context: typer.Context) -> None:
    """Try every text on sample tickets; exit status 1 where one is wrong."""
    frame = frame_of(context)
    renderer = _renderer(frame)
    problems = renderer.check()
    frame.rows(problems, str, _problem)
    if problems:
        raise typer.Exit(1)
    if not frame.as_json:
        print(f"ok: {len(renderer.found())} templates")


@app.command()
def preview(
    context: typer.Context,
    event: Event,
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the plain one.")] = False,
    centre: Centre = "",
    customer: Customer = "",
    language: Lang = Language.RU,
) -> None:
    """Print the text about an event for a sample ticket."""
    frame = frame_of(context)
    rendered = _rendered(frame, event, language, centre, customer)
    document = {
        "event": event,
        "language": rendered.language,
        "subject": rendered.subject,
        "text": rendered.text,
        "html": rendered.html,
    }
    plain = f"{rendered.subject}\n\n{rendered.text.rstrip()}"
    frame.answer(document, rendered.html.rstrip() if html else plain)


@app.command("send-test")
def send_test(
    context: typer.Context,
    event: Event,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The mailbox to send it to.")],
    centre: Centre = "",
    customer: Customer = "",
    language: Lang = Language.RU,
) -> None:
    """Send the text about an event for a sample ticket, really, through the first relay."""
    frame = frame_of(context)
    local, at, domain = address.rpartition("@")
    if not (at and local and domain) or any(c.isspace() or not c.isprintable() or c in "<>,;" for c in address):
        raise Unusable(f"{address!r} is no mailbox; one looks like irina@example.ru")
    if not frame.settings.relays:
        raise Unusable("there is no relay to send by: add a [relay.NAME] to the settings")
    rendered = _rendered(frame, event, language, centre, customer)
    document = asyncio.run(_send(frame, address, rendered))
    frame.answer(
        document, f"sent to {address} by {document['relay']}: {document['code']} {document['detail']}".rstrip()
    )


async def _send(frame: Frame, address: str, rendered: Rendered) -> dict[str, str]:
    from channels.base import OutMessage, SendFailed
    from channels.email.smtp_out import Relay
    from gateway.assemble import relay_options
    from gateway.clock import SystemClock
    from tickets.key import new_key

    settings = frame.settings
    name = settings.relays[0]
    relay = Relay(relay_options(settings, name), clock=SystemClock().now)
    identity = new_key().hex
    message = OutMessage(
        id=identity,
        channel="email",
        address=address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        message_id=f"test.{identity}@{settings.mail.message_domain}",
        sender=f"{settings.mail.name} <{settings.mail.sender}>" if settings.mail.name else settings.mail.sender,
    )
    try:
        sent = await relay.send(message)
    except SendFailed as failed:
        raise Refused(f"relay {name} did not take it: {failed.code} {failed.detail}".rstrip()) from None
    finally:
        await relay.close()
    return {
        "relay": name,
        "address": address,
        "message_id": message.message_id,
        "code": sent.code,
        "detail": sent.detail,
        "provider_id": sent.provider_id,
    }


def _rendered(frame: Frame, event: str, language: Language, centre: str, customer: str) -> Rendered:
    from outbound.render import EVENTS, RenderFailed

    if event not in EVENTS:
        raise Unusable(f"there is no event {event!r}; known: {', '.join(EVENTS)}")
    try:
        return _renderer(frame).preview(event, language.value, centre=centre, customer=customer)
    except RenderFailed as failed:
        raise Refused(str(failed)) from None


def _renderer(frame: Frame) -> Renderer:
    from gateway.assemble import renderer

    try:
        return renderer(frame.settings)
    except NotADirectoryError as error:
        raise Unusable(f"[templates] folder: {error}") from None


def _problem(problem: Problem) -> dict[str, object]:
    return {"path": problem.path, "line": problem.line, "problem": problem.message}
