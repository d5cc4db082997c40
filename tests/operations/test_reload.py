"""New settings while the program runs: what can change does, what cannot is named, what is wrong changes nothing."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from channels.testing import SimulatedRelay
from gateway import settings as settings_module
from gateway.reload import FIXED, LIVE, NotReloaded, merged
from gateway.reloading import Reloading
from gateway.settings import Settings
from tests.eventually import eventually
from tests.operations.conftest import IRINA, Start, a_mail


async def again(running: Any, more: str = "", **replaced: str) -> bool:
    """Write other settings and reload; `replaced` are texts of the file by what stands in their place."""
    text = running.config.read_text(encoding="utf-8")
    for old, new in replaced.items():
        text = text.replace(old, new)
    running.config.write_text(text + more, encoding="utf-8")
    return await Reloading(running.program, running.config).once()


RULE = """
[[rules]]
name = "Printers"
when = { text_contains = ["принтер"] }
then = { category = "printing" }
"""


async def test_rules(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    before = await running.make(text="Сломан принтер")
    assert await again(running, RULE)
    after = await running.make(text="Опять сломан принтер")
    assert (before["category"], after["category"]) == ("", "printing")
    (told,) = running.told("reloaded")
    assert told["changed"] == ["rules"]


async def test_what_cannot_change_is_named_and_kept(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    assert await again(running, '[serve]\nnode = "another"\ngrace = "3 s"\n', NSK="MSK")
    (told,) = running.told("reload_needs_restart")
    assert told["keys"] == ["site.prefix", "serve.node"]
    assert running.program.settings.serve.grace.total_seconds() == 3
    assert (await running.make())["number"].startswith("NSK-")
    # it is still waiting at the next reload
    assert await again(running)
    assert len(running.told("reload_needs_restart")) == 2


WRONG = [
    pytest.param('[outbox]\nevrey = "1 h"\n', "outbox.evrey: there is no such key; did you mean every?", id="a slip"),
    pytest.param("[[rules]]\nname = 1\n", "name", id="a rule that is none"),
    pytest.param("[site\n", "this is not TOML", id="no TOML"),
]


@pytest.mark.parametrize("more, why", WRONG)
async def test_what_is_wrong_changes_nothing_and_is_told_in_one_line(
    laid_out_file: str, start: Start, more: str, why: str
) -> None:
    running = await start(laid_out_file)
    before = running.program.settings
    assert not await again(running, more.replace("[outbox]\n", ""))
    (told,) = running.told("reload_refused")
    assert why in told["why"]
    assert "\n" not in told["why"]
    assert running.program.settings is before
    figures = await running.figures()
    assert figures["otklik_settings_last_reload_successful", frozenset()] == 0


async def test_a_text_that_is_wrong_keeps_the_texts_of_before(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    folder = running.config.parent / "texts" / "ru" / "received"
    folder.mkdir(parents=True)
    (folder / "subject.j2").write_text("{{ ticket.number ", encoding="utf-8")
    assert not await again(running, '[templates]\nfolder = "texts"\n')
    assert "subject.j2" in running.told("reload_refused")[0]["why"]
    (folder / "subject.j2").write_text("Приняли {{ ticket.number }}\n", encoding="utf-8")
    assert await again(running)
    await running.send()

    async def told() -> bool:
        return bool(running.relay.to(IRINA))

    await eventually(told)
    from email import message_from_bytes, policy

    mail = message_from_bytes(running.relay.to(IRINA)[0].raw, policy=policy.default)
    assert re.fullmatch(r"Приняли NSK-26-\d{6}", str(mail["Subject"]).replace("\N{NON-BREAKING HYPHEN}", "-"))


async def test_another_relay(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    await running.send()

    async def at(relay: SimulatedRelay, mails: int) -> Any:
        return await eventually(lambda: asyncio.sleep(0, len(relay.to(IRINA)) == mails))

    await at(running.relay, 1)
    other = SimulatedRelay()
    await other.start()
    try:
        old = running.relay.port
        assert await again(running, **{f"port = {old}": f"port = {other.port}"})
        mail = a_mail("Второе письмо")
        mail.replace_header("From", "oleg@sibtrans.example")
        await running.send(mail)
        await eventually(lambda: asyncio.sleep(0, len(other.to("oleg@sibtrans.example")) == 1))
        assert len(running.relay.to(IRINA)) == 1
    finally:
        await other.stop()


async def test_a_relay_more_and_one_less(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    worker = running.program.worker
    assert await again(running, f"[relay.second]\nport = {running.relay.port}\n")
    assert set(worker.senders) == {"simulated", "second"}
    assert await again(running, **{"[relay.simulated]": "[relay.third]"})
    assert set(worker.senders) == {"third", "second"}
    await running.send()
    await eventually(lambda: asyncio.sleep(0, len(running.told("delivery_tried")) == 2))
    assert {line["provider"] for line in running.told("delivery_tried")} == {"third"}
    await eventually(lambda: asyncio.sleep(0, set(worker.turned_at) == {"third", "second"}))


async def test_a_send_on_the_wire_ends_with_the_relay_it_began_with(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    running.relay.script(["slow 0.5"], to=IRINA)
    await running.send()
    await eventually(lambda: asyncio.sleep(0, any(running.program.worker._using.values())))
    assert await again(running, **{"[relay.simulated]": "[relay.simulated]\nconnections = 3"})
    await eventually(lambda: asyncio.sleep(0, len(running.told("delivery_tried")) == 2))
    assert {line["outcome"] for line in running.told("delivery_tried")} == {"accepted"}
    assert len(running.relay.to(IRINA)) == 1


async def test_limits_and_whom_to_believe(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    listen = 'listen = "127.0.0.1:0"'
    limits = f'[http]\n{listen}\nmax_body = "50 B"\ntrusted_proxies = ["127.0.0.0/8"]\n'
    assert await again(running, **{f"[http]\n{listen}\n": limits})
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"}
    async with running.session.post(f"{running.base}/api/v1/tickets", data=b"x" * 60, headers=headers) as answer:
        assert answer.status == 413
    assert running.program.http.traffic.proxies.trusts("127.0.0.1")


async def test_domains_of_the_smtp_door(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    assert "Accepted" in await running.send()
    assert await again(running, **{'["otklik.example"]': '["other.example"]'})
    assert not running.program.listener.serves("support@otklik.example")
    assert running.program.listener.serves("support@other.example")


async def test_a_certificate_that_cannot_be_read_leaves_all_as_it_was(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    (running.config.parent / "bad.pem").write_text("no certificate")
    tls = 'domains = ["other.example"]\ncertificate = "bad.pem"\nkey = "bad.pem"'
    assert not await again(running, **{'domains = ["otklik.example"]': tls})
    assert running.program.listener.serves("support@otklik.example")
    assert running.told("reload_refused")


def test_every_section_can_be_changed_or_is_known_to_be_fixed() -> None:
    assert set(Settings.model_fields) >= LIVE
    for key in FIXED:
        section, _, name = key.partition(".")
        assert section in Settings.model_fields
        assert not name or name in getattr(Settings(), section).__class__.model_fields


def test_settings_that_wait_for_a_restart_are_not_forgotten() -> None:
    old = Settings()
    new = Settings.model_validate({"site": {"prefix": "MSK", "name": "Другой"}})
    now, changed, waiting = merged(old, new)
    assert (changed, waiting) == (["site.name"], ["site.prefix"])
    assert (now.site.prefix, now.site.name) == ("OTK", "Другой")
    assert merged(now, new)[2] == ["site.prefix"]
    assert issubclass(NotReloaded, Exception)
    assert settings_module.Settings is Settings
