"""Mailboxes in the running program: settings, reload, figures, readiness, `otklik check`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from channels.testing_imap import SimulatedImap
from gateway import settings as settings_module
from gateway.commands import check
from gateway.program import Program
from gateway.reload import reload
from gateway.settings_errors import SettingsError
from tests.eventually import eventually
from tests.imap.conftest import a_mail

SETTINGS = """
[database]
url = "{url}"
[http]
listen = "127.0.0.1:0"
[smtp]
listen = "127.0.0.1:0"
[mailbox.help]
address = "help@desk.example"
host = "127.0.0.1"
port = {port}
tls = "none"
password = "secret"
"""
SECOND = """
[mailbox.second]
address = "help@desk.example"
host = "127.0.0.1"
port = {port}
tls = "none"
password = "secret"
folder = "Second"
after = "leave"
"""


@pytest.fixture
def config(laid_out_sqlite: Path, tmp_path: Path, server: SimulatedImap) -> Path:
    """Settings with one mailbox, of a program whose database is there."""
    database = shutil.copy(laid_out_sqlite, tmp_path / "otklik.sqlite")
    path = tmp_path / "otklik.toml"
    path.write_text(SETTINGS.format(url=f"sqlite:///{database}", port=server.port))
    return path


async def test_mailboxes_are_read_counted_and_changed_without_a_restart(config: Path, server: SimulatedImap) -> None:
    server.folders["INBOX"].deliver(a_mail(1))
    program = Program(settings_module.load(config, {}), only=("imap", "http"))
    await program.start()
    try:
        assert program.mailboxes is not None

        async def read() -> bool:
            assert program.mailboxes is not None
            return program.mailboxes.told() == {"help": "ok"}

        await eventually(read)
        ready, document = await program.operations.readiness.report()
        assert (ready, document["mailboxes"], document["duties"]["imap"]) == (True, {"help": "ok"}, "ok")
        page = (await program.operations.metrics.page(""))[0].decode()
        assert 'otklik_mailbox_mails_total{mailbox="help",outcome="accepted"} 1.0' in page
        assert 'otklik_mailbox_silent{mailbox="help"} 0.0' in page
        assert 'otklik_duty_up{duty="imap"} 1.0' in page

        server.folder("Second").deliver(a_mail(2))
        config.write_text(config.read_text() + SECOND.format(port=server.port))
        assert await reload(program, settings_module.load(config, {})) == (["mailbox"], [])
        first = program.mailboxes.running["help"]

        async def both() -> bool:
            assert program.mailboxes is not None
            return program.mailboxes.told() == {"help": "ok", "second": "ok"}

        await eventually(both)
        assert program.mailboxes.running["help"] is first
        config.write_text(config.read_text().partition("[mailbox")[0])
        await reload(program, settings_module.load(config, {}))

        async def none() -> bool:
            assert program.mailboxes is not None
            return program.mailboxes.told() == {}

        await eventually(none)
        assert "ended" not in str(await program.operations.readiness.report())
    finally:
        await program.stop()


async def test_check_says_of_each_mailbox_what_it_found(tmp_path: Path, server: SimulatedImap) -> None:
    server.folders["INBOX"].deliver(a_mail(1))
    config = tmp_path / "otklik.toml"
    config.write_text(SETTINGS.format(url="sqlite:///x", port=server.port) + SECOND.format(port=server.port))
    settings = settings_module.load(config, {})
    good = await check._mailbox(settings, "help")
    assert str(good) == f"ok  mailbox help: 127.0.0.1:{server.port}, INBOX: 1 messages, IDLE"
    bad = await check._mailbox(settings, "second")
    assert not bad.ok
    assert "there is no such folder; see [mailbox.second]" in bad.told


WHOLE = {"password": "x", "address": "a@b.example"}


@pytest.mark.parametrize(
    "given,told",
    [
        ({"password": ""}, "either a password or an oauth_token_url"),
        ({"oauth_token_url": "https://x.example/token"}, "either a password or an oauth_token_url"),
        ({"password": "", "oauth_token_url": "https://x.example/token"}, "an oauth_client_id"),
        ({"after": "move"}, "move_to together"),
        ({"move_to": "Done"}, "move_to together"),
        ({"after": "move", "move_to": "INBOX"}, "a folder to move to that is not the one that is read"),
        ({"idle_renewal": "29 min"}, "28 minutes at most"),
        ({"silent": "1 min"}, "a silent that is longer"),
        ({"ca": "/nowhere.pem"}, "the path of a file that exists"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, given: dict[str, str], told: str) -> None:
    config = tmp_path / "otklik.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**WHOLE, **given}.items()]
    config.write_text("\n".join(["[mailbox.help]", *lines]))
    with pytest.raises(SettingsError, match=told):
        settings_module.load(config, {})


@pytest.mark.parametrize("name", ["smtp", "Help", "a" * 31, "два"])
def test_names_of_mailboxes_are_short_and_plain(tmp_path: Path, name: str) -> None:
    config = tmp_path / "otklik.toml"
    config.write_text(f'[mailbox."{name}"]\npassword = "x"\n')
    with pytest.raises(SettingsError, match="30 characters at most"):
        settings_module.load(config, {})


def test_secrets_may_stand_in_files_and_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "refresh").write_text("of Irina\n")
    config = tmp_path / "otklik.toml"
    config.write_text(
        '[mailbox.help]\noauth_token_url = "https://x.example/token"\noauth_client_id = "id"\n'
        'oauth_refresh_token_file = "refresh"\n'
    )
    settings = settings_module.load(config, {})
    assert settings.mailbox["help"].oauth_refresh_token.get_secret_value() == "of Irina"
    assert "of Irina" not in repr(settings)


async def test_a_fax_in_a_mailbox_is_the_caller_s_and_the_gateways_change_while_it_runs(
    config: Path, server: SimulatedImap
) -> None:
    program = Program(settings_module.load(config, {}), only=("imap",))
    await program.start()
    try:
        for count, caller in enumerate(("fax@pbx.example", "+73832223344"), 1):
            server.folders["INBOX"].deliver(
                f"From: fax@pbx.example\r\nSubject: New fax from: 83832223344\r\nMessage-ID: <{count}@x>\r\n"
                "Content-Type: application/pdf; name=fax.pdf\r\n\r\n%PDF-1.4 pages\r\n".encode()
            )

            async def there(wanted: int = count) -> bool:
                return len(await senders()) == wanted

            async def senders() -> list[str]:
                query = "SELECT sender_value FROM messages ORDER BY id"
                return await program.opened.read(lambda c: list(c.exec_driver_sql(query).scalars()))

            await eventually(there)
            assert (await senders())[-1] == caller
            if count == 1:
                with config.open("a") as more:
                    more.write('[fax]\ngateways = ["fax@pbx.example"]\n')
                assert await reload(program, settings_module.load(config, {})) == (["fax.gateways"], [])
    finally:
        await program.stop()
