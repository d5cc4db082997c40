"""Forged sessions and tokens of forms: none is accepted."""

from __future__ import annotations

import random
from typing import Any

import pytest

from desk.sessions import csrf_token

PASSWORD = "корова под дождём"


def forged(rng: random.Random, real: str, number: int) -> str:
    """Something like a secret or token, and not it."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    kinds = [
        lambda: "".join(rng.choice(letters) for _ in range(len(real))),
        lambda: _changed(rng, real, letters),
        lambda: real[: rng.randrange(len(real))],
        lambda: real + rng.choice(letters),
        real.swapcase,
        lambda: real[::-1],
        lambda: "",
        lambda: rng.choice(["null", "0", "true", "' OR '1'='1", "%00", "..", "{}", "admin", "\u00ff"]),
    ]
    return kinds[number % len(kinds)]()


def _changed(rng: random.Random, real: str, letters: str) -> str:
    at = rng.randrange(len(real))
    return real[:at] + rng.choice(letters.replace(real[at], "")) + real[at + 1 :]


@pytest.mark.slow
async def test_two_hundred_forged_sessions_open_nothing(console: Any, staff_session: Any) -> None:
    session = await staff_session(console.program, "administrator")
    real = session.cookies["otklik"]
    rng, accepted = random.Random(1), 0
    for number in range(200):
        browser = console.browser()
        browser.cookies["otklik"] = forged(rng, real, number).encode("latin-1", "ignore").decode("latin-1")
        page = await browser.get("/users")
        accepted += page.status != 303 or not page.leads_to.startswith("/login?")
    assert accepted == 0
    browser = console.browser()
    browser.cookies = dict(session.cookies)
    assert (await browser.get("/users")).status == 200, "the real one does"


@pytest.mark.slow
async def test_two_hundred_forged_tokens_change_nothing(console: Any, staff_session: Any) -> None:
    session = await staff_session(console.program, "administrator")
    other = await staff_session(console.program, "lead")
    browser = console.browser()
    browser.cookies = dict(session.cookies)
    rng, accepted = random.Random(2), 0
    places = ["/account", "/users", "/logout", "/account/sessions/others/revoke", "/users/by-login/lead/disable"]
    for number in range(200):
        token = other.csrf if number % 20 == 19 else forged(rng, session.csrf, number)
        at = places[number % len(places)]
        by_header = number % 3 == 0 and token.isascii() and token.isprintable()
        form = {"name": "x", "language": "ru", "theme": "dark", "login": f"user{number}", "role": "administrator"}
        page = (
            await browser.post(at, form, headers={"X-CSRF-Token": token})
            if by_header
            else await browser.post(at, {**form, "csrf": token})
        )
        accepted += page.status != 403
    assert accepted == 0
    assert [row["login"] for row in await console.accounts.listing()] == ["administrator", "lead"]
    assert (await browser.get("/account")).status == 200, "nobody was logged out"


async def test_a_token_is_of_one_session(console: Any, staff_session: Any) -> None:
    first = await staff_session(console.program, "administrator", "vera")
    second = await staff_session(console.program, "administrator", "vera")
    assert first.csrf != second.csrf
    assert first.csrf == csrf_token(first.cookies["otklik"])
    browser = console.browser()
    browser.cookies = dict(first.cookies)
    form = {"name": "Вера", "language": "ru", "theme": "dark"}
    assert (await browser.post("/account", {**form, "csrf": second.csrf})).status == 403
    assert (await browser.post("/account", {**form, "csrf": first.csrf})).status == 303
    assert (await browser.post("/account", form, headers={"X-CSRF-Token": first.csrf})).status == 303


async def test_the_login_form_is_tied_to_its_browser(console: Any) -> None:
    await console.user("petrova")
    attacker, victim = console.browser(), console.browser()
    token = (await attacker.get("/login")).field("csrf")
    form = {"csrf": token, "login": "petrova", "password": PASSWORD}
    assert (await victim.post("/login", form)).status == 403, "no cookie of ours"
    await victim.get("/login")
    refused = await victim.post("/login", form)
    assert refused.status == 403
    assert "otklik" not in victim.cookies
    assert (await attacker.post("/login", form)).status == 303
