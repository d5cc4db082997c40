"""Files that pages use, served from memory under an address that names their content.

`/static/otklik.3f2a9c1b7d.css` may be kept for ever: another content has another address.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from web.look.headers import file_headers

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
_HASHED = re.compile(r"^(?P<stem>.+)\.(?P<mark>[0-9a-f]{12})(?P<ending>\.[a-z0-9]+)$")
_FOR_OTHERS = frozenset({"embed.js"})
"""Files that pages of other sites load."""
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, max-age=0, must-revalidate"


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    packed: bytes
    kind: str
    mark: str


class StaticFiles:
    """Every file of a folder; other endings than those known here are not served."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.name: _read(path) for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in _TYPES
        }

    def names(self) -> list[str]:
        """What can be served."""
        return list(self._files)

    def address(self, name: str) -> str:
        """Where a file is found, its content named.

        Raises:
            KeyError: there is no such file.
        """
        stem, dot, ending = name.rpartition(".")
        return f"/static/{stem}.{self._files[name].mark}{dot}{ending}"

    def routes(self) -> list[web.RouteDef]:
        """The one address, `/static/{name}`."""
        return [web.get("/static/{name}", self.serve)]

    async def serve(self, request: web.Request) -> web.Response:
        """A file, packed where the browser takes that.

        Raises:
            HTTPNotFound: there is no such file, or it has another content now.
        """
        name = request.match_info["name"]
        found = _HASHED.match(name)
        file = self._files.get(f"{found['stem']}{found['ending']}" if found else name)
        if file is None or (found and found["mark"] != file.mark):
            raise web.HTTPNotFound
        headers = file_headers() | {
            "Cache-Control": _FOR_EVER if found else _ASK_AGAIN,
            "Content-Type": file.kind,
            "ETag": f'"{file.mark}"',
            "Vary": "Accept-Encoding",
        }
        if name in _FOR_OTHERS:
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if any(tag.value == file.mark for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        if len(file.packed) < len(file.body) and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.packed, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    kind = _TYPES[path.suffix]
    packed = body if path.suffix in {".png", ".ico"} else gzip.compress(body, 9, mtime=0)
    return _File(body, packed, kind, hashlib.sha256(body).hexdigest()[:12])
