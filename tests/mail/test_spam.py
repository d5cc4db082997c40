"""Spam is held: no answer, no alert, no place in the queue; one press makes it a ticket or blocks its sender."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from desk.change import Actor, Refused
from desk.quarantine import Quarantine
from desk.spam import keys_of
from desk.spam_desk import SpamDesk, age_out, rule_key
from storage.quarantine import HELD, SPAM, Filter
from tickets.message import MessageKind

EVE = "eve@spam.example"
IRINA = "irina@sibtrans.example"
LEAD = Actor("staff:a.sokolova", "Анна Соколова")


@pytest.fixture
async def desk(post: Any) -> SpamDesk:
    """The desk of spam of an open program."""
    await post.open()
    program = post.program
    return SpamDesk(program.opened, Quarantine(program.opened, program.intake), program.clock)


async def spam(post: Any, sender: str = EVE, because: str = "rspamd:15.2", verdict: str = "", **headers: str) -> str:
    """A mail that a filter calls spam comes in; returns the entry's id."""
    mail = post.mail(sender, "Выиграли приз", "Заберите приз", **headers)
    raw = mail.as_bytes()
    message = post.program.read_mail(
        raw,
        account="smtp",
        external_id=mail["Message-ID"],
        received_at=post.program.clock.now(),
        mail_from=sender,
        rcpt_to=("support@otklik.example",),
    )
    message.kind, message.kind_because = MessageKind.SPAM, (because,)
    message.authenticity = {"verdict": verdict, "by": "us"} if verdict else {}
    message.extra = {**message.extra, "envelope": {"mail_from": sender, "rcpt_to": ["support@otklik.example"]}}
    message.fresh = True
    taken = await post.program.intake.accept(message, raw)
    return str(taken.quarantine_id)


async def test_spam_is_held_and_nobody_hears_of_it(post: Any, desk: SpamDesk) -> None:
    entry = await spam(post)
    [row], _ = await desk.listing(Filter(state=HELD, reason=SPAM))
    assert (row["id"], row["from"], row["subject"], row["detail"]) == (entry, EVE, "Выиграли приз", "rspamd:15.2")
    assert await post.rows("tickets") == await post.rows("deliveries") == []
    assert post.program.intake.counts.inputs["email", "spam"] == 1
    assert await desk.held() == 1


async def test_one_press_makes_it_an_ordinary_ticket_that_is_acknowledged(post: Any, desk: SpamDesk) -> None:
    entry = await spam(post)
    done = await desk.release(UUID(entry), post.program.read_mail, LEAD)
    [ticket] = await post.settled()
    assert ticket["number"] == done.number
    assert ticket["messages"][0]["kind"] == "human"
    assert len(post.mails(EVE)) == 1
    assert {n["event"] for n in ticket["notifications"]} == {"received", "assigned"}
    assert await desk.held() == 0
    assert (await desk.release(UUID(entry), post.program.read_mail, LEAD)).already
    assert [e["action"] for e in await post.rows("audit")][:1] == ["spam.released"]


@pytest.mark.parametrize("verdict", ["pass", "fail"])
async def test_what_was_found_out_about_its_sender_holds_when_it_is_let_go(
    post: Any, desk: SpamDesk, verdict: str
) -> None:
    await desk.release(UUID(await spam(post, verdict=verdict)), post.program.read_mail, LEAD)
    [ticket] = await post.settled()
    assert ticket["messages"][0]["authenticity"] == {"verdict": verdict, "by": "us"}


async def test_release_with_allow_lets_the_next_one_through(post: Any, desk: SpamDesk) -> None:
    await desk.release(UUID(await spam(post)), post.program.read_mail, LEAD, allow=True)
    assert await spam(post) == "", "it is a ticket"
    assert len(await post.settled()) == 2
    assert await spam(post, because="virus:Eicar-Test-Signature"), "who may write may not send that"


