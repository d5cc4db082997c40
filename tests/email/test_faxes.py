"""Faxes that gateways bring by mail: read, and believed from the gateways of the settings alone."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from channels.email.fax import Fax, calls_itself_fax, read_fax
from channels.email.fax_gateways import FaxGateways
from channels.email.read import read
from tickets.address import AddressKind
from tickets.message import Accepted, InboundMessage, MessageKind, Refs

NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
TABLE = tomllib.loads((Path(__file__).parent / "faxes.toml").read_text(encoding="utf-8"))
PASS = {"verdict": "pass", "by": "us"}
PAGES = b"%PDF-1.4 the pages"


def mail(case: dict[str, Any], **headers: str) -> bytes:
    made = EmailMessage()
    made["From"] = case["from"]
    made["To"] = "fax-in@otklik.example"
    made["Subject"] = case["subject"]
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(case.get("text", "Здравствуйте! Посмотрите, пожалуйста."))
    if case["file"]:
        main, _, sub = case["file"].partition("/")
        # what the pages are is told by their first octets
        starts = {"image/tiff": b"II*\0", "application/postscript": b"%!PS-Adobe-3.0\n"}
        octets = starts.get(case["file"], b"%PDF-1.4\n") + b"the pages"
        made.add_attachment(octets, maintype=main, subtype=sub, filename=f"fax000001.{sub}")
    return made.as_bytes()


def taken_in(raw: bytes) -> InboundMessage:
    message = read(raw, account="main", external_id="1", received_at=NOW)
    assert isinstance(message, InboundMessage)
    return message


async def through(message: InboundMessage, *gateways: str) -> InboundMessage:
    """The message as intake gets it."""

    async def accept(taken: Any, _raw: bytes) -> Accepted:
        assert taken is message
        return Accepted("NSK-26-000001")

    await FaxGateways(gateways, accept).accept(message, b"")
    return message


@pytest.mark.parametrize("case", TABLE["fax"], ids=lambda case: case["name"])
def test_what_a_gateway_says_is_read(case: dict[str, Any]) -> None:
    told = Fax(*(case.get(name, other) for name, other in _EMPTY.items()))
    assert read_fax(taken_in(mail(case))) == told


_EMPTY: dict[str, Any] = {"number": "", "caller": "", "station": "", "pages": 0}


@pytest.mark.parametrize("case", TABLE["fax"], ids=lambda case: case["name"])
async def test_a_gateway_of_the_settings_is_believed_whatever_its_words(case: dict[str, Any]) -> None:
    message = taken_in(mail(case))
    gateway = message.sender.value
    await through(message, gateway.upper())
    assert (message.kind, message.kind_because) == (MessageKind.HUMAN, ("fax",))
    assert (message.sender.kind, message.sender.value) == (AddressKind.PHONE, case.get("number", ""))
    assert message.extra["fax"]["gateway"] == gateway
    assert [each.name.partition(".")[0] for each in message.attachments] == ["fax000001"]
    assert message.acknowledge is bool(case.get("number")), "where nobody is known, nobody is thanked"


@pytest.mark.parametrize("case", TABLE["fax"], ids=lambda case: case["name"])
async def test_any_other_gateway_is_recognised_and_not_thanked(case: dict[str, Any]) -> None:
    message = await through(taken_in(mail(case)), "another@pbx.example.ru")
    assert message.sender.kind is AddressKind.EMAIL
    assert "fax" not in message.extra
    if case.get("recognised", True):
        assert (message.kind, message.acknowledge) == (MessageKind.AUTO_REPLY, False)


@pytest.mark.parametrize("case", TABLE["person"], ids=lambda case: case["subject"])
async def test_a_person_who_writes_of_faxes_is_a_person(case: dict[str, Any]) -> None:
    message = await through(taken_in(mail(case)), "another@pbx.example.ru")
    assert (message.kind, message.acknowledge) == (MessageKind.HUMAN, True)


FREEPBX = TABLE["fax"][3]
GATEWAY = "asterisk@pbx.example.ru"


@pytest.mark.parametrize(
    "authenticity, believed",
    [
        pytest.param({}, True, id="nobody looked: a trusted client, a login, a mailbox"),
        pytest.param(PASS, True, id="its domain vouches"),
        pytest.param({"verdict": "none", "by": "us"}, False, id="its domain says nothing of a stranger"),
        pytest.param({"verdict": "temperror", "by": "us"}, False, id="nobody could say in time"),
        pytest.param({"verdict": "fail", "by": "us", "dmarc": {"result": "fail"}}, False, id="its domain denies it"),
        pytest.param(
            {"verdict": "fail", "by": "us", "dmarc": {"result": "fail", "policy": "none"}}, False, id="denied, p=none"
        ),
        pytest.param({"verdict": "none", "by": "relay"}, False, id="the relay found nothing"),
    ],
)
async def test_a_stranger_in_the_gateway_s_name_is_not_the_caller(authenticity: Any, believed: bool) -> None:
    message = taken_in(mail(FREEPBX))
    message.kind, message.kind_because = MessageKind.HUMAN, ("no_sign_of_a_program",)
    message.authenticity = authenticity
    await through(message, GATEWAY)
    assert (message.sender.kind is AddressKind.PHONE) is believed
    if not believed:
        assert (message.kind, message.kind_because) == (MessageKind.AUTO_REPLY, ("fax_unproven",))
        assert message.authenticity == authenticity


async def test_its_domain_vouches_for_the_gateway_and_not_for_the_caller() -> None:
    message = taken_in(mail(FREEPBX))
    message.authenticity = PASS
    assert (await through(message, GATEWAY)).authenticity == {}


async def test_what_the_other_machine_calls_itself_opens_no_ticket() -> None:
    case = {**TABLE["fax"][1], "subject": "Facsimile received from NSK-26-000001"}
    message = taken_in(mail(case, In_Reply_To="<k1-abc@otklik.example>"))
    assert message.refs != Refs()
    await through(message, "faxmaster@fax.example.ru")
    assert message.refs == Refs()


async def test_a_gateway_s_report_without_pages_is_a_machine_s() -> None:
    case = {**FREEPBX, "file": "", "subject": "facsimile not received"}
    message = await through(taken_in(mail(case)), GATEWAY)
    assert (message.kind, message.kind_because) == (MessageKind.AUTO_REPLY, ("fax_gateway",))
    assert message.sender.value == GATEWAY


async def test_what_its_filter_calls_spam_stays_spam() -> None:
    message = taken_in(mail(FREEPBX))
    message.kind = MessageKind.SPAM
    assert (await through(message, GATEWAY)).kind is MessageKind.SPAM


async def test_the_gateways_change_while_the_program_runs() -> None:
    async def accept(_message: Any, _raw: bytes) -> Accepted:
        return Accepted("NSK-26-000001")

    gateways = FaxGateways((), accept)
    before, after = taken_in(mail(FREEPBX)), taken_in(mail(FREEPBX))
    await gateways.accept(before, b"")
    gateways.become([GATEWAY])
    await gateways.accept(after, b"")
    assert [each.sender.kind for each in (before, after)] == [AddressKind.EMAIL, AddressKind.PHONE]


@pytest.mark.parametrize(
    "subject",
    [
        "fax from " + "1" * 900_000,
        "факс " + "получен " * 100_000,
        "fax " + '"' * 500_000,
        "fax (" + " 1" * 400_000 + "x",
    ],
)
@pytest.mark.timeout(20)
def test_no_subject_takes_long(subject: str) -> None:
    case = {**FREEPBX, "from": "fax@pbx.example.ru"}
    raw = mail({**case, "subject": "S"}).replace(b"Subject: S", b"Subject: " + subject.encode())
    message = taken_in(raw)
    assert calls_itself_fax("fax@pbx.example.ru", message.subject, message.attachments) in (True, False)
    assert read_fax(message).pages == 0
