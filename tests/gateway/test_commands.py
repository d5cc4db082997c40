"""The commands that look after tickets, deliveries, quarantine, routing and texts, run as people run them."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.testing import SimulatedRelay
from gateway import cli

ROOT = Path(__file__).parents[2]
ORGANISATION = ROOT / "gateway" / "sample" / "organisation.toml"
MAIL = (
    b"From: Irina <irina@romashka.example>\r\nTo: support@otklik.example\r\nSubject: Printer\r\n"
    b"Message-ID: <1@romashka.example>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0300\r\n\r\nIt does not print.\r\n"
)


@dataclass
class Answer:
    """What a command left behind."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Answer]


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A settings file with a database of its own and a relay nobody answers at."""
    path = tmp_path / "otklik.toml"
    path.write_text(
        f"""
[database]
url = "sqlite:///{tmp_path / "otklik.sqlite"}"

[http]
listen = "127.0.0.1:{free_port()}"

[smtp]
listen = "127.0.0.1:{free_port()}"

[mail]
sender = "support@otklik.example"

[relay.main]
port = {free_port()}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def otklik(settings: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`otklik("ticket", "list")`: run a command in this process."""
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setenv("LOGNAME", "somebody")

    def run(*arguments: str) -> Answer:
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.run(["--config", str(settings), *arguments])
        out, err = capfdbinary.readouterr()
        answer = Answer(int(left.value.code or 0), out.decode(), err.decode())
        assert "Traceback" not in answer.err
        assert answer.status == 0 or answer.err.count("\n") <= 1
        return answer

    return run


@pytest.fixture
def staffed(otklik: Run) -> Run:
    """The same, with the sample organisation in the database."""
    assert otklik("org", "import", str(ORGANISATION)).status == 0
    return otklik


def received(settings: Path, raw: bytes = MAIL, *, unreadable: bool = False) -> str:
    """A mail comes in; returns the ticket's number, or the id of its quarantine entry."""

    async def accept() -> str:
        from datetime import UTC, datetime

        from gateway.assemble import mail_reader
        from gateway.commands.opened import opened
        from gateway.settings import load
        from tickets.message import Unreadable

        loaded = load(settings, {})
        async with opened(loaded) as desk:
            now = datetime.now(UTC)
            envelope = {"mail_from": "irina@romashka.example", "rcpt_to": ("support@otklik.example",)}
            message = mail_reader(loaded)(raw, account="smtp", external_id="1", received_at=now, **envelope)
            if unreadable:
                message = Unreadable("email", "smtp", "reader_failed", now, "ValueError", envelope)
            accepted = await desk.intake.accept(message, raw)
            return accepted.number or accepted.quarantine_id

    return asyncio.run(accept())


@pytest.fixture
def relay(settings: Path) -> Iterator[SimulatedRelay]:
    """The relay of the settings comes up, in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulated = SimulatedRelay()
    asyncio.run_coroutine_threadsafe(simulated.start(), loop).result(5)
    text = settings.read_text(encoding="utf-8")
    head, _, _ = text.partition("[relay.main]")
    settings.write_text(f"{head}[relay.main]\nport = {simulated.port}\n", encoding="utf-8")
    try:
        yield simulated
    finally:
        asyncio.run_coroutine_threadsafe(simulated.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# ---- ticket -------------------------------------------------------------------------------------------------------


def test_a_ticket_from_the_list_to_its_end(staffed: Run, settings: Path) -> None:
    number = received(settings)
    (row,) = staffed("ticket", "list", "--json").rows()
    assert (row["number"], row["customer"]["id"]) == (number, "romashka")
    assert number in staffed("ticket", "list", "--status", "new").out
    assert staffed("ticket", "list", "--status", "closed").out == ""

    done = staffed("ticket", "comment", "1", "Сейчас посмотрим", "--public", "--by", "a.sokolova", "--json").json()
    assert done["messages"][-1]["from"]["name"] == "Анна Соколова"
    done = staffed("ticket", "assign", "1", "d.volkov", "--by", "a.sokolova", "--json").json()
    assert done["assignee"] == "d.volkov"
    assert staffed("ticket", "status", "1", "resolved", "--comment", "Починили", "--by", "a.sokolova").status == 0
    shown = staffed("ticket", "show", number)
    for piece in ("Решена", "Сейчас посмотрим", "Почему так", "Оповещения", "d.volkov"):
        assert piece in shown.out
    assert "Why so" in staffed("ticket", "show", number, "--lang", "en").out
    assert staffed("ticket", "show", number, "--json").json()["status"] == "resolved"


def test_the_author_s_link_is_given_and_revoked(staffed: Run, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    received(settings)
    refused = staffed("ticket", "link", "1")
    assert (refused.status, refused.err.count("public_url")) == (1, 1)
    monkeypatch.setenv("OTKLIK_SITE__PUBLIC_URL", "https://desk.example.ru")
    link = staffed("ticket", "link", "1", "--json").json()["url"]
    assert link.startswith("https://desk.example.ru/t/")
    assert staffed("ticket", "link", "1").out.startswith("https://desk.example.ru/t/")
    assert staffed("ticket", "link", "1", "--revoke").status == 0
    history = staffed("ticket", "show", "1", "--json").json()["history"]
    assert [entry["what"] for entry in history[-3:]] == ["link_given", "link_given", "links_revoked"]
    assert {entry["by"] for entry in history[-3:]} == {"cli:somebody"}


def test_whoever_runs_the_program_stands_in_the_history(staffed: Run, settings: Path) -> None:
    received(settings)
    done = staffed("ticket", "comment", "1", "Записка", "--json").json()
    assert done["history"][-1]["by"] == "cli:somebody"
    assert done["messages"][-1]["public"] is False


def test_the_operating_system_s_user_who_is_staff(
    staffed: Run, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(settings)
    monkeypatch.setenv("LOGNAME", "a.sokolova")
    done = staffed("ticket", "comment", "1", "Записка", "--json").json()
    assert done["history"][-1]["by"] == "staff:a.sokolova"


@pytest.mark.parametrize(
    "arguments, status, said",
    [
        (["ticket", "show", "99"], 1, "there is no ticket 99"),
        (["ticket", "status", "1", "closed"], 1, "a ticket that is new cannot become closed"),
        (["ticket", "status", "1", "waiting"], 1, "say what is asked of the author"),
        (["ticket", "status", "1", "done"], 2, "done"),
        (["ticket", "comment", "1", "  "], 1, "the comment is empty"),
        (["ticket", "comment", "1", "x", "--by", "ghost"], 1, "nobody with the login 'ghost'"),
        (["ticket", "assign", "1"], 2, "say whom to give it to"),
        (["ticket", "assign", "1", "ghost"], 1, "nobody with the login 'ghost'"),
        (["ticket", "list", "--since", "yesterday"], 2, "--since: expected a time"),
        (["ticket", "list", "--assignee", "ghost"], 1, "nobody with the login 'ghost'"),
        (["outbox", "show", "x"], 2, "is no id"),
        (["outbox", "show", "0" * 32], 1, "there is no delivery"),
        (["outbox", "retry"], 2, "name one delivery, or say --dead"),
        (["outbox", "list", "--ticket", "99"], 1, "there is no ticket 99"),
        (["quarantine", "show", "0" * 32], 1, "there is no quarantine entry"),
        (["quarantine", "replay"], 2, "name one entry, or say --all"),
        (["route", "explain", "no/such/file"], 2, "there is no such file"),
        (["route", "test", "no/such/file"], 2, "No such file"),
        (["templates", "preview", "birthday"], 2, "there is no event 'birthday'"),
        (["templates", "send-test", "received", "nobody"], 2, "is no mailbox"),
    ],
)
def test_refusals_in_one_line(staffed: Run, settings: Path, arguments: list[str], status: int, said: str) -> None:
    received(settings)
    answer = staffed(*arguments)
    assert answer.status == status
    assert said in answer.err
    assert answer.err.count("\n") == 1


# ---- outbox -------------------------------------------------------------------------------------------------------


def test_the_ledger_and_its_dead_letters(staffed: Run, settings: Path) -> None:
    number = received(settings)
    rows = staffed("outbox", "list", "--json").rows()
    assert {row["ticket"] for row in rows} == {number}
    author = next(row for row in rows if row["to"]["role"] == "author")
    assert author["id"] in staffed("outbox", "list").out
    assert author["address"] in staffed("outbox", "show", author["id"]).out
    refused = staffed("outbox", "retry", author["id"])
    assert (refused.status, refused.err) == (1, "otklik: it is in the queue already\n")

    _move(settings, author["id"], "failed")
    assert staffed("outbox", "health").status == 1
    assert len(staffed("outbox", "list", "--dead", "--json").rows()) == 1
    assert staffed("outbox", "retry", "--dead", "--json").json() == {"done": 1, "refused": []}
    assert staffed("outbox", "show", author["id"], "--json").json()["state"] == "queued"
    assert staffed("outbox", "health").status == 0
    assert staffed("ticket", "show", number, "--json").json()["history"][-1]["what"] == "delivery_retried"

    _move(settings, author["id"], "unknown")
    assert staffed("outbox", "settle", author["id"], "sent").status == 0
    assert staffed("outbox", "retry", author["id"]).err == (
        "otklik: it was sent: a retry would tell its recipient twice\n"
    )


def _move(settings: Path, delivery: str, state: str) -> None:
    import sqlite3

    with sqlite3.connect(settings.parent / "otklik.sqlite") as connection:
        connection.execute("UPDATE deliveries SET state = ? WHERE id = ?", (state, bytes.fromhex(delivery)))
    connection.close()


# ---- quarantine ---------------------------------------------------------------------------------------------------


def test_quarantine_is_replayed(staffed: Run, settings: Path) -> None:
    entry = received(settings, unreadable=True)
    assert staffed("quarantine", "list", "--json").rows()[0]["id"] == entry
    assert "reader_failed: ValueError" in staffed("quarantine", "show", entry).out
    assert staffed("quarantine", "show", entry, "--raw").out.encode() == MAIL
    assert staffed("quarantine", "replay", "--all").out == f"{entry} is ticket OTK-26-000001\n"
    assert staffed("quarantine", "replay", entry).out == f"{entry} is ticket OTK-26-000001\n"
    assert staffed("quarantine", "replay", "--all").out == "nothing is held\n"
    assert len(staffed("ticket", "list", "--json").rows()) == 1


def test_a_blocked_sender_is_held_and_let_go(staffed: Run, settings: Path) -> None:
    assert staffed("spam", "block", "@romashka.example", "--note", "noise").out == (
        "romashka.example is held from now on\n"
    )
    received(settings)
    [held] = staffed("spam", "list", "--json").rows()
    assert (held["from"], held["subject"]) == ("irina@romashka.example", "Printer")
    assert staffed("quarantine", "replay", "--all").out == "nothing is held\n", "spam is let go one by one"
    [rule] = staffed("spam", "rules", "--json").rows()
    assert (rule["key"], rule["verdict"], rule["hits"]) == ("domain:romashka.example", "block", 1)
    assert staffed("spam", "release", held["id"]).out == f"{held['id']} is ticket OTK-26-000001\n"
    assert staffed("spam", "list", "--json").rows() == []
    assert staffed("spam", "forget", "romashka.example").status == 0
    assert staffed("spam", "forget", "romashka.example").status == 1
    assert staffed("spam", "allow", "no sender at all").status == 1


def test_what_stays_in_quarantine_is_a_no(staffed: Run, settings: Path) -> None:
    entry = received(settings, b"", unreadable=True)
    answer = staffed("quarantine", "replay", entry)
    assert answer.status == 1
    assert f"{entry} is still held: " in answer.out


# ---- tokens -------------------------------------------------------------------------------------------------------


def test_a_token_lives_for_a_hundred_years_at_most(otklik: Run) -> None:
    given = ("token", "create", "portal", "--scope", "tickets:write", "--days")
    for days, bound in (("99999999", "less than or equal to 36500"), ("36501", "36500"), ("-1", "equal to 0")):
        refused = otklik(*given, days)
        assert refused.status == 2
        assert "--days" in refused.err
        assert bound in refused.err
    assert otklik(*given, "36500").status == 0
    [token] = otklik("token", "list", "--json").rows()
    lives = datetime.fromisoformat(token["expires_at"]) - datetime.fromisoformat(token["created_at"])
    assert lives == timedelta(days=36500)


def test_a_token_is_kept_to_what_it_was_made_for(staffed: Run) -> None:
    given = ("token", "create", "shop", "--scope", "tickets:read")
    made = staffed(*given, "--expires", "90d", "--customer", "sibtrans", "--limit", "60", "--json").json()
    assert (made["customer"], made["centre"], made["per_minute"]) == ("sibtrans", "", 60)
    [token] = staffed("token", "list", "--json").rows()
    assert (token["customer"], token["per_minute"], token["state"]) == ("sibtrans", 60, "living")
    lives = datetime.fromisoformat(token["expires_at"]) - datetime.fromisoformat(token["created_at"])
    assert lives == timedelta(days=90)
    assert "customer sibtrans, 60 a minute, until " in staffed("token", "list").out
    assert staffed("token", "revoke", "shop").status == 0
    assert staffed("token", "list", "--json").rows()[0]["state"] == "revoked"


@pytest.mark.parametrize(
    "options, status, said",
    [
        (("--expires", "soon"), 2, "--expires: expected a duration"),
        (("--expires", "0"), 2, "of no use"),
        (("--expires", "90d", "--days", "90"), 2, "give one of them"),
        (("--scope", "quarantine:read", "--customer", "sibtrans"), 2, "cannot be restricted"),
        (("--customer", "nobody"), 1, "there is no customer 'nobody'"),
        (("--centre", "nowhere"), 1, "there is no centre 'nowhere'"),
        (("--limit", "-1"), 2, "--limit"),
        (("--scope", "everything"), 2, "there is no scope 'everything'"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(
    staffed: Run, options: tuple[str, ...], status: int, said: str
) -> None:
    refused = staffed("token", "create", "shop", "--scope", "tickets:read", *options)
    assert refused.status == status
    assert said in refused.err
    assert staffed("token", "list", "--json").rows() == []


# ---- routing ------------------------------------------------------------------------------------------------------


def test_explaining_a_file_stores_nothing(staffed: Run, tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(MAIL)
    found = staffed("route", "explain", str(path), "--json").json()
    assert found["becomes"] == "new"
    fields = {d["field"]: d for d in found["decision"]}
    assert fields["customer"]["value"] == "romashka"
    assert fields["centre"]["value"] == "msk"
    assert all(d["because"] for d in found["decision"])
    told = staffed("route", "explain", str(path)).out
    assert "станет новой заявкой" in told
    assert "почтовый домен romashka.example" in told
    assert staffed("ticket", "list").out == ""


def test_explaining_a_ticket_and_the_answer_to_it(staffed: Run, settings: Path, tmp_path: Path) -> None:
    number = received(settings)
    found = staffed("route", "explain", "1", "--json").json()
    assert found["ticket"] == number
    assert {"received"} & {e["what"] for e in found["history"]} == set()
    assert number in staffed("route", "explain", number).out
    reply = tmp_path / "reply.eml"
    reply.write_bytes(
        MAIL.replace(b"<1@", b"<2@").replace(b"Subject", b"In-Reply-To: <1@romashka.example>\r\nSubject: Re:")
    )
    explained = staffed("route", "explain", str(reply), "--json").json()
    assert (explained["becomes"], explained["ticket"]) == ("reply", number)
    assert explained["because"] == ["письмо ссылается на прежнее письмо по этой заявке"]


def test_a_table_of_cases(staffed: Run, tmp_path: Path) -> None:
    table = tmp_path / "cases.toml"
    table.write_text(
        '[[cases]]\nname = "Romashka"\nmessage = { from = "a@romashka.example" }\nexpect = { customer = "romashka" }\n',
        encoding="utf-8",
    )
    assert staffed("route", "test", str(table)).out == "ok   Romashka\n1 of 1 cases hold\n"
    table.write_text(table.read_text(encoding="utf-8").replace('= "romashka"', '= "globex"'), encoding="utf-8")
    answer = staffed("route", "test", str(table))
    assert answer.status == 1
    assert "FAIL Romashka\n     customer: expected globex, got romashka" in answer.out
    table.write_text("cases = 1", encoding="utf-8")
    assert staffed("route", "test", str(table)).status == 2


# ---- texts --------------------------------------------------------------------------------------------------------


def test_texts_are_checked_and_previewed(otklik: Run) -> None:
    assert otklik("templates", "check").out.startswith("ok: ")
    assert "NSK-26-000123" in otklik("templates", "preview", "received").out
    assert "<html" in otklik("templates", "preview", "received", "--html", "--lang", "en").out
    assert set(otklik("templates", "preview", "resolved", "--json").json()) == {
        "event",
        "language",
        "subject",
        "text",
        "html",
    }


def test_a_test_mail_is_really_sent(otklik: Run, relay: SimulatedRelay) -> None:
    answer = otklik("templates", "send-test", "received", "irina@romashka.example", "--json")
    assert answer.status == 0
    (mail,) = relay.received
    assert mail.rcpt_to == ("irina@romashka.example",)
    assert mail.message_id == answer.json()["message_id"]


def test_a_test_mail_nobody_takes(otklik: Run) -> None:
    answer = otklik("templates", "send-test", "received", "irina@romashka.example")
    assert answer.status == 1
    assert "relay main did not take it" in answer.err


# ---- check --------------------------------------------------------------------------------------------------------


def findings(answer: Answer) -> dict[str, tuple[bool, str]]:
    return {row["what"]: (row["ok"], row["told"]) for row in answer.rows()}


def test_a_fresh_installation_is_told_what_to_do(otklik: Run, settings: Path) -> None:
    answer = otklik("check", "--json")
    assert answer.status == 1
    found = findings(answer)
    assert found["settings"] == (True, str(settings))
    assert "otklik db upgrade" in found["database"][1]
    assert found["relay main"][0] is False
    assert "see [relay.main]" in found["relay main"][1]
    assert found["smtp"][0] is found["http"][0] is found["templates"][0] is True
    assert not (settings.parent / "otklik.sqlite").exists()


def test_all_is_well(staffed: Run, relay: SimulatedRelay) -> None:
    answer = staffed("check")
    assert answer.status == 0, answer.out
    assert all(line.startswith("ok  ") for line in answer.out.splitlines())


def test_an_empty_organisation_and_a_taken_port(otklik: Run, settings: Path, relay: SimulatedRelay) -> None:
    assert otklik("ticket", "list").status == 0
    head, _, rest = settings.read_text(encoding="utf-8").partition("[smtp]")
    taken = f'[smtp]\nlisten = "127.0.0.1:{relay.port}"\n\n[mail]{rest.partition("[mail]")[2]}'
    settings.write_text(head + taken, encoding="utf-8")
    found = findings(otklik("check", "--json"))
    assert "otklik org import" in found["organisation"][1]
    assert found["integrity"][0] is True
    assert "taken by another program" in found["smtp"][1]
