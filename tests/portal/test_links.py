"""Links to authors' pages: what opens, what does not, and that nobody can tell why not."""

from __future__ import annotations

import random
import re
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outbound.portal_token import PageTokens, digest
from outbound.token import ReplyTokens

KEYS = {"k1": b"o" * 32, "k2": b"n" * 32}
PAGES = PageTokens(KEYS, "k2", base="https://desk.example.ru")
NOON = datetime(2026, 11, 20, 9, 0, 0, 500_000, tzinfo=UTC)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567-."

ids = st.uuids()
instants = st.datetimes(datetime(2026, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))


class TestTokens:
    @given(ids, ids, instants)
    def test_a_token_says_whose_it_is_in_any_case(self, ticket: uuid.UUID, person: uuid.UUID, now: datetime) -> None:
        signed = PAGES.sign(ticket, person, now)
        assert re.fullmatch(r"k2-[a-z2-7]{88}", signed)
        claims = PAGES.open(signed.upper())
        assert claims == PAGES.open(signed)
        assert claims is not None
        assert (claims.ticket_id, claims.person_id) == (ticket, person)
        assert claims.issued_at == now.replace(microsecond=0)
        assert (
            timedelta(0) <= claims.expires_at - now - timedelta(days=180) + timedelta(seconds=1) <= timedelta(hours=1)
        )

    @given(ids, ids, st.integers(0, 90), st.sampled_from(ALPHABET))
    def test_no_changed_character_survives(self, ticket: uuid.UUID, person: uuid.UUID, place: int, other: str) -> None:
        signed = PAGES.sign(ticket, person, NOON)
        assume(signed[place] != other)
        assert PAGES.open(signed[:place] + other + signed[place + 1 :]) is None

    @given(ids, ids, ids)
    def test_the_mac_of_one_serves_no_other(self, one: uuid.UUID, two: uuid.UUID, person: uuid.UUID) -> None:
        assume(one != two)
        signed, other = PAGES.sign(one, person, NOON), PAGES.sign(two, person, NOON)
        assert PAGES.open(other[:64] + signed[64:]) is None

    @given(st.text(max_size=120))
    def test_any_text_is_answered_without_an_error(self, text: str) -> None:
        assert PAGES.open(text) is None

    @given(ids)
    def test_a_reply_token_is_no_page_token(self, ticket: uuid.UUID) -> None:
        assert PAGES.open(ReplyTokens(KEYS, "k2").sign(ticket)) is None
        assert ReplyTokens(KEYS, "k2").verify(PAGES.sign(ticket, ticket, NOON)) is None

    @given(ids)
    def test_another_key_signs_nothing_for_us(self, ticket: uuid.UUID) -> None:
        stranger = PageTokens({"k1": b"x" * 32, "k2": b"y" * 32}, "k2")
        assert PAGES.open(stranger.sign(ticket, ticket, NOON)) is None
        assert PageTokens({"k1": KEYS["k1"]}, "k1").open(PAGES.sign(ticket, ticket, NOON)) is None

    def test_a_rotated_key_still_opens(self) -> None:
        before = PageTokens({"k1": KEYS["k1"]}, "k1")
        ticket = uuid.uuid4()
        claims = PAGES.open(before.sign(ticket, ticket, NOON))
        assert claims is not None
        assert claims.ticket_id == ticket
        assert PAGES.form_is_ours("page", "n", before.form_proof("page", "n"))

    @given(ids, ids)
    def test_secrets_of_one_time_links_differ(self, one: uuid.UUID, two: uuid.UUID) -> None:
        assume(one != two)
        assert re.fullmatch("[a-z2-7]{52}", PAGES.secret(one))
        assert digest(PAGES.secret(one)) != digest(PAGES.secret(two))

    @given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
    def test_a_form_serves_its_own_page_only(self, page: str, other: str, nonce: str) -> None:
        assume(page.encode("utf-8", "replace") != other.encode("utf-8", "replace"))
        proof = PAGES.form_proof(page, nonce)
        assert PAGES.form_is_ours(page, nonce, proof)
        assert not PAGES.form_is_ours(other, nonce, proof)
        assert not PAGES.form_is_ours(page, nonce, proof + "a")

    def test_without_an_address_of_ours_there_are_no_links(self) -> None:
        assert PageTokens(KEYS, "k2").address("x") == ""
        assert PAGES.address("x") == "https://desk.example.ru/t/x"