@pytest.mark.parametrize("said", [EVE, "spam.example", "@Spam.Example"])
async def test_a_blocked_sender_is_held_whatever_a_filter_says(post: Any, desk: SpamDesk, said: str) -> None:
    await desk.block(said, LEAD, "надоел")
    await post.send(post.mail(EVE, "Вопрос", "Здравствуйте"))
    await post.send(post.mail("other@mail.spam.example", "Вопрос", "Здравствуйте"))
    found, _ = await desk.listing(Filter(state=HELD, reason=SPAM))
    assert len(found) == (1 if said == EVE else 2)
    assert found[-1]["detail"].startswith("blocked:")
    [rule] = await desk.rules()
    assert (rule["verdict"], rule["by"], rule["note"], rule["hits"]) == ("block", LEAD.label, "надоел", len(found))
    assert await desk.forget(said, LEAD)
    await post.send(post.mail(EVE, "Ещё вопрос", "Здравствуйте ещё раз"))
    assert len(await post.settled()) == (2 if said == EVE else 1)
    actions = [e["action"] for e in sorted(await post.rows("audit"), key=lambda e: e["id"])]
    assert actions == ["sender.blocked", "sender.forgotten"]


async def test_block_from_the_list_puts_the_entry_aside(post: Any, desk: SpamDesk) -> None:
    entry = await spam(post)
    await desk.block(EVE, LEAD, entry=UUID(entry))
    assert await desk.held() == 0


async def test_an_answer_of_an_author_with_a_proof_is_no_spam(post: Any, desk: SpamDesk) -> None:
    await post.send(post.mail(IRINA))
    [ticket] = await post.settled()
    [thanks] = post.mails(IRINA)
    await spam(post, IRINA, To=str(thanks["Reply-To"]))
    [ticket] = await post.settled()
    assert ticket["messages"][-1]["public"] is True
    await spam(post, EVE, To=str(thanks["Reply-To"]))
    assert await desk.held() == 1, "the token of somebody else opens nothing"


async def test_a_released_mail_finds_its_ticket_and_repetitions_are_recognised(post: Any, desk: SpamDesk) -> None:
    entry = await spam(post)
    await post.program.opened.read(lambda c: None)
    first = await desk.release(UUID(entry), post.program.read_mail, LEAD)
    book = Quarantine(post.program.opened, post.program.intake)
    again = await book.replay(UUID(entry), post.program.read_mail)
    assert (again.number, again.already) == (first.number, True)


async def test_old_spam_is_put_aside_with_its_bytes(post: Any, desk: SpamDesk) -> None:
    entry = await spam(post)
    now = post.program.clock.now()
    assert await post.program.opened.write(lambda c: age_out(c, now, timedelta(days=30))) == 0
    assert await post.program.opened.write(lambda c: age_out(c, now + timedelta(days=31), timedelta(days=30))) == 1
    assert await desk.held() == 0
    book = Quarantine(post.program.opened, post.program.intake)
    assert b"Subject" in await book.raw(UUID(entry))


async def test_spam_is_not_among_what_could_not_be_read(post: Any, desk: SpamDesk) -> None:
    from storage import census, quarantine

    await spam(post)
    assert await post.program.opened.read(quarantine.counts) == {}
    found = await post.program.opened.read(lambda c: census.take(c, now=post.program.clock.now()))
    assert found.held == 0


@pytest.mark.parametrize(
    "said, key",
    [
        ("Anna@Example.RU", "email:anna@example.ru"),
        (" example.ru ", "domain:example.ru"),
        ("@example.ru", "domain:example.ru"),
        ("email:anna@example.ru", "email:anna@example.ru"),
        ("domain:example.ru", "domain:example.ru"),
    ],
)
def test_how_a_sender_is_named(said: str, key: str) -> None:
    assert rule_key(said) == key
    assert key in keys_of("anna@example.ru")


@pytest.mark.parametrize("said", ["", "@", "a@", "a b@example.ru", "email:example.ru", "domain:a@b.ru", "x:y"])
def test_what_names_nobody(said: str) -> None:
    with pytest.raises(Refused):
        rule_key(said)


def test_a_message_without_a_sender_has_no_rule() -> None:
    assert keys_of("") == ()
