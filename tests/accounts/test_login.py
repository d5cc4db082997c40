"""Logging in and out as dialogues: password, ways back, waiting, sessions that end."""

from __future__ import annotations

from typing import Any

import pytest

PASSWORD = "корова под дождём"


async def test_a_password_leads_to_the_page_that_was_asked_for(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()

    turned_away = await browser.get("/account?x=1")
    assert (turned_away.status, turned_away.leads_to) == (303, "/login?next=/account%3Fx%3D1")

    welcome = await browser.send(turned_away.leads_to, "/login", login=" PETROVA ", password=PASSWORD)
    assert (welcome.status, welcome.leads_to) == (303, "/account?x=1")
    cookie = welcome.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie

    account = await browser.get(welcome.leads_to)
    assert account.status == 200
    assert "petrova" in account.text
    assert (await browser.get("/login?next=/account")).leads_to == "/account", "who is in needs no login page"

    entries = await console.logged(action="login.began")
    assert [(e["who"], e["object"], e["detail"], e["address"]) for e in entries] == [
        ("staff:petrova", "petrova", {"by": "password"}, "127.0.0.1")
    ]


async def test_a_login_ends_where_it_is_ended_and_at_once(console: Any) -> None:
    await console.user("petrova")
    browser, copied = console.browser(), console.browser()
    await browser.log_in("petrova")
    copied.cookies = dict(browser.cookies)
    assert (await copied.get("/account")).status == 200

    page = await browser.get("/account")
    out = await browser.post("/logout", {"csrf": page.field("csrf")})

    assert (out.status, out.leads_to) == (303, "/login")
    assert "otklik" not in browser.cookies
    assert (await copied.get("/account")).leads_to.startswith("/login"), "the secret is worth nothing any more"
    assert [e["who"] for e in await console.logged(action="login.ended")] == ["staff:petrova"]


async def test_every_stage_has_a_secret_of_its_own(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()
    browser.cookies["otklik"] = planted = "planted-by-somebody-else"
    await browser.log_in("petrova")
    assert browser.cookies["otklik"] != planted
    first = browser.cookies["otklik"]

    again = console.browser()
    again.cookies["otklik"] = first
    token = (await again.get("/account")).field("csrf")
    assert (await again.post("/login", {"csrf": token, "login": "petrova", "password": PASSWORD})).status == 403

    other = console.browser()
    await other.log_in("petrova")
    assert other.cookies["otklik"] != first


@pytest.mark.parametrize("login", ["petrova", "nobody", "disabled", "", "x" * 5000, "pet\x00rova", "Ёж ' OR 1=1 --"])
async def test_what_does_not_match_is_one_answer_whatever_the_reason(console: Any, login: str) -> None:
    await console.user("petrova")
    await console.user("disabled", "lead")
    await console.user("boss", "administrator", password="")
    await console.accounts.disable("disabled", (await _actor()))
    browser = console.browser()

    said = []
    for password in ["wrong", "wrong again"]:
        page = await browser.send("/login", "/login", login=login, password=password)
        assert page.status == 422
        assert "otklik" not in browser.cookies
        said.append(page.text[page.text.index("Логин или пароль") :][:60].split("</")[0].strip())

    assert said == [
        "Логин или пароль не подошли. Осталось 4 попытки.",
        "Логин или пароль не подошли. Осталось 3 попытки.",
    ]
    noted = [(e["who"], e["object"]) for e in await console.logged(action="login.failed")]
    known = login if login in ("petrova", "disabled") else ""
    assert noted == [("nobody", known)] * 2, "what nobody is called is not written down"


async def test_a_right_password_of_a_disabled_login_does_not_help(console: Any) -> None:
    await console.user("petrova")
    await console.accounts.disable("petrova", await _actor())
    assert (await console.browser().log_in("petrova")).status == 422
    await console.accounts.enable("petrova", await _actor())
    assert (await console.browser().log_in("petrova")).status == 303


@pytest.mark.parametrize("login", ["petrova", "nobody"])
async def test_after_five_tries_the_wait_grows(console: Any, login: str) -> None:
    await console.user("petrova")
    browser = console.browser()
    for left in (4, 3, 2, 1, 0):
        page = await browser.log_in(login, "wrong")
        assert page.status == 422
        assert (f"{left} попыт" in page.text) is (left > 0)

    waits = []
    for _ in range(7):
        page = await browser.log_in(login, PASSWORD)
        assert page.status == 429, "not even the right password is looked at"
        assert "Слишком много попыток. Попробуйте снова в" in page.text
        waits.append(int(page.headers["Retry-After"]))
        console.clock.move(seconds=waits[-1])
        assert (await browser.log_in(login, "wrong")).status == 422
    assert waits == [31, 61, 121, 241, 481, 901, 901]

    console.clock.move(minutes=16)
    assert (await browser.log_in(login, PASSWORD)).status == (303 if login == "petrova" else 422)
    if login == "petrova":
        assert "Осталось 4 попытки" in (await browser_after_logout(console).log_in(login, "wrong")).text


@pytest.mark.parametrize("given", [{"OTKLIK_STAFF__ADDRESS_TRIES": "3"}])
async def test_one_address_cannot_try_login_after_login(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()
    for login in ("a", "b", "c"):
        assert (await browser.log_in(login, "wrong")).status == 422
    assert (await browser.log_in("petrova")).status == 429
    console.clock.move(seconds=31)
    assert (await browser.log_in("petrova")).status == 303, "who knows the password gets in after the wait"


async def test_tries_at_once_are_counted_one_by_one(console: Any) -> None:
    import asyncio

    await console.user("petrova")
    browsers = [console.browser() for _ in range(9)]
    pages = await asyncio.gather(*(each.log_in("petrova", "wrong") for each in browsers))
    assert sorted(page.status for page in pages) == [422] * 5 + [429] * 4


@pytest.mark.parametrize(
    "next_, leads_to",
    [
        ("/tickets/OTK-26-000001", "/tickets/OTK-26-000001"),
        ("/queue?status=new&q=%D0%B0", "/queue?status=new&q=%D0%B0"),
        ("https://evil.example/", "/queue"),
        ("//evil.example/", "/queue"),
        ("/\\evil.example", "/queue"),
        ("\\\\evil.example", "/queue"),
        ("/%0d%0aSet-Cookie:x=1", "/%0d%0aSet-Cookie:x=1"),
        ("/x\r\nSet-Cookie: x=1", "/queue"),
        ("javascript:alert(1)", "/queue"),
        ("/login", "/queue"),
        ("/logout", "/queue"),
        ("", "/queue"),
    ],
)
async def test_a_login_leads_nowhere_else(console: Any, next_: str, leads_to: str) -> None:
    await console.user("petrova")
    browser = console.browser()
    token = (await browser.get("/login")).field("csrf")
    form = {"csrf": token, "next": next_, "login": "petrova", "password": PASSWORD}
    welcome = await browser.post("/login", form)
    assert (welcome.status, welcome.leads_to) == (303, leads_to)


async def test_a_session_ends_by_idling_and_by_age(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()
    await browser.log_in("petrova")
    for _ in range(6):
        console.clock.move(minutes=115)
        assert (await browser.get("/account")).status == 200, "every request keeps it"
    console.clock.move(minutes=40)
    assert (await browser.get("/account")).status == 303, "twelve hours are over"

    await browser.log_in("petrova")
    console.clock.move(minutes=121)
    assert (await browser.get("/account")).status == 303


@pytest.mark.parametrize("given", [{"OTKLIK_SITE__PUBLIC_URL": "https://desk.example.ru"}])
async def test_over_https_the_cookies_are_bound_to_the_host(console: Any) -> None:
    await console.user("petrova")
    browser = console.browser()
    page = await browser.get("/login")
    assert "__Host-otklik-form" in browser.cookies
    welcome = await browser.post("/login", {"csrf": page.field("csrf"), "login": "petrova", "password": PASSWORD})
    given = [value for value in welcome.headers.getall("Set-Cookie") if value.startswith("__Host-otklik=")]
    assert len(given) == 1
    assert all(word in given[0] for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Domain" not in given[0]
    browser.cookies = {"otklik": browser.cookies["__Host-otklik"]}
    assert (await browser.get("/account")).status == 303, "the plain name is not looked at"


async def test_htmx_is_sent_to_the_login_page_as_a_whole(console: Any) -> None:
    page = await console.browser().get(
        "/account", headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/queue?view=mine"}
    )
    assert page.status == 401
    assert page.headers["HX-Redirect"] == "/login?next=/queue%3Fview%3Dmine"


@pytest.mark.parametrize(
    "body, kind",
    [
        (b"login=\xff\xfe&password=%FF", "application/x-www-form-urlencoded"),
        (
            b"--x\r\nContent-Disposition: form-data; name=login; filename=a\r\n\r\nb\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
        (b"{}", "application/json"),
        (b"", "multipart/form-data"),
        (b"login=a&login=b&password", "application/x-www-form-urlencoded; charset=none"),
        (b"x" * 100_000, "application/x-www-form-urlencoded"),
        (rb"login=\ud800&next=\ud800", "application/x-www-form-urlencoded; charset=unicode_escape"),
        (
            b"--x\r\nContent-Disposition: form-data; name=login\r\nContent-Transfer-Encoding: y\r\n\r\nb\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/login/code", "/account/password", "/users"])
async def test_a_body_that_is_no_form_breaks_nothing(console: Any, path: str, body: bytes, kind: str) -> None:
    await console.user("vera", "administrator")
    browser = console.browser()
    await browser.log_in("vera")
    page = await browser.ask("POST", path, data=body, headers={"Content-Type": kind})
    assert 300 <= page.status < 500, page.text[:300]
    assert "otklik" in browser.cookies


@pytest.mark.parametrize("method, header", [("POST", "Referer"), ("GET", "HX-Current-URL")])
async def test_an_address_that_is_none_leads_to_the_login_all_the_same(console: Any, method: str, header: str) -> None:
    headers = {header: "http://["} | ({"HX-Request": "true"} if header.startswith("HX") else {})
    page = await console.browser().ask(method, "/account", headers=headers)
    assert page.status == (401 if header.startswith("HX") else 303)
    assert page.headers.get("HX-Redirect", page.headers.get("Location")) == "/login?next=/"


def browser_after_logout(console: Any) -> Any:
    return console.browser()


async def _actor() -> Any:
    from desk.change import Actor

    return Actor("cli:root")
