"""A load of web forms: `python -m bench.form_load --port P --count N --connections C --tag T [--bare]`

N forms with words and one file of 20 KB over C connections that stay open, each after the answer to the one before.
Each belongs to a form that was opened: its nonce is fetched and its proof of work done before the clock starts, as
readers' browsers do. `--bare` makes both up, for a server that asks for neither. Prints the JSON object of
`bench.smtp_load`. Any answer but 303 ends the program with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from collections.abc import Sequence

import aiohttp
import uvloop
from altcha import Challenge, Payload, solve_challenge

from bench import http_load

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW0"
FILE = random.Random(20).randbytes(20_000)
SEE_OTHER = 303
_CONSENT = re.compile(r'name="f-consent" value="([0-9a-f]+)"')
_AT_ONCE = 16


def body(fields: Sequence[tuple[str, str]], file: bytes = FILE, *, boundary: str = BOUNDARY) -> bytes:
    """A form with its fields and one file (RFC 7578); no file where it is empty."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="f-files"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    attached = head.encode() + file + b"\r\n" if file else b""
    return "".join(parts).encode() + attached + f"--{boundary}--\r\n".encode()


def answers(who: str, what: str, consent: str) -> list[tuple[str, str]]:
    """What somebody types into the usual form."""
    return [
        ("language", "ru"),
        ("website", ""),
        ("f-hinder", "medium"),
        ("f-what", what),
        ("f-place", "Красный проспект, 17, касса №5"),
        ("f-name", "Laura Stone"),
        ("f-email", who),
        ("f-phone", "+7 913 000-00-07"),
        ("f-consent", consent),
    ]


def solved(challenge: dict[str, object]) -> str:
    """The proof of work of a challenge, as the form carries it."""
    known = Challenge.from_dict(challenge)
    solution = solve_challenge(known)
    if solution is None:
        raise RuntimeError("the proof of work has no solution")
    return Payload(known, solution).to_base64()


async def opened(web: aiohttp.ClientSession, base: str) -> tuple[str, str]:
    """A new opened form: its nonce and its proof."""
    async with web.get(f"{base}/form/support/challenge") as response:
        challenge = await response.json()
    return str(challenge.pop("nonce")), solved(challenge)


async def consent_of(web: aiohttp.ClientSession, base: str) -> str:
    """The version of the text the form asks consent to."""
    async with web.get(f"{base}/form/support?lang=ru") as response:
        found = _CONSENT.search(await response.text())
    if found is None:
        raise RuntimeError("the form asks for no consent")
    return found[1]


async def prepared(base: str, count: int, tag: str) -> list[bytes]:
    """`count` whole requests, each with a nonce of its own."""
    nonces: list[tuple[str, str]] = []
    async with aiohttp.ClientSession() as web:
        consent = await consent_of(web, base)
        while len(nonces) < count:
            some = min(_AT_ONCE, count - len(nonces))
            nonces += await asyncio.gather(*(opened(web, base) for _ in range(some)))
    return [_request(k, tag, nonce, proof, consent) for k, (nonce, proof) in enumerate(nonces)]


def made_up(count: int, tag: str) -> list[bytes]:
    """Requests of the same size that no form was opened for."""
    return [_request(k, tag, "n" * 58, "p" * 700, "0" * 16) for k in range(count)]


def _request(k: int, tag: str, nonce: str, proof: str, consent: str) -> bytes:
    what = f"{http_load.TEXT}({tag}-{k})"
    fields = [("nonce", nonce), ("altcha", proof), *answers(f"user{tag}x{k}@north.example", what, consent)]
    content = body(fields)
    head = (
        "POST /form/support HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def main() -> None:
    """Read the command line, open forms, send them, print."""
    parser = argparse.ArgumentParser(description="a load of web forms")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tag", required=True, help="makes the forms of this run unique")
    parser.add_argument("--bare", action="store_true", help="the server has no forms to open")
    options = parser.parse_args()
    base = f"http://127.0.0.1:{options.port}"
    try:
        made = (
            made_up(options.count, options.tag)
            if options.bare
            else uvloop.run(prepared(base, options.count, options.tag))
        )
        result = uvloop.run(http_load.run(options.port, made, options.connections, SEE_OTHER))
    except (RuntimeError, OSError, aiohttp.ClientError) as error:
        sys.exit(f"form_load: {error}")
    if result["sent"] != options.count:
        sys.exit(f"form_load: {result['sent']} of {options.count} forms were answered")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
