"""One's own account, and users as an administrator keeps them."""

from __future__ import annotations

import re
from typing import Any

import pytest

PASSWORD = "корова под дождём"
OTHER = "совсем другая корова"


async def test_a_new_password_ends_all_other_sessions(console: Any) -> None:
    await console.user("petrova")
    here, there, elsewhere = (console.browser() for _ in range(3))
    for each in (here, there, elsewhere):
        await each.log_in("petrova")

    done = await here.send("/account", "/account/password", old=PASSWORD, new=OTHER, again=OTHER)

    assert (done.status, done.leads_to) == (303, "/account")
    assert (await here.get("/account")).status == 200
    assert [(await each.get("/account")).status for each in (there, elsewhere)] == [303, 303]
    assert (await console.browser().log_in("petrova", PASSWORD)).status == 422
    assert (await console.browser().log_in("petrova", OTHER)).status == 303


@pytest.mark.parametrize(
    "old, new, again, said",
    [
        ("wrong", OTHER, OTHER, "Пароль не подошёл"),
        (PASSWORD, OTHER, OTHER + "x", "Пароли не совпали"),
        (PASSWORD, "короткий", "короткий", "Пароль короче 12 знаков"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "слишком простой"),
        (PASSWORD, "abcdefghijklmnop", "abcdefghijklmnop", "слишком простой"),
        (PASSWORD, "я petrova из Омска", "я petrova из Омска", "не должно быть логина"),
        (PASSWORD, "ю" * 300, "ю" * 300, "длиннее 256 знаков"),
    ],
)
async def test_a_password_that_will_not_do(console: Any, old: str, new: str, again: str, said: str) -> None:
    await console.user("petrova")
    browser = console.browser()
    await browser.log_in("petrova")
    page = await browser.send("/account", "/account/password", old=old, new=new, again=again)
    assert page.status == 422
    assert said in page.text
    assert "<title>Ошибка: " in page.text
    assert new not in page.text, "a password is never sent back"
    assert (await console.browser().log_in("petrova")).status == 303


