"""Settings of the mail door: what is refused, what becomes of them, and what they load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway import assemble_mail
from gateway.clock import SystemClock
from gateway.settings import Settings, load
from gateway.settings_errors import SettingsError


def read(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "otklik.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ)


WRONG = [
    ("[smtp]\nrequire_tls = true\n", "a certificate and its key"),
    ('[smtp]\ntls_listen = "127.0.0.1:465"\n', "a certificate and its key"),
    ('[smtp]\ncertificate = "otklik.toml"\n', "certificate and key together"),
    ('[smtp]\nrecipients = ["help"]\n', "a mailbox such as"),
    ('[smtp]\nproxies = ["balancer"]\n', "an address or a network"),
    ('[smtp.accounts]\nscanner = "short"\n', "8 characters or more"),
    ('[lmtp]\nlisten = "somewhere"\n', "an address such as"),
    ('[authenticity]\nresolver = ["dns.example"]\n', "an address such as"),
    ('[authenticity]\nresolver = ["127.0.0.1:x"]\n', "an address such as"),
    ('[spam]\nblock = ["a b"]\n', "a mailbox, a domain or a network"),
    ('[spam]\nrspamd = "localhost:11333"\n', "an address such as"),
    ('[spam]\ndnsbl_action = "drop"\n', "'reject', 'spam' or 'note'"),
]


@pytest.mark.parametrize("text, why", WRONG)
def test_what_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert why in str(refused.value)
    assert "short" not in str(refused.value).replace("shorter", "")


def test_all_of_it_reaches_the_door(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("pem")
    (tmp_path / "scanner").write_text("correct horse\n")
    settings = read(
        tmp_path,
        """
[smtp]
listen = "0.0.0.0:25"
tls_listen = "[::]:465"
certificate = "cert.pem"
key = "key.pem"
require_tls = true
domains = ["Example.ru"]
recipients = ["help@example.ru"]
trusted = ["10.0.0.1"]
proxies = ["10.0.0.2/32"]
connections = 7
client_connections = 6
client_commands = 5
client_mails = 4
session_timeout = "3 min"
[smtp.accounts]
scanner_file = "scanner"
[lmtp]
listen = "/run/otklik/lmtp"
[mail]
sender = "desk@example.ru"
reply_mailbox = "r@example.ru"
return_mailbox = "back@example.ru"
""",
    )
    door = assemble_mail.listener_options(settings)
    assert (door.host, door.port, door.tls_host, door.tls_port) == ("0.0.0.0", 25, "::", 465)
    assert (door.certificate, door.require_tls) == (str(tmp_path / "cert.pem"), True)
    assert door.recipients == {"help@example.ru", "desk@example.ru", "r@example.ru", "back@example.ru"}
    assert (door.trusted, door.proxies) == ({"10.0.0.1/32"}, {"10.0.0.2/32"})
    assert (door.max_connections, door.client_connections, door.client_commands, door.client_mails) == (7, 6, 5, 4)
    assert (door.session_timeout, door.lmtp, dict(door.accounts)) == (
        180.0,
        "/run/otklik/lmtp",
        {"scanner": "correct horse"},
    )
    assert "horse" not in repr(settings)


def test_without_named_recipients_none_are_added(tmp_path: Path) -> None:
    assert assemble_mail.listener_options(read(tmp_path, "")).recipients == frozenset()


@pytest.mark.parametrize(
    "text, examined, looked_up",
    [
        ("", True, False),
        ("[authenticity]\nverify = false\n", False, False),
        ('[authenticity]\nverify = false\n[spam]\nblock = ["example.ru"]\n', True, False),
        ('[authenticity]\nverify = false\n[spam]\nclamd = "/run/clamd"\n', True, False),
        ('[authenticity]\nverify = false\n[spam]\ndnsbl = ["bl.example"]\n', True, True),
    ],
)
def test_nothing_is_asked_that_the_settings_do_not_ask(
    tmp_path: Path, text: str, examined: bool, looked_up: bool
) -> None:
    found = assemble_mail.checks(read(tmp_path, text), SystemClock())
    assert (found.examine is not None, found.dnsbl is not None) == (examined, looked_up)


PROGRAM = """
import sys
from gateway import assemble_mail, program
from gateway.clock import SystemClock
from gateway.settings import Settings
assemble_mail.checks(Settings(), SystemClock())
print(*sorted({"dns", "publicsuffixlist", "dkim"} & set(sys.modules)))
"""


def test_what_verifies_is_loaded_when_there_is_something_to_verify() -> None:
    done: Any = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
