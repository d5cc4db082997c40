"""`otklik user`: logins of staff."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.commands.frame import Frame, Refused, Unusable, frame_of, new_group
from gateway.commands.opened import Opened, opened

if TYPE_CHECKING:
    from desk.accounts import Accounts
    from desk.change import Actor

T = TypeVar("T")

app = new_group("Logins of staff.")

_LONGEST = 1024

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="The login.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it once.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read the password from the standard input, one line.")]


class RoleName(StrEnum):
    """Roles, as `tickets.role.Role` has them; named here so that `--help` answers at once."""

    AGENT = "agent"
    LEAD = "lead"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


class LanguageName(StrEnum):
    """Languages of pages."""

    RU = "ru"
    EN = "en"


@app.command()
def create(
    context: typer.Context,
    login: Login,
    role: Annotated[RoleName, typer.Option(help="What the person may do.")],
    name: Annotated[str, typer.Option(help="The person's name; that of the member of staff if empty.")] = "",
    email: Annotated[str, typer.Option(help="The person's mailbox.")] = "",
    language: Annotated[LanguageName | None, typer.Option(help="Language of the pages.")] = None,
    generate: Generate = False,
    stdin: Stdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="None at all: the person logs in by OpenID Connect.")
    ] = False,
) -> None:
    """Make a login. Without an option about it the password is asked for."""
    from desk.accounts import NewUser, checked
    from tickets.role import Role

    frame = frame_of(context)
    new = NewUser(login, Role(role.value), name, email, language.value if language else "")
    with _refusing():
        checked(new)
    password = "" if no_password else _password(generate=generate, stdin=stdin, login=login)

    async def work(accounts: Accounts, by: Actor) -> dict[str, Any]:
        whole = NewUser(new.login, new.role, new.name, new.email, new.language, password)
        return await accounts.create(whole, by)

    row = _run(frame, work)
    document = {"login": row["login"], "role": row["role"], "name": row["name"], "created": True}
    shown = f"{row['login']} may log in as {row['role']}"
    _answer(frame, document, shown, password if generate else "")


@app.command()
def password(context: typer.Context, login: Login, generate: Generate = False, stdin: Stdin = False) -> None:
    """Give somebody a new password; that person's sessions end."""
    frame = frame_of(context)
    secret = _password(generate=generate, stdin=stdin, login=login)
    _run(frame, lambda accounts, by: accounts.set_password(login, secret, by))
    _answer(frame, {"login": login, "password_set": True}, f"{login} has a new password", secret if generate else "")


@app.command()
def role(context: typer.Context, login: Login, role: Annotated[RoleName, typer.Argument(help="The new role.")]) -> None:
    """Give somebody another role."""
    from tickets.role import Role

    frame = frame_of(context)
    _run(frame, lambda accounts, by: accounts.set_role(login, Role(role.value), by))
    frame.answer({"login": login, "role": role.value}, f"{login} is {role.value} now")


@app.command()
def disable(context: typer.Context, login: Login) -> None:
    """Let somebody not log in any more; that person's sessions end."""
    frame = frame_of(context)
    _run(frame, lambda accounts, by: accounts.disable(login, by))
    frame.answer({"login": login, "disabled": True}, f"{login} may not log in any more")


@app.command()
def enable(context: typer.Context, login: Login) -> None:
    """Let somebody log in again."""
    frame = frame_of(context)
    _run(frame, lambda accounts, by: accounts.enable(login, by))
    frame.answer({"login": login, "disabled": False}, f"{login} may log in again")


@app.command("list")
def listing(context: typer.Context) -> None:
    """All logins, without their secrets."""
    frame = frame_of(context)
    rows = _run(frame, lambda accounts, _: accounts.listing())
    frame.rows(
        rows,
        lambda row: "\t".join(
            [row["login"], row["role"], "disabled" if row["disabled_at"] else "enabled", row["name"]]
        ),
        lambda row: {
            **{key: row[key] for key in ("login", "name", "email", "role", "language", "created_at", "last_seen_at")},
            "disabled_at": row["disabled_at"],
            "password": bool(row["password"]),
            "totp": bool(row["totp"]),
            "recovery_codes": row["codes"],
            "oidc": row["subject"] is not None,
        },
    )


@app.command()
def sessions(
    context: typer.Context,
    login: Login,
    revoke: Annotated[bool, typer.Option("--revoke", help="End all of them.")] = False,
) -> None:
    """Where somebody is logged in."""
    frame = frame_of(context)
    if revoke:
        count = _run(frame, lambda accounts, by: accounts.revoke_sessions(login, by))
        frame.answer({"login": login, "revoked": count}, f"{count} ended")
        return
    frame.rows(
        _run(frame, lambda accounts, _: accounts.sessions_of(login)),
        lambda row: f"{row['seen_at'].isoformat(timespec='seconds')}\t{row['address']}\t{row['agent']}",
        lambda row: {key: row[key] for key in ("created_at", "seen_at", "expires_at", "method", "address", "agent")},
    )


@app.command()
def totp(
    context: typer.Context,
    login: Login,
    off: Annotated[bool, typer.Option("--off", help="Switch it off: for somebody who lost phone and codes.")] = False,
) -> None:
    """The second factor of somebody."""
    frame = frame_of(context)
    if off:
        if not _run(frame, lambda accounts, by: accounts.drop_second_factor(login, by)):
            raise Refused(f"{login} has no second factor")
        frame.answer({"login": login, "totp": False}, f"{login} has no second factor any more")
        return
    row = _run(frame, lambda accounts, _: accounts.find(login))
    on = bool(row["totp"])
    frame.answer({"login": row["login"], "totp": on}, f"{row['login']}: {'on' if on else 'off'}")


def _run(frame: Frame, work: Callable[[Accounts, Actor], Awaitable[T]]) -> T:
    async def run() -> T:
        async with opened(frame.settings) as desk:
            return await work(_accounts(desk), _whoever_runs_this())

    with _refusing():
        return asyncio.run(run())


def _accounts(desk: Opened) -> Accounts:
    from desk.accounts import Accounts
    from gateway import assemble

    return Accounts(desk.database, desk.clock, assemble.staff_rules(desk.settings))


def _whoever_runs_this() -> Actor:
    from desk.change import Actor

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor(f"cli:{name}", name)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what use cases refuse into the answer no."""
    from desk.accounts import NoSuchUser, NotChanged
    from desk.passwords import WeakPassword

    try:
        yield
    except (NoSuchUser, NotChanged, WeakPassword) as error:
        raise Refused(str(error)) from None


def _password(*, generate: bool, stdin: bool, login: str) -> str:
    from desk.passwords import check, generated

    if generate and stdin:
        raise Unusable("--generate or --stdin, not both")
    if generate:
        return generated()
    if stdin or not sys.stdin.isatty():
        given = sys.stdin.readline(_LONGEST).rstrip("\r\n")
        if not given:
            raise Unusable("no password came on the standard input; give one there, or --generate")
    else:
        given = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != given:
            raise Refused("the passwords differ")
    with _refusing():
        check(given, login)
    return given


def _answer(frame: Frame, document: dict[str, Any], text: str, generated: str) -> None:
    if generated:
        document, text = {**document, "password": generated}, f"{text}\n{generated}"
    frame.answer(document, text)
