"""A raw mail laid open for a person: its parts as a tree, and the gist of what can be read of it. Total."""

from __future__ import annotations

from typing import Any

from channels.email import body, files, headers, html, parse
from channels.email.parse import Mail, Part

SHOWN = 20_000
MOST_PARTS = 500


def parts_of(raw: bytes) -> list[dict[str, Any]]:
    """Every part of a mail in order: `path`, `depth`, `type`, `name`, `size` (octets as they lie in the mail)."""
    try:
        mail = parse.parse(raw)
        found: list[dict[str, Any]] = []
        waiting: list[tuple[Part, int]] = [(mail.root, 0)]
        while waiting and len(found) < MOST_PARTS:
            part, depth = waiting.pop()
            found.append(_told(part, depth))
            waiting += [(child, depth + 1) for child in reversed(part.children)]
        return found
    except Exception:
        return []


def _told(part: Part, depth: int) -> dict[str, Any]:
    given = part.first(b"content-disposition")
    _, params = headers.parameters(given) if given else ("", {})
    name = params.get("filename") or part.params.get("name") or b""
    return {
        "path": part.path,
        "depth": depth,
        "type": part.type[:100],
        "name": files.safe_name(files.file_name(name)) if name else "",
        "size": part.end - part.start,
    }


def gist_of(raw: bytes) -> tuple[str, str]:
    """Subject and text of a mail, as far as they can be read; empty where they cannot."""
    try:
        mail = parse.parse(raw)
        subject = headers.text_of(mail.root.first(b"subject"))[:300]
        return subject, _text(mail)[:SHOWN]
    except Exception:
        return "", ""


def _text(mail: Mail) -> str:
    said = []
    for part in body.sort(mail).shown[:20]:
        text = body.text(mail, part)
        said.append(html.to_text(text)[0] if part.type == "text/html" else text)
    return "\n\n".join(said).replace("\x00", "\ufffd")
