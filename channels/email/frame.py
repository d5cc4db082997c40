"""A mail's HTML as a document that can be put into a sandboxed frame: it runs nothing, loads nothing, leads nowhere.

Pictures that are parts of the mail (`cid:`, RFC 2392) stand in the document itself as `data:` URLs, so that the frame
asks for nothing at all; other pictures are named by their text. Links keep their words and show where they would lead,
but cannot be followed: the words of a mail often name one place and lead to another.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any
from urllib.parse import unquote

from channels.email import body, html, parse
from channels.email.parse import Mail

MAX_PICTURES = 5_000_000
"""Octets of pictures put into one document."""

MAX_LINK = 300

STYLE = (
    "body{margin:12px;background:#fff;color:#182124;font:15px/23px system-ui,sans-serif;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{margin:0 0 0 4px;padding-left:12px;border-left:2px solid #c5cccb}"
)
"""The only style there is: who shows the document allows it by its hash and nothing else."""

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
"""What only a picture can be; SVG is a document of its own and is not shown."""


def document(raw: bytes, language: str = "") -> str:
    """A whole HTML document of a mail; empty where the mail has no HTML."""
    mail = parse.parse(raw)
    content = body.sort(mail)
    parts = [html.sanitise(body.text(mail, part)) for part in content.htmls[:20]]
    if not any(part.strip() for part in parts):
        return ""
    return _whole(_inert("<hr>".join(parts), _pictures(mail)), language)


def notice(words: str) -> str:
    """A document that says something of ours where there is nothing to show."""
    return _whole(f"<p>{escape(words)}</p>", "")


def _whole(shown: str, language: str) -> str:
    lang = f' lang="{escape(language, quote=True)}"' if language else ""
    head = f'<meta charset="utf-8"><title>-</title><style>{STYLE}</style>'
    return f'<!doctype html><html{lang}><head>{head}</head><body dir="auto">{shown}</body></html>'


def _pictures(mail: Mail) -> dict[str, str]:
    """`data:` URLs of the mail's own pictures by content id."""
    found: dict[str, str] = {}
    room = MAX_PICTURES
    for part in mail.leaves:
        name = part.first(b"content-id").strip(b" <>\t").decode("utf-8", "replace")
        if not name or part.type not in _PICTURES or name in found:
            continue
        octets = body.payload(mail, part)
        if len(octets) <= room:
            room -= len(octets)
            found[name] = f"data:{part.type};base64,{b64encode(octets).decode('ascii')}"
    return found


def _inert(source: str, pictures: dict[str, str]) -> str:
    """Sanitised HTML without anything that could be followed or loaded."""
    from selectolax.lexbor import LexborHTMLParser

    tree: Any = LexborHTMLParser(source)
    for node in tree.css("a"):
        target = (node.attributes.get("href") or "").strip()
        for name in list(node.attributes):
            del node.attrs[name]
        if target and target.partition(":")[2].strip("/") not in (node.text() or ""):
            node.insert_after(f" [{target[:MAX_LINK]}]")
    for node in tree.css("img"):
        attributes = dict(node.attributes)
        source_of = (attributes.get("src") or "").strip()
        kept = pictures.get(unquote(source_of[4:]).strip("<>")) if source_of.lower().startswith("cid:") else None
        if kept is None:
            words = attributes.get("alt") or ""
            node.replace_with(f"[{words}]" if words else "")
        else:
            node.attrs["src"] = kept
    found = tree.body
    return str(found.inner_html or "") if found is not None else ""
