"""What keeps programs and strangers from misusing a form: proof of work, time, a hidden field, caps."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.webform.caps import Counts, client_of
from channels.webform.nonce import BadNonce, Nonces
from channels.webform.proof import Proof, Proofs

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
KEY = b"k" * 32

CAPS = """
[form.support]
work = 200
[form.support.caps]
client = 3
unproven = 1
sender = 2
form = 5
"""


def solve(proofs: Proofs, nonce: str, work: int = 100) -> str:
    """What a browser would send."""
    from altcha import Challenge, Payload, solve_challenge

    known = Challenge.from_dict(proofs.challenge(nonce, work, NOW))
    solution = solve_challenge(known)
    assert solution is not None
    return Payload(known, solution).to_base64()


# ---- the parts alone ------------------------------------------------------------------------------------------------


def test_a_proof_is_good_for_its_nonce_its_key_and_its_hour() -> None:
    proofs = Proofs(KEY)
    payload = solve(proofs, "n1")
    assert proofs.check(payload, "n1", NOW) is Proof.GOOD
    assert proofs.check(payload, "n2", NOW) is Proof.WRONG
    assert Proofs(b"x" * 32).check(payload, "n1", NOW) is Proof.WRONG
    assert proofs.check(payload, "n1", NOW + timedelta(minutes=59)) is Proof.GOOD
    assert proofs.check(payload, "n1", NOW + timedelta(minutes=61)) is Proof.EXPIRED
    assert proofs.check("", "n1", NOW) is Proof.NONE


def test_a_proof_cannot_be_made_cheaper_or_longer() -> None:
    proofs = Proofs(KEY)
    known = json.loads(base64.b64decode(solve(proofs, "n1")))
    for change in (
        lambda d: d["challenge"]["parameters"].update(keyPrefix="00"),
        lambda d: d["challenge"]["parameters"]["data"].update(until=2**40),
        lambda d: d["challenge"]["parameters"]["data"].update(nonce="n2"),
        lambda d: d["challenge"].pop("signature"),
        lambda d: d["solution"].update(counter=d["solution"]["counter"] + 1),
        lambda d: d["solution"].update(derivedKey="00" * 32),
    ):
        forged = json.loads(json.dumps(known))
        change(forged)
        payload = base64.b64encode(json.dumps(forged).encode()).decode()
        assert proofs.check(payload, forged["challenge"]["parameters"]["data"]["nonce"], NOW) is Proof.WRONG


@pytest.mark.parametrize(
    "payload",
    [
        "x", "e30=", "bnVsbA==", "W10=", "жж", "A" * 5000,
        base64.b64encode(b'{"challenge":{"parameters":{"data":[]}},"solution":1}').decode(),
        base64.b64encode(b"[" * 100_000).decode()[:4000],
        base64.b64encode(b'{"challenge":{"parameters":{"data":{"nonce":"n1","until":1e999}}},"solution":{}}').decode(),
    ],
)  # fmt: skip
def test_whatever_is_sent_as_a_proof_is_answered(payload: str) -> None:
    assert Proofs(KEY).check(payload, "n1", NOW) is Proof.WRONG


def test_a_nonce_is_good_for_its_form_and_its_key_alone() -> None:
    nonces = Nonces(KEY)
    made = nonces.make("support", NOW)
    assert nonces.read("support", made.text) == made
    for form, text, keys in [
        ("other", made.text, nonces),
        ("support", made.text, Nonces(b"x" * 32)),
        ("support", made.text.upper(), nonces),
        ("support", made.text[:-1], nonces),
        ("support", made.text + "a", nonces),
        ("support", "", nonces),
    ]:
        with pytest.raises(BadNonce):
            keys.read(form, text)


def test_no_changed_character_of_a_nonce_is_taken() -> None:
    nonces = Nonces(KEY)
    made = nonces.make("support", NOW).text
    for at in range(len(made)):
        for other in "abcdefghijklmnopqrstuvwxyz234567":
            if other != made[at]:
                with pytest.raises(BadNonce):
                    nonces.read("support", made[:at] + other + made[at + 1 :])


def test_counts_begin_anew_after_an_hour() -> None:
    counts = Counts()
    for minute in (0, 20, 40):
        assert counts.full({"client:a": 3}, NOW + timedelta(minutes=minute)) is None
        counts.count({"client:a": 3}, NOW + timedelta(minutes=minute))
    full = counts.full({"client:a": 3, "all": 100}, NOW + timedelta(minutes=59))
    assert full is not None
    assert (full.name, full.until) == ("client", NOW + timedelta(hours=1))
    assert counts.full({"client:b": 3}, NOW + timedelta(minutes=59)) is None
    assert counts.full({"client:a": 3}, NOW + timedelta(hours=1)) is None


def test_counts_of_many_names_do_not_grow_for_ever() -> None:
    counts = Counts(remembered=3)
    for number in range(10):
        counts.count({f"client:{number}": 1}, NOW)
    assert counts.full({"client:9": 1}, NOW) is not None
    assert counts.full({"client:0": 1}, NOW) is None


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1")
    assert client_of("2001:db8::1") != client_of("2001:db8:0:1::1")
    assert client_of("fe80::1%eth0") == "fe80::/64"


# ---- at the door ----------------------------------------------------------------------------------------------------


async def test_a_form_that_came_too_quickly_asks_for_another_press(person: Any) -> None:
    page = await person.open()
    again = await person.send(page, wait=2)
    assert again.status == 422
    assert "слишком быстро" in again.words
    assert person.right["what"] in again.body
    assert (await person.send(again, wait=2)).status == 303


async def test_a_proof_of_another_form_is_none(person: Any) -> None:
    first, second = await person.open(), await person.open()
    solved = await person.proof(first.nonce)
    assert (await person.send(first, proof=solved)).status == 303
    again = await person.send(second, person.right | {"what": "Другое"}, proof=solved)
    assert again.status == 422
    assert "проверка от роботов устарела" in again.words
    assert "Другое" in again.body
    assert await person.tickets() == 1


async def test_an_old_proof_is_done_again(person: Any) -> None:
    page = await person.open()
    solved = await person.proof(page.nonce)
    again = await person.send(page, proof=solved, wait=3700)
    assert again.status == 422
    assert (await person.send(again)).status == 303


async def test_who_fills_in_the_hidden_field_is_kept_and_not_answered(person: Any) -> None:
    page = await person.open()
    done = await person.done(await person.send(page, extra=[("website", "http://spam.example")]))
    ticket = await person.ticket(done)
    assert ticket["messages"][0]["kind"] == "spam"
    (told,) = [n for n in ticket["notifications"] if n["to"]["role"] == "author"]
    assert told["deliveries"][0]["reason"] == "automatic_mail"


@pytest.fixture
def more(request: pytest.FixtureRequest) -> dict[str, str]:
    """Tests of caps have small ones."""
    return {"toml": CAPS} if "_cap" in request.node.name else {}


async def refused(person: Any, answers: dict[str, str], **given: Any) -> Any:
    """Send one over the cap and look at the answer."""
    before = await person.tickets()
    again = await person.send(await person.open(), answers, [("a.png", person.png)], **given)
    assert again.status == 429, again.words
    assert 0 < int(again.headers["Retry-After"]) <= 3600
    assert "за последний час их пришло слишком много" in again.words
    assert answers["what"] in again.body
    assert "a.png" in again.words
    assert await person.tickets() == before
    return again


async def test_the_cap_of_one_client(person: Any) -> None:
    for number in range(3):
        typed = person.right | {"email": f"p{number}@a.example"}
        assert (await person.send(await person.open(), typed)).status == 303
    again = await refused(person, person.right | {"email": "p9@a.example"})
    person.clock.at += timedelta(hours=1)
    typed = person.right | {"email": "p9@a.example"}
    assert (await person.send(again, typed)).status == 303


async def test_the_cap_without_a_proof(person: Any) -> None:
    assert (await person.send(await person.open(), proof="")).status == 303
    again = await refused(person, person.right | {"what": "Вторая"}, proof="")
    assert (await person.send(again, person.right | {"what": "Вторая"})).status == 303, "a proof makes it good"


async def test_the_cap_of_one_sender(person: Any) -> None:
    for number in range(2):
        assert (await person.send(await person.open(), person.right | {"what": f"№{number}"})).status == 303
    await refused(person, person.right | {"email": person.right["email"].upper()})


async def test_a_cap_does_not_hide_the_receipt_of_what_was_taken(person: Any) -> None:
    page = await person.open()
    first = await person.send(page)
    for number in range(2):
        await person.send(await person.open(), person.right | {"email": f"p{number}@a.example"})
    assert (await person.send(page)).location == first.location