def forgeries(good: str, count: int = 200) -> list[str]:
    """Tokens somebody might try."""
    dice = random.Random(4)
    made: list[str] = []
    while len(made) < count:
        letters = list(good)
        for _ in range(dice.choice([1, 1, 2, 8, 40])):
            letters[dice.randrange(3, len(letters))] = dice.choice("abcdefghijklmnopqrstuvwxyz234567")
        kind = dice.randrange(6)
        token = "".join(letters)
        if kind == 0:
            token = token[: dice.randrange(1, len(token))]
        elif kind == 1:
            token = f"k{dice.randrange(2, 9)}{token[2:]}"
        elif kind == 2:
            token = PageTokens({"k1": dice.randbytes(32)}, "k1").sign(uuid.uuid4(), uuid.uuid4(), NOON)
        if token != good:
            made.append(token)
    return made


class TestPages:
    async def test_200_forged_tokens_none_opens_and_none_presses(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        good = desk.link(ticket).rpartition("/")[2]
        hidden = (await browser.get(f"/t/{good}")).hidden("/withdraw")
        before = await desk.history(ticket["number"])
        statuses = {"get": set[int](), "post": set[int]()}
        for token in forgeries(good):
            statuses["get"].add((await browser.get(f"/t/{token}")).status)
            statuses["post"].add((await browser.post(f"/t/{token}/withdraw", hidden)).status)
        assert statuses["get"] == {404}
        assert statuses["post"] <= {403, 404, 429}
        assert await desk.history(ticket["number"]) == before

    async def test_all_that_open_nothing_look_the_same(self, desk: Any, browser: Any) -> None:
        mine = await desk.ticket()
        others = await desk.ticket("petr@sibtrans.example", "Другая заявка")
        expired, revoked = desk.link(mine), desk.link(others)
        desk.clock.move(days=181)
        page = await browser.get(desk.link(others))
        assert "Доступ по этой ссылке закрыли" in (await browser.press(page, "/revoke")).text
        links = {
            "expired": expired,
            "revoked": revoked,
            "revoked just now": page.address,
            "another's ticket": desk.link(others, mine["contact_id"]),
            "a missing ticket": desk.link({"id": uuid.uuid4(), "contact_id": mine["contact_id"]}),
            "a missing person": desk.link(mine, uuid.uuid4()),
            "never was": "/t/none",
            "forged": expired[:-1] + ("a" if expired[-1] != "a" else "b"),
        }
        seen = {}
        for name, link in links.items():
            found = await browser.get(link)
            blank = re.sub(r'value="[^"]*"|lang=en&amp;[^"]*|href="[^"]*"', "", found.html)
            dull = {
                k: v for k, v in found.headers.items() if k.lower() not in ("date", "content-length", "x-request-id")
            }
            seen[name] = (found.status, blank, tuple(sorted(dull.items())))
        assert len(set(seen.values())) == 1, {name: value[0] for name, value in seen.items()}
        assert seen["forged"][0] == 404
        assert "Пришлём новую на адрес" in (await browser.get(expired)).text

    async def test_a_link_sent_after_a_revocation_opens(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        old = desk.link(ticket)
        await browser.press(await browser.get(old), "/revoke")
        desk.clock.move(seconds=1)
        assert (await browser.get(old)).status == 404
        assert (await browser.get(desk.link(ticket))).status == 200
        assert ("author", "links_revoked", None, None) in await desk.history(ticket["number"])

    async def test_a_link_reaches_its_own_ticket_only(self, desk: Any, browser: Any) -> None:
        mine, other = await desk.ticket(), await desk.ticket("petr@sibtrans.example", "Другая заявка")
        page = await browser.get(desk.link(mine))
        assert other["number"] not in page.html
        answer = await browser.post(f"{desk.link(other)}/withdraw", page.hidden("/withdraw"))
        assert answer.status == 403, "a form of one page does not work on another"
        assert (await desk.row(other["number"]))["status"] == "new"

    async def test_a_link_opens_nothing_when_the_ticket_has_another_contact(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        link = desk.link(ticket)
        from sqlalchemy import update

        from storage.tables import tickets

        someone = uuid.uuid4()
        await desk.program.opened.write(lambda c: c.execute(update(tickets).values(contact_id=someone)) and None)
        assert (await browser.get(link)).status == 404

    async def test_the_address_of_the_page_leaks_nowhere(self, desk: Any, browser: Any) -> None:
        page = await browser.get(desk.link(await desk.ticket()))
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert "noindex" in page.headers["X-Robots-Tag"]
        assert "noindex" in page.html
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.html), "nothing leads away from here"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        "name, break_it",
        [
            ("without fields", lambda hidden: {}),
            ("without proof", lambda hidden: {"nonce": hidden["nonce"]}),
            ("with another nonce", lambda hidden: hidden | {"nonce": "0" * 32}),
            ("with a forged proof", lambda hidden: hidden | {"proof": "a" * 26}),
            ("with an empty proof", lambda hidden: hidden | {"proof": ""}),
        ],
    )
    async def test_forms_that_are_not_ours_do_nothing(self, desk: Any, browser: Any, name: str, break_it: Any) -> None:
        ticket = await desk.ticket()
        link = desk.link(ticket)
        hidden = break_it((await browser.get(link)).hidden("/withdraw"))
        for verb in ("reply", "confirm", "object", "reopen", "withdraw", "rate", "revoke"):
            assert (await browser.post(f"{link}/{verb}", hidden | {"text": "x", "score": "5"})).status == 403, name
        assert (await desk.row(ticket["number"]))["status"] == "new"

    async def test_a_form_sent_from_another_site_does_nothing(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        link = desk.link(ticket)
        hidden = (await browser.get(link)).hidden("/withdraw")
        answer = await browser.post(f"{link}/withdraw", hidden, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 403
        assert (await desk.row(ticket["number"]))["status"] == "new"

    async def test_anothers_ticket_and_a_missing_one_ask_the_same_of_the_database(
        self, desk: Any, browser: Any, asked: list[str]
    ) -> None:
        found = {}
        for name, link in (await self.closed(desk, browser)).items():
            await browser.get(link)
            asked.clear()
            await browser.get(link)
            found[name] = list(asked)
        assert found["another's"] == found["missing"] == found["revoked"] == found["forged"]

    @pytest.mark.long
    async def test_anothers_ticket_and_a_missing_one_take_the_same_time(self, desk: Any, browser: Any) -> None:
        links = await self.closed(desk, browser)
        took: dict[str, list[float]] = {name: [] for name in links}
        for n in range(1050):
            for name, link in links.items():
                begun = time.perf_counter()
                await browser.get(link)
                if n >= 50:
                    took[name].append(time.perf_counter() - begun)
        medians = {name: statistics.median(times) * 1000 for name, times in took.items()}
        assert max(medians.values()) - min(medians.values()) < 1, medians

    async def closed(self, desk: Any, browser: Any) -> dict[str, str]:
        """Links that open nothing, by why."""
        mine, other = await desk.ticket(), await desk.ticket("petr@sibtrans.example", "Другая заявка")
        revoked = desk.link(other)
        await browser.press(await browser.get(revoked), "/revoke")
        return {
            "another's": desk.link(other, mine["contact_id"]),
            "missing": desk.link({"id": uuid.uuid4(), "contact_id": uuid.uuid4()}),
            "revoked": revoked,
            "forged": revoked[:-1] + ("a" if revoked[-1] != "a" else "b"),
        }
