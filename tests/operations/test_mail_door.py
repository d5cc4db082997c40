"""The mail door of the whole program: its checks reach the ticket, and new settings reach the door."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.testing_dns import SimulatedDns
from channels.testing_filters import GTUBE, SimulatedRspamd
from tests.eventually import eventually
from tests.operations.conftest import IRINA, Start, a_mail
from tests.operations.test_reload import again
from tests.smtp.conftest import make_certificate

DOMAINS = 'domains = ["otklik.example"]'


@pytest.fixture
async def dns() -> AsyncIterator[SimulatedDns]:
    server = SimulatedDns()
    await server.start()
    yield server
    server.stop()


async def ticket_of(running: Any, reply: str) -> Any:
    """The ticket a mail was accepted as, by the API."""
    headers = {"Authorization": f"Bearer {running.token}"}
    number = reply.rsplit(maxsplit=1)[-1]
    async with running.session.get(f"{running.base}/api/v1/tickets/{number}", headers=headers) as answer:
        assert answer.status == 200, reply
        return await answer.json()


@pytest.mark.parametrize("permitted, verdict", [("127.0.0.1", "pass"), ("192.0.2.1", "fail")])
async def test_what_was_verified_stands_on_the_message(
    laid_out_url: str, start: Start, dns: SimulatedDns, permitted: str, verdict: str
) -> None:
    dns.add("sibtrans.example", "TXT", f"v=spf1 ip4:{permitted} -all")
    dns.add("_dmarc.sibtrans.example", "TXT", "v=DMARC1; p=reject")
    running = await start(laid_out_url, f'[authenticity]\nresolver = ["{dns.address}"]\n')
    assert await again(running, **{DOMAINS: f"{DOMAINS}\ntrusted = []"})
    ticket = await ticket_of(running, await running.send())
    (message,) = ticket["messages"]
    assert (message["authenticity"]["verdict"], message["authenticity"]["by"]) == (verdict, "us")
    assert message["authenticity"]["dmarc"]["policy"] == "reject"


async def test_spam_is_kept_and_never_answered(laid_out_url: str, start: Start) -> None:
    rspamd = SimulatedRspamd()
    await rspamd.start()
    try:
        running = await start(laid_out_url, f'[spam]\nrspamd = "{rspamd.url}"\n')
        assert await running.send(a_mail(GTUBE.decode())) == "2.0.0 Accepted"
        # the next one is answered, and so this one would have been by now
        await running.send(a_mail("Не включается", subject="Монитор"))

        async def told() -> bool:
            return bool(running.relay.to(IRINA))

        await eventually(told)
        assert len(running.relay.to(IRINA)) == 1
        figures = await running.figures()
        assert figures["otklik_inputs_total", frozenset({("channel", "email"), ("outcome", "spam")})] == 1
        assert figures["otklik_mail_spam_total", frozenset({("by", "spam_filter")})] == 1
    finally:
        await rspamd.stop()


async def test_lists_and_recipients_change_while_it_runs(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    before = await ticket_of(running, await running.send())
    assert await again(running, f'[spam]\nblock = ["{IRINA}"]\n')
    assert [message["kind"] for message in before["messages"]] == ["human"]
    assert await running.send(a_mail("Ещё одно", subject="Другое")) == "2.0.0 Accepted"
    assert await again(running, **{DOMAINS: f'{DOMAINS}\nrecipients = ["help@otklik.example"]'})
    serves = running.program.listener.serves
    assert (serves("help@otklik.example"), serves("other@otklik.example")) == (True, False)
    # where our own mail comes from is no stranger
    assert serves("support+k1-abc@otklik.example")


async def test_a_certificate_begins_and_changes_with_a_reload(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    host, _, port = str(running.program.addresses.smtp).rpartition(":")

    async def shown(name: str) -> bytes:
        """The certificate that STARTTLS shows."""
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            await reader.readline()
            writer.write(b"EHLO x\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
            writer.write(b"STARTTLS\r\n")
            assert (await reader.readline()).startswith(b"220")
            context = ssl.create_default_context(cafile=str(running.config.parent / "cert.pem"))
            await writer.start_tls(context, server_hostname=name)
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return found
        finally:
            writer.close()

    make_certificate(running.config.parent, "old.example")
    assert await again(running, **{DOMAINS: f'{DOMAINS}\ncertificate = "cert.pem"\nkey = "key.pem"'})
    old = await shown("old.example")
    make_certificate(running.config.parent, "new.example")
    assert await again(running)
    assert await shown("new.example") != old