async def test_the_old_password_cannot_be_guessed_in_a_session(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()
    await browser.log_in("petrova")
    statuses = [
        (await browser.send("/account", "/account/password", old=f"guess{n}", new=OTHER, again=OTHER)).status
        for n in range(7)
    ]
    assert statuses == [422] * 5 + [429] * 2


async def test_name_language_and_theme_are_ones_own(console: Any) -> None:
    await console.user("petrova", name="Анна Петрова")
    browser = console.browser()
    await browser.log_in("petrova")
    hostile = "<script>alert(1)</script> {{ 7*7 }}\r\nX: 1"
    await browser.send("/account", "/account", name=hostile, language="en", theme="dark")

    page = await browser.get("/account")
    assert '<html lang="en" data-theme="dark"' in page.text
    assert "My account" in page.text
    assert b"<script>alert" not in page.body
    assert "<script>alert(1)</script> {{ 7*7 }} X: 1" in page.text, "as it was typed, on one line, escaped"
    assert 'data-keys="off"' in page.text
    page = await browser.send("/account", "/account", name="  ", language="ru", theme="dark")
    assert page.status == 422
    assert (await browser.send("/account", "/account", name="x", language="de", theme="dark")).status == 400


async def test_sessions_are_listed_and_ended_one_by_one_or_all(console: Any) -> None:
    await console.user("petrova")
    await console.user("ivanov")
    browsers = [console.browser() for _ in range(4)]
    for number, each in enumerate(browsers):
        each.agent = f"<b>Browser</b> {number}"
        await each.log_in("petrova")
    stranger = console.browser()
    await stranger.log_in("ivanov")

    page = await browsers[0].get("/account")
    assert "<b>Browser</b> 3" in page.text
    assert b"<b>Browser" not in page.body
    ends = re.findall(r'action="(/account/sessions/[0-9a-f]{32}/revoke)"', page.text)
    assert len(ends) == 3, "one's own is not offered"

    token = (await stranger.get("/account")).field("csrf")
    await stranger.post(ends[0], {"csrf": token})
    assert [(await each.get("/account")).status for each in browsers] == [200] * 4, "nobody ends another's"

    await browsers[0].post(ends[0], {"csrf": page.field("csrf")})
    assert sorted([(await each.get("/account")).status for each in browsers]) == [200, 200, 200, 303]
    done = await browsers[0].post("/account/sessions/others/revoke", {"csrf": page.field("csrf")})
    assert done.status == 303
    assert [(await each.get("/account")).status for each in browsers] == [200, 303, 303, 303]
    assert (await stranger.get("/account")).status == 200
    assert (await browsers[0].post("/account/sessions/x/revoke", {"csrf": page.field("csrf")})).status == 404


async def test_an_administrator_makes_a_user_who_then_logs_in(console: Any) -> None:
    await console.user("vera", "administrator")
    boss = console.browser()
    await boss.log_in("vera")
    made = await boss.send(
        "/users/new", "/users", login="novikov", name="Игорь Новиков", email="n@example.ru", role="lead", language="ru"
    )
    assert made.status == 200
    found = re.search(r'class="secret"><code>([a-z0-9-]{23})</code>', made.text)
    assert found
    person = console.browser()
    assert (await person.log_in("novikov", found.group(1))).status == 303
    assert found.group(1) not in (await boss.get("/users/by-login/novikov")).text, "shown once"

    refused = await boss.send("/users/new", "/users", login="NOVIKOV", role="agent", language="ru")
    assert refused.status == 422
    assert "Такой логин уже есть" in refused.text
    for login, said in (("a b", "В логине бывают"), ("", "В логине бывают"), ("../x", "В логине бывают")):
        page = await boss.send("/users/new", "/users", login=login, role="agent", language="ru")
        assert (page.status, said in page.text) == (422, True)
    assert (await boss.send("/users/new", "/users", login="x", role="boss", language="ru")).status == 400


async def test_a_login_of_the_organisation_is_tied_to_its_member(console: Any) -> None:
    organisation = await console.program.read.organisation()
    member = next(iter(organisation.members.values()))
    row = await console.user(member.login.upper(), "agent")
    assert (row["login"], row["name"], row["email"]) == (member.login, member.name, member.email)
    browser = console.browser()
    await browser.log_in(member.login)
    from desk.sessions import Sessions
    from gateway import assemble

    sessions = Sessions(console.program.opened, console.clock, assemble.staff_rules(console.program.settings))
    visitor = await sessions.visitor(browser.cookies["otklik"])
    assert visitor is not None
    assert visitor.member == member
    assert visitor.zone == organisation.centres[organisation.groups[member.group].centre].zone
    assert (visitor.actor.label, visitor.actor.id.hex if visitor.actor.id else "") == (
        f"staff:{member.login}",
        member.id,
    )


async def test_who_is_switched_off_is_out_at_once(console: Any) -> None:
    await console.user("vera", "administrator")
    await console.user("petrova")
    boss, person = console.browser(), console.browser()
    await boss.log_in("vera")
    await person.log_in("petrova")
    at = "/users/by-login/petrova"
    assert (await boss.send(at, f"{at}/disable")).leads_to == at
    assert (await person.get("/account")).status == 303
    assert (await person.log_in("petrova")).status == 422
    assert "Вход закрыт" in (await boss.get(at)).text
    await boss.send(at, f"{at}/enable")
    assert (await person.log_in("petrova")).status == 303
    await boss.send(at, f"{at}/sessions")
    assert (await person.get("/account")).status == 303
    given = await boss.send(at, f"{at}/password")
    assert given.status == 200
    assert (await person.log_in("petrova")).status == 422, "the old password is gone"
    told = [(e["who"], e["action"]) for e in await console.logged(object="petrova", action="user")]
    assert told == [
        ("staff:vera", "user.password_set"),
        ("staff:vera", "user.sessions_revoked"),
        ("staff:vera", "user.enabled"),
        ("staff:vera", "user.disabled"),
        ("cli:root", "user.created"),
    ]


async def test_the_last_administrator_stays(console: Any) -> None:
    await console.user("vera", "administrator")
    boss = console.browser()
    await boss.log_in("vera")
    at = "/users/by-login/vera"
    page = await boss.send(at, f"{at}/role", role="agent")
    assert page.status == 409
    assert "Это последний администратор" in page.text
    page = await boss.send(at, f"{at}/disable")
    assert (page.status, "Закрыть вход самому себе нельзя" in page.text) == (409, True)
    await console.user("oleg", "administrator")
    assert (await boss.send(at, f"{at}/role", role="agent")).status == 303
    assert (await boss.get("/users/by-login/nobody")).status == 403
