"""HTML that wants to run, load or lead away, and texts that want to be more than texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
"""Further cases, where they lie beside the project."""

AWAY = "http://away.example"

HTML = {
    "script": "<script>alert(1)</script><script src='http://away.example/x.js'></script>",
    "error of a picture": "<img src=x onerror=alert(1)><img src='http://away.example/p.gif' srcset='http://away.example/2'>",
    "drawing": "<svg onload=alert(1)><script>alert(2)</script><image href='http://away.example/i.svg'/></svg>",
    "style in a drawing": "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "mathematics": "<math><mtext></p><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    "frames": "<iframe src='http://away.example'></iframe><iframe srcdoc='<script>top.alert(1)</script>'></iframe>",
    "objects": "<object data='http://away.example/x'></object><embed src='http://away.example/x'>",
    "form": "<form action='http://away.example'><input autofocus onfocus=alert(1)><button>Войти</button></form>",
    "refresh": "<meta http-equiv=refresh content='0;url=http://away.example'><base href='http://away.example/'>",
    "styles": "<link rel=stylesheet href='http://away.example/x.css'><style>@import url(http://away.example/y.css);</style>",
    "style of an element": "<div style='background:url(http://away.example/z);position:fixed;inset:0'>поверх</div>",
    "media": "<video src='http://away.example/v' poster='http://away.example/p'></video><audio src=x onerror=alert(1)>",
    "body": "<body onload=alert(1) background='http://away.example/b'><table background='http://away.example/t'></table>",
    "unclosed": "<noscript><p title='</noscript><img src=x onerror=alert(1)>'><!--><img src=x onerror=alert(1)>-->",
    "details": "<details open ontoggle=alert(1)><summary>x</summary></details><marquee onstart=alert(1)>x</marquee>",
}

LINKS = (
    "<a target=_top href='http://away.example/login'>банк</a> <a href='javascript:alert(1)'>a</a> "
    "<a href=' java\nscript:alert(2)'>b</a> <a href='data:text/html,<script>alert(3)</script>'>c</a>"
)

TEXTS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7*7 }}",
    "{{7*'7'}}",
    "{% include '/etc/passwd' %}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "{0.__class__.__init__.__globals__}",
    "%(asctime)s %s %n",
    "=cmd|'/C calc'!A0",
    "'; DROP TABLE tickets; --",
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "$(reboot) `reboot` | reboot",
]


def _cases(name: str) -> list[dict[str, Any]]:
    path = CORPORA / name / "expect.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    return [json.loads(line) for line in lines if line]


def foreign_html() -> dict[str, str]:
    """The cases that lie beside the project, by their names."""
    return {case["id"]: case["payload"] for case in _cases("html")}


def foreign_texts() -> list[str]:
    """The texts beside the project that have to stand there as they are."""
    return [case["string"] for case in _cases("inject") if case["expect"].get("rendered_literal")]
