"""`otklik user`, run as people run it: the first administrator, passwords, the way out for who lost a telephone."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desk import passwords
from gateway import cli
from storage import accounts
from storage.database import open_database

PASSWORD = "корова под дождём"


@dataclass
class Answer:
    """What a command left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Answer]


@pytest.fixture
def run(laid_out_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("list", typed="…")`: one command with something on its standard input."""
    path = tmp_path / "otklik.toml"
    path.write_text(f'[database]\nurl = "{laid_out_url}"\n', encoding="utf-8")

    def one(*words: str, typed: str = "") -> Answer:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as left:
            cli.run(["--config", str(path), "user", *words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Answer(int(left.value.code or 0), said.out, said.err)

    return one


def stored(url: str, login: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        database = await open_database(url)
        try:
            row = await database.read(lambda c: accounts.by_key(c, login))
        finally:
            await database.close()
        assert row is not None
        return row

    return asyncio.run(look())


def test_the_first_administrator_with_a_password_made_for_her(run: Run, laid_out_url: str) -> None:
    made = run("create", "vera", "--role", "administrator", "--name", "Вера", "--generate")
    assert made.status == 0
    password = made.out.splitlines()[1]
    row = stored(laid_out_url, "vera")
    assert (row["role"], row["name"]) == ("administrator", "Вера")
    assert row["password"].startswith("$argon2id$v=19$")
    assert asyncio.run(passwords.matches(password, row["password"]))
    assert password not in run("list").out


def test_a_password_from_the_standard_input(run: Run, laid_out_url: str) -> None:
    assert run("create", "ivan", "--role", "agent", typed=PASSWORD + "\n").status == 0
    assert asyncio.run(passwords.matches(PASSWORD, stored(laid_out_url, "ivan")["password"]))
    assert run("password", "ivan", "--stdin", typed="совсем другая корова\r\n").status == 0
    assert asyncio.run(passwords.matches("совсем другая корова", stored(laid_out_url, "ivan")["password"]))


def test_a_login_without_a_password(run: Run, laid_out_url: str) -> None:
    assert run("create", "ivan", "--role", "agent", "--no-password").status == 0
    assert stored(laid_out_url, "ivan")["password"] == ""


@pytest.mark.parametrize(
    "words, typed, status, said",
    [
        (["create", "vera", "--role", "king"], "", 2, "--role"),
        (["create", "vera"], "", 2, "--role"),
        (["create", "a b", "--role", "agent", "--generate"], "", 1, "a login has 1 to 80"),
        (["create", "vera", "--role", "agent"], "short\n", 1, "12 characters or more"),
        (["create", "vera", "--role", "agent"], "vera vera vera\n", 1, "must not contain the login"),
        (["create", "vera", "--role", "agent"], "", 2, "no password came"),
        (["create", "vera", "--role", "agent", "--generate", "--stdin"], "", 2, "not both"),
        (["create", "vera", "--role", "agent", "--email", "x", "--generate"], "", 1, "no mailbox"),
        (["password", "nobody", "--generate"], "", 1, "there is no user 'nobody'"),
        (["disable", "nobody"], "", 1, "there is no user 'nobody'"),
        (["totp", "nobody", "--off"], "", 1, "there is no user 'nobody'"),
        (["sessions", "nobody"], "", 1, "there is no user 'nobody'"),
    ],
)
def test_what_will_not_do_is_one_line(run: Run, words: list[str], typed: str, status: int, said: str) -> None:
    answer = run(*words, typed=typed)
    assert answer.status == status
    assert said in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_login_is_taken_once(run: Run) -> None:
    assert run("create", "Vera", "--role", "lead", "--generate").status == 0
    again = run("create", "vERA", "--role", "agent", "--generate")
    assert (again.status, "there is a user 'vERA' already" in again.err) == (1, True)


def test_the_last_administrator_stays(run: Run) -> None:
    run("create", "vera", "--role", "administrator", "--no-password")
    for words in (["disable", "vera"], ["role", "vera", "agent"]):
        answer = run(*words)
        assert (answer.status, "the last administrator" in answer.err) == (1, True)
    run("create", "oleg", "--role", "administrator", "--no-password")
    assert run("disable", "vera").status == 0
    assert run("role", "vera", "agent").status == 0, "who may not log in is no administrator to keep"
    assert run("enable", "vera").status == 0


def test_everything_answers_in_json(run: Run) -> None:
    made = json.loads(run("create", "vera", "--role", "lead", "--generate", "--json").out)
    assert set(made) == {"login", "role", "name", "created", "password"}
    row = json.loads(run("list", "--json").out)
    assert (row["login"], row["role"], row["password"], row["totp"], row["oidc"]) == (
        "vera",
        "lead",
        True,
        False,
        False,
    )
    assert json.loads(run("disable", "vera", "--json").out) == {"login": "vera", "disabled": True}
    assert json.loads(run("sessions", "vera", "--revoke", "--json").out) == {"login": "vera", "revoked": 0}
    assert json.loads(run("totp", "vera", "--json").out) == {"login": "vera", "totp": False}
    assert run("totp", "vera", "--off").status == 1
