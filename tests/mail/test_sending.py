"""What leaves: signed, by a relay that works, with the deadlines for whoever has to keep them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from channels.testing import SimulatedRelay
from gateway import assemble
from gateway.settings import SettingsError, load

IRINA = "irina@sibtrans.example"


def key_file(folder: Path) -> Path:
    """A private key as an administrator keeps it."""
    path = folder / "dkim.pem"
    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


async def test_mail_is_signed_for_our_domain(post: Any) -> None:
    await post.open(more=f'[dkim]\nselector = "s1"\nkey_file = "{key_file(post.folder)}"')
    await post.send(post.mail(IRINA))
    await post.settled()
    signer = assemble.dkim_signer(post.program.settings)
    assert signer is not None
    name, record = signer.record
    assert name == "s1._domainkey.otklik.example"
    for mail in post.relay.received:
        found = dkim.verify(mail.raw, dnsfunc=lambda asked, timeout=5: record.encode())
        assert found, mail.raw[:300]


@pytest.mark.parametrize(
    "lines, said",
    [
        ('selector = "s1"', "selector and key together"),
        ('selector = "s1"\nkey = "-----BEGIN nothing"', "no private key in PEM"),
    ],
)
def test_a_key_that_cannot_sign_is_told_at_the_start(tmp_path: Path, lines: str, said: str) -> None:
    config = tmp_path / "otklik.toml"
    config.write_text(f"[dkim]\n{lines}\n", "utf-8")
    with pytest.raises(SettingsError, match=said) as refused:
        load(config, {})
    assert "BEGIN" not in str(refused.value)


async def test_the_assignee_gets_the_deadlines_for_the_calendar(post: Any) -> None:
    await post.open()
    await post.send(post.mail(IRINA, "Принтер; \r\n\tBEGIN:VEVENT".replace("\r\n\t", " ")))
    [ticket] = await post.settled()
    assert ticket["resolve_by"]
    [to_staff] = [mail for mail in post.relay.received if mail.rcpt_to[0].endswith("@otklik.example")]
    [mail] = post.mails(to_staff.rcpt_to[0])
    [part] = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert part.get_param("method") == "PUBLISH"
    text = part.get_payload(decode=True).decode()
    assert text.count("\r\nBEGIN:VEVENT\r\n") == 2
    assert ticket["number"] in text
    assert part.get_filename() == "deadline.ics"
    [to_author] = post.mails(IRINA)
    assert not [part for part in to_author.walk() if part.get_content_type() == "text/calendar"]


async def test_a_relay_that_is_away_is_replaced_by_the_next(post: Any) -> None:
    spare = SimulatedRelay()
    await spare.start()
    dead = SimulatedRelay()
    await dead.start()
    port = dead.port
    await dead.stop()
    relays = f"[relay.main]\nport = {port}\n[relay.spare]\nport = {spare.port}"
    try:
        await post.open(relays=relays, mail='relays = ["main", "spare"]')
        await post.send(post.mail(IRINA))
        [ticket] = await post.settled()
        [received] = [n for n in ticket["notifications"] if n["event"] == "received"]
        [attempt] = received["deliveries"][0]["attempts"]
        assert attempt["outcome"] == "accepted"
        assert attempt["detail"].startswith("spare: ")
        assert len(spare.to(IRINA)) == 1
    finally:
        await post.program.stop()
        await spare.stop()
        await asyncio.sleep(0)


async def test_every_try_has_the_same_message_id_and_octets(post: Any) -> None:
    await post.open()
    post.relay.script(["451 4.3.0 later", "421 4.3.2 later"], to=IRINA)
    await post.send(post.mail(IRINA))
    await post.settled()
    tries = [mail for mail in post.relay.received if IRINA in mail.rcpt_to]
    assert len(tries) == 3
    assert len({mail.message_id for mail in tries}) == 1
    assert len({mail.raw.partition(b"Date:")[0] for mail in tries}) == 1
