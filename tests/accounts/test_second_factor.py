"""The second factor: setting it up, codes that are taken once, recovery codes, roles that need it."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest

from desk import second_factor
from storage.tables_accounts import recovery_codes, users

PASSWORD = "корова под дождём"


async def enrolled(console: Any, login: str = "petrova", role: str = "agent") -> tuple[Any, pyotp.TOTP, list[str]]:
    """A browser that set a second factor up by the pages, its authenticator, and the recovery codes."""
    await console.user(login, role)
    browser = console.browser()
    await browser.log_in(login)
    page = await browser.get("/account/second-factor")
    totp = pyotp.TOTP(secret_on(page))
    done = await browser.post(
        "/account/second-factor", {"csrf": page.field("csrf"), "code": totp.at(console.clock.now())}
    )
    assert done.status == 200, done.text
    return browser, totp, re.findall(r"<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>", done.text)


def secret_on(page: Any) -> str:
    found = re.search(r"<code>([A-Z2-7 ]{39})</code>", page.text)
    assert found, page.text
    return str(found.group(1).replace(" ", ""))


async def test_a_second_factor_is_set_up_with_a_picture_and_proven(console: Any) -> None:
    await console.user("petrova")
    browser, other = console.browser(), console.browser()
    await browser.log_in("petrova")
    await other.log_in("petrova")

    page = await browser.get("/account/second-factor")
    secret = secret_on(page)
    assert secret_on(await browser.get("/account/second-factor")) == secret, "a reload does not change it"
    picture = await browser.get("/account/second-factor/picture.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.body.startswith(b"<svg")
    assert b"<style" not in picture.body
    assert b"style=" not in picture.body
    assert picture.headers["Cache-Control"] == "no-store"

    wrong = await browser.post("/account/second-factor", {"csrf": page.field("csrf"), "code": "000000"})
    assert wrong.status == 422
    assert "Код не подошёл. Верно ли идут часы телефона?" in wrong.text

    code = pyotp.TOTP(secret).at(console.clock.now())
    done = await browser.post("/account/second-factor", {"csrf": page.field("csrf"), "code": f"{code[:3]} {code[3:]}"})
    assert done.status == 200
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", done.text)
    assert len(set(codes)) == 10
    assert (await browser.get("/account")).status == 200
    assert (await other.get("/account")).status == 303, "whoever never gave a code is out"
    assert "Осталось 10 запасных кодов" in (await browser.get("/account")).text

    stored = await console.program.opened.read(
        lambda c: (c.execute(users.select()).mappings().one(), c.execute(recovery_codes.select()).mappings().all())
    )
    assert secret not in str(stored[0]["totp"])
    assert second_factor.recovery_digest(codes[0]) in {row["digest"] for row in stored[1]}
    assert all(code.encode() not in row["digest"] for row in stored[1] for code in codes)


async def test_a_password_alone_opens_nothing(console: Any) -> None:
    _, totp, _ = await enrolled(console)
    console.clock.move(minutes=1)
    browser = console.browser()
    asked = await browser.log_in("petrova", where="?next=/account")
    assert asked.leads_to == "/login/code?next=/account"
    half = browser.cookies["otklik"]
    for path in ("/account", "/account/second-factor", "/account/second-factor/picture.svg", "/users"):
        assert (await browser.get(path)).leads_to.startswith("/login?"), path

    done = await browser.send(asked.leads_to, "/login/code", code=totp.at(console.clock.now()))
    assert done.leads_to == "/account"
    assert browser.cookies["otklik"] != half
    assert (await browser.get("/account")).status == 200
    late = console.browser()
    late.cookies["otklik"] = half
    assert (await late.get("/login/code")).leads_to.startswith("/login"), "the stage is over"
    assert (await console.logged(action="login.began"))[0]["detail"] == {"by": "totp"}


async def test_a_code_is_taken_once_and_never_an_earlier_one(console: Any) -> None:
    _, totp, _ = await enrolled(console)
    at_enrolment = totp.at(console.clock.now())
    browser = console.browser()
    await browser.log_in("petrova")
    replayed = await browser.send("/login/code", "/login/code", code=at_enrolment)
    assert replayed.status == 422, "the code of the set-up is used up too"
    assert "Код не подошёл или уже использован. Осталось 4 попытки." in replayed.text

    console.clock.move(seconds=60)
    now = totp.at(console.clock.now())
    assert (await browser.send("/login/code", "/login/code", code=now)).status == 303
    for code in (now, totp.at(int(console.clock.now().timestamp()) - 30)):
        thief = console.browser()
        await thief.log_in("petrova")
        assert (await thief.send("/login/code", "/login/code", code=code)).status == 422
    assert len(await console.logged(action="login.code_failed")) == 3


@pytest.mark.parametrize("drift, taken", [(-90, False), (-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_step_more_or_less_is_allowed(drift: int, taken: bool) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime(2026, 11, 18, 9, 0, 10, tzinfo=UTC)
    secret = second_factor.new_secret()
    code = pyotp.TOTP(secret).at(now + timedelta(seconds=drift))
    step = second_factor.step_of(secret, code, now)
    assert step == ((int(now.timestamp()) + drift) // 30 if taken else None)


async def test_codes_cannot_be_guessed_and_a_new_session_does_not_help(console: Any) -> None:
    _, totp, _ = await enrolled(console)
    console.clock.move(minutes=5)
    for left in (4, 3, 2, 1, 0):
        browser = console.browser()
        await browser.log_in("petrova")
        page = await browser.send("/login/code", "/login/code", code="000000")
        assert page.status == 422
        assert (f"{left} попыт" in page.text) is (left > 0)
    browser = console.browser()
    await browser.log_in("petrova")
    right = totp.at(console.clock.now())
    blocked = await browser.send("/login/code", "/login/code", code=right)
    assert (blocked.status, blocked.headers["Retry-After"]) == (429, "31")
    console.clock.move(seconds=31)
    assert (await browser.send("/login/code", "/login/code", code=totp.at(console.clock.now()))).status == 303


async def test_the_page_for_the_code_waits_five_minutes(console: Any) -> None:
    _, totp, _ = await enrolled(console)
    browser = console.browser()
    await browser.log_in("petrova")
    token = (await browser.get("/login/code")).field("csrf")
    console.clock.move(minutes=5)
    late = await browser.post("/login/code", {"csrf": token, "code": totp.at(console.clock.now())})
    assert late.leads_to.startswith("/login?")


async def test_a_recovery_code_works_once_however_it_is_typed(console: Any) -> None:
    _, _, codes = await enrolled(console)
    console.clock.move(minutes=5)
    for typed, status in ((codes[0].upper().replace("-", " "), 303), (codes[0], 422), (codes[1], 303)):
        browser = console.browser()
        await browser.log_in("petrova")
        assert (await browser.send("/login/code", "/login/code", code=typed)).status == status
    assert "Осталось 8 запасных кодов" in (await browser.get("/account")).text
    assert [e["detail"]["by"] for e in await console.logged(action="login.began")][:2] == ["recovery", "recovery"]


async def test_switching_off_and_new_codes_need_the_password(console: Any) -> None:
    browser, totp, codes = await enrolled(console)
    at = "/account/second-factor"
    assert (await browser.send(at, f"{at}/codes", codes_password="wrong")).status == 422
    fresh = await browser.send(at, f"{at}/codes", codes_password=PASSWORD)
    assert fresh.status == 200
    assert not set(codes) & set(re.findall(r"<code>([a-z2-7-]{19})</code>", fresh.text))

    assert (await browser.send(at, f"{at}/off", off_password="wrong")).status == 422
    assert (await browser.send(at, f"{at}/off", off_password=PASSWORD)).leads_to == at
    assert (await console.browser().log_in("petrova")).leads_to == "/queue"
    assert totp is not None
    actions = [e["action"] for e in await console.logged(action="user", who="petrova")]
    assert actions == ["user.second_factor_off", "user.recovery_codes_made", "user.second_factor_on"]


async def test_somebody_elses_sealed_secret_does_not_open(console: Any) -> None:
    await console.user("petrova")
    await console.user("ivanov")
    one, other = console.browser(), console.browser()
    await one.log_in("petrova")
    await other.log_in("ivanov")
    known = secret_on(await one.get("/account/second-factor"))
    other.cookies["otklik-enrol"] = one.cookies["otklik-enrol"]
    assert (await other.get("/account/second-factor/picture.svg")).status == 404
    assert secret_on(await other.get("/account/second-factor")) != known


@pytest.mark.parametrize("given", [{"OTKLIK_STAFF__REQUIRE_TOTP": '["administrator"]'}])
async def test_a_role_that_needs_it_can_do_nothing_before(console: Any) -> None:
    await console.user("vera", "administrator")
    await console.user("petrova")
    agent, browser = console.browser(), console.browser()
    await agent.log_in("petrova")
    assert (await agent.get("/account")).status == 200

    await browser.log_in("vera")
    for path in ("/users", "/audit", "/account"):
        assert (await browser.get(path)).leads_to == "/account/second-factor", path
    page = await browser.get("/account/second-factor")
    assert "Вашей роли нужен второй фактор" in page.text
    totp = pyotp.TOTP(secret_on(page))
    code = totp.at(console.clock.now())
    await browser.post("/account/second-factor", {"csrf": page.field("csrf"), "code": code})
    assert (await browser.get("/users")).status == 200
