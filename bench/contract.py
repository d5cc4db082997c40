"""The API held to its own description: `python -m bench.contract --examples 100 --seed N --database both`

Schemathesis reads `/openapi.json` of the running program and asks what the description allows and what it forbids, with
a token of every scope, one of all scopes, and one restricted to a customer. Every answer must be a described one: its
status, its headers, its shape; nothing may be a 5xx, what is malformed must be refused and what is described be taken.
The program holds tickets, deliveries, a mail with a file, and quarantine entries, whose keys stand in the requests of a
second pass. Exit status 1 where anything failed.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import smtplib
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench import product
from bench.processes import ROOT, BenchError, Children, tail
from bench.product import Gateway
from bench.workshop import Workshop
from web.api.access import SCOPES

CONFIG = ROOT / "bench" / "contract.toml"
PATIENCE = 1800.0


@dataclass(frozen=True, slots=True)
class Found:
    """Keys of things the program holds."""

    number: str
    message: str
    file: str
    delivery: str
    entry: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one run: with which token, and what Schemathesis printed where it failed."""

    token: str
    passed: bool
    cases: str
    printed: str


def check(database_url: str, folder: Path, children: Children, *, examples: int, seed: int) -> list[Verdict]:
    """Run everything against one database.

    Raises:
        BenchError: the program or Schemathesis could not be run.
    """
    logged = children.logs / "contract.log"
    before = len(logged.read_text(errors="replace")) if logged.exists() else 0
    gateway = product.start(children, folder, database_url, name="contract", token=True)
    config = folder / "otklik.toml"
    tokens = {scope: _token(config, scope.replace(":", "-"), "--scope", scope) for scope in SCOPES}
    every = [word for scope in SCOPES for word in ("--scope", scope)]
    tokens["all scopes"] = _token(config, "all", *every)
    bounded = [word for scope in SCOPES if not scope.startswith("quarantine") for word in ("--scope", scope)]
    tokens["one customer"] = _token(config, "bounded", *bounded, "--customer", _customer(config))
    found = _furnish(gateway, tokens["all scopes"])
    verdicts = []
    for name, token in tokens.items():
        verdicts.append(_run(gateway, folder, name, token, CONFIG, examples, seed))
        gateway.child.check()
    known = folder / "known.toml"
    known.write_text(CONFIG.read_text() + _parameters(found))
    verdicts.append(_run(gateway, folder, "all scopes, known keys", tokens["all scopes"], known, examples, seed))
    gateway.child.check()
    log = gateway.child.log.read_text(errors="replace")[before:]
    if "Traceback" in log or "request_failed" in log:
        verdicts.append(Verdict("the program's log", False, "", tail(gateway.child.log)))
    return verdicts


def _token(config: Path, name: str, *arguments: str) -> str:
    printed = product.command("token", "create", name, *arguments, "--limit", "0", "--json", config=config)
    token: str = json.loads(printed)["token"]
    return token


def _customer(config: Path) -> str:
    printed = product.command("org", "export", "--json", config=config)
    code: str = tomllib.loads(json.loads(printed)["toml"])["customer"][0]["code"]
    return code


def _furnish(gateway: Gateway, token: str) -> Found:
    """Put something of every kind into the program and return its keys."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "irina@north.example", "help@desk.example", "Принтер"
    mail["Message-ID"], mail["Date"] = "<contract@north.example>", "Sat, 21 Nov 2026 12:00:00 +0300"
    mail.set_content("Не печатает")
    mail.add_alternative("<p>Не <b>печатает</b></p>", subtype="html")
    mail.add_attachment(b"%PDF-1.4 nothing", maintype="application", subtype="pdf", filename="счёт.pdf")
    with smtplib.SMTP("127.0.0.1", gateway.smtp_port) as client:
        client.sendmail("irina@north.example", ["help@desk.example"], mail.as_bytes())
        client.sendmail("", ["help@desk.example"], b"\r\n")
    [ticket] = _asked(gateway, token, "/api/v1/tickets?channel=email")["items"]
    whole = _asked(gateway, token, f"/api/v1/tickets/{ticket['number']}")
    [message] = whole["messages"]
    [delivery, *_] = _asked(gateway, token, "/api/v1/deliveries")["items"]
    entries = _asked(gateway, token, "/api/v1/quarantine")["items"]
    if not entries:
        raise BenchError("an empty mail did not go to quarantine")
    return Found(ticket["number"], message["id"], message["attachments"][0]["id"], delivery["id"], entries[0]["id"])


def _asked(gateway: Gateway, token: str, path: str) -> Any:
    request = Request(f"http://127.0.0.1:{gateway.http_port}{path}", headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=30) as response:  # noqa: S310 - an address of ours
        return json.load(response)


def _parameters(found: Found) -> str:
    """Settings of Schemathesis that put known keys into paths."""
    tickets = "/api/v1/tickets/{number}"
    keys = {
        tickets: {"number": found.number},
        f"{tickets}/status": {"number": found.number},
        f"{tickets}/comments": {"number": found.number},
        f"{tickets}/assign": {"number": found.number},
        f"{tickets}/messages/{{id}}/raw": {"number": found.number, "id": found.message},
        f"{tickets}/messages/{{id}}/html": {"number": found.number, "id": found.message},
        f"{tickets}/attachments/{{id}}": {"number": found.number, "id": found.file},
        "/api/v1/deliveries/{id}": {"id": found.delivery},
        "/api/v1/deliveries/{id}/retry": {"id": found.delivery},
        "/api/v1/deliveries/{id}/settle": {"id": found.delivery},
        "/api/v1/quarantine/{id}": {"id": found.entry},
        "/api/v1/quarantine/{id}/raw": {"id": found.entry},
        "/api/v1/quarantine/{id}/replay": {"id": found.entry},
    }
    blocks = []
    for path, parameters in keys.items():
        values = "\n".join(f'"path.{name}" = "{value}"' for name, value in parameters.items())
        blocks.append(f'\n[[operations]]\ninclude-path = "{path}"\n[operations.parameters]\n{values}\n')
    return "".join(blocks)


def _run(gateway: Gateway, folder: Path, name: str, token: str, config: Path, examples: int, seed: int) -> Verdict:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or "schemathesis"
    argv = [
        program, f"--config-file={config}", "run", f"http://127.0.0.1:{gateway.http_port}/openapi.json",
        "-H", f"Authorization: Bearer {token}", "--max-examples", str(examples), "--seed", str(seed),
        "--checks", "all", "--continue-on-failure", "--no-color", "--output-sanitize", "false",
    ]  # fmt: skip
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"schemathesis: {error}") from None
    lines = done.stdout.splitlines()
    cases = next((line.strip() for line in reversed(lines) if "generated" in line or "cases" in line), "")
    return Verdict(name, done.returncode == 0, cases, done.stdout + done.stderr)


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description="the API held to its own description")
    parser.add_argument("--examples", type=int, default=100, help="cases of each call and token")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run; a new one, printed, when left out")
    parser.add_argument("--database", choices=("sqlite", "pg", "both"), default="both")
    options = parser.parse_args()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    failed = 0
    with Workshop() as shop:
        for base in ("sqlite", "pg") if options.database == "both" else (options.database,):
            with shop.children.group() as children:
                folder = shop.fresh_folder(f"contract-{base}")
                verdicts = check(shop.database(base), folder, children, examples=options.examples, seed=seed)
            for verdict in verdicts:
                print(
                    f"{base:7} {verdict.token:24} {'ok' if verdict.passed else 'FAILED'}  {verdict.cases}", flush=True
                )
                if not verdict.passed:
                    failed += 1
                    print(verdict.printed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
