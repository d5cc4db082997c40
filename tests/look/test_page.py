"""How a page leaves the program: its headers, its reader, its fragments, its toast, and the pages of errors."""

from __future__ import annotations

import base64
import json
import re
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from web.look import toast
from web.look.page import Look
from web.look.reader import reader_of

from .conftest import NOW, Ask, visitor

WEB = Path(__file__).parents[2] / "web"
EVERY_ERROR = [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 503]


def cookie_of(response: web.Response, name: str) -> str:
    return response.cookies[name].value


def test_nothing_from_elsewhere_may_run_load_or_frame_a_page(look: Look, ask: Ask) -> None:
    headers = look.error(ask(), 404).headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "camera=()" in headers["Permissions-Policy"]


def test_a_page_may_name_who_embeds_it(look: Look, ask: Ask) -> None:
    page = look.render(
        ask(),
        "look/error.html.j2",
        frame_ancestors=["https://a.example"],
        code=404,
        name="error.404",
        key="",
        back="",
        incident="",
        facts={},
    )
    assert page.headers["Content-Security-Policy"].endswith("frame-ancestors https://a.example")


@pytest.mark.parametrize("template", sorted(WEB.glob("*/templates/*.j2")), ids=lambda path: path.name)
def test_no_template_has_styles_or_scripts_of_its_own(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:|hx-on", source)
    assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", source))
    assert "| safe" not in source
    assert "|safe" not in source


@pytest.mark.parametrize(
    "headers, path, expected",
    [
        ({}, "/", "ru"),
        ({"Accept_Language": "en-GB,en;q=0.9"}, "/", "en"),
        ({"Accept_Language": "de"}, "/", "ru"),
        ({"Accept_Language": "en", "Cookie": "language=ru"}, "/", "ru"),
        ({"Cookie": "language=ru"}, "/?lang=en", "en"),
        ({"Cookie": "language=xx"}, "/?lang=yy", "ru"),
    ],
)
def test_the_public_reader_chooses_the_language(
    look: Look, ask: Ask, headers: dict[str, str], path: str, expected: str
) -> None:
    page = look.error(ask(path, **headers), 404)
    assert f'<html lang="{expected}"' in str(page.text)
    assert page.headers["Content-Language"] == expected


def test_a_language_asked_for_in_the_address_is_remembered(look: Look, ask: Ask) -> None:
    assert cookie_of(look.error(ask("/x?lang=en"), 404), "language") == "en"


def test_staff_read_in_their_own_language(look: Look, ask: Ask) -> None:
    page = look.error(ask("/?lang=ru", visitor=visitor(language="en"), Accept_Language="ru"), 404)
    assert '<html lang="en"' in str(page.text)
    assert "language" not in page.cookies


@pytest.mark.parametrize(
    "own, cookie, expected",
    [
        ("system", "", "system"),
        ("dark", "", "dark"),
        ("dark", "theme=light", "light"),
        ("dark", "theme=%3Cb%3E", "system"),
    ],
)
def test_the_theme_stands_on_the_page_before_any_script(
    look: Look, ask: Ask, own: str, cookie: str, expected: str
) -> None:
    page = look.error(ask("/", visitor=visitor(theme=own), Cookie=cookie), 404)
    assert f'data-theme="{expected}"' in str(page.text)


def test_the_zone_is_the_visitors(look: Look, ask: Ask) -> None:
    assert reader_of(ask("/", visitor=visitor(zone="Asia/Omsk")), look.site, NOW).zone == "Asia/Omsk"
    assert reader_of(ask("/"), look.site, NOW).zone == "Asia/Novosibirsk"


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("status", EVERY_ERROR)
def test_an_error_says_what_happened_and_what_to_do(look: Look, ask: Ask, status: int, language: str) -> None:
    page = look.error(ask("/x", Accept_Language=language), status, incident="abc123def456" if status == 500 else "")
    text = str(page.text)
    assert page.status == status
    assert "<h1>" in text
    assert "/queue" not in text
    assert ("abc123def456" in text) == (status == 500)


def test_staff_see_errors_in_their_frame(look: Look, ask: Ask) -> None:
    text = str(look.error(ask("/x", visitor=visitor()), 403).text)
    assert 'class="topbar"' in text
    assert 'href="/queue"' in text


def test_a_missing_page_and_anothers_look_the_same(look: Look, ask: Ask) -> None:
    one = str(look.error(ask("/t/aaaa"), 404).text)
    other = str(look.error(ask("/t/bbbb"), 404).text)
    assert one.replace("aaaa", "bbbb") == other


def test_hostile_addresses_stay_literal(look: Look, ask: Ask) -> None:
    hostile = "/x%22%3E%3Cscript%3Ealert(1)%3C/script%3E?a=%22%3E%3Cimg%20src=x%3E"
    for who in (None, visitor()):
        text = str(look.error(ask(hostile, visitor=who), 404).text)
        assert "<script>alert" not in text
        assert "<img" not in text


def test_a_staff_page_carries_the_token_for_scripts_and_forms(look: Look, ask: Ask) -> None:
    text = str(look.error(ask("/x", visitor=visitor(csrf="t0k'\"<en")), 404).text)
    carried = re.search(r"hx-headers='([^']*)'", text)
    assert carried is not None
    assert json.loads(carried[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<")) == {
        "X-CSRF-Token": "t0k'\"<en"
    }
    assert 'value="t0k&#39;&#34;&lt;en"' in text


# ---- toasts ----------------------------------------------------------------------------------------------------


def carried_over(look: Look, ask: Ask, response: web.StreamResponse) -> web.Response:
    jar = SimpleCookie()
    for name, morsel in response.cookies.items():
        jar[name] = morsel.value
    return look.error(ask("/x", visitor=visitor(), Cookie=jar.output(header="", sep=";").strip()), 404)


def test_a_toast_is_told_once_by_the_next_page(look: Look, ask: Ask) -> None:
    redirect = web.Response(status=303)
    look.tell(redirect, "part.chosen", undo="/tickets/1/undo", n=2)
    page = carried_over(look, ask, redirect)
    assert "Выбрано 2" in str(page.text)
    assert 'action="/tickets/1/undo"' in str(page.text)
    assert str(page.cookies["toast"]["max-age"]) == "0"


def forged(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        "rubbish",
        "",
        forged("text"),
        forged([1, 2, 3]),
        forged(["no.such.key", {}, ""]),
        forged(["part.chosen", {}, ""]),
        forged(["part.chosen", [], ""]),
        "A" * 5000,
    ],
)
def test_a_forged_toast_is_no_toast(look: Look, ask: Ask, value: str) -> None:
    assert toast.taken(ask("/", Cookie=f"toast={value}"), look.words, "ru") is None


@pytest.mark.parametrize("undo", ["https://evil.example/", "//evil.example", "/\\evil.example", 7, None])
def test_a_forged_toast_leads_nowhere_else(look: Look, ask: Ask, undo: Any) -> None:
    value = forged(["part.chosen", {"n": "<b>"}, undo])
    told = toast.taken(ask("/", Cookie=f"toast={value}"), look.words, "ru")
    assert told is not None
    assert told.undo == ""
    assert "<b>" not in told.text


def test_what_is_told_must_be_a_phrase_of_ours(look: Look) -> None:
    with pytest.raises(KeyError):
        look.tell(web.Response(), "Заявка закрыта")


# ---- fragments -------------------------------------------------------------------------------------------------


def test_a_fragment_is_one_block_with_what_its_template_set(look: Look, ask: Ask) -> None:
    facts = {"code": 404, "name": "error.404", "key": "", "back": "", "incident": "", "facts": {}}
    page = look.render(ask("/x"), "look/error.html.j2", fragment="main", **facts)
    text = str(page.text).strip()
    assert text.startswith('<section class="error-page">')
    assert "<html" not in text
