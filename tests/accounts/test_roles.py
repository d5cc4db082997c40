"""Every address of the staff and every role: who gets in is told by one table."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tickets.role import RIGHTS, Right, Role, allows

PUBLIC = (
    "/api/", "/demo", "/favicon", "/form", "/healthz", "/hooks", "/livez", "/login", "/metrics", "/my", "/openapi.json",
    "/readyz", "/static", "/t/", "/theme",
)  # fmt: skip
"""Where nobody has to be logged in, or programs are by other means."""

OWN = ("/account", "/logout", "/queue/views")
"""What everybody who is logged in may do: it is about themselves."""

TABLE = """
GET   /                                             -
GET   /account                                      -
POST  /account                                      -
POST  /account/password                             -
POST  /account/sessions/others/revoke               -
POST  /account/sessions/{session}/revoke            -
GET   /account/second-factor                        -
POST  /account/second-factor                        -
GET   /account/second-factor/picture.svg            -
POST  /account/second-factor/off                    -
POST  /account/second-factor/codes                  -
POST  /logout                                       -
GET   /users                                        users:manage
POST  /users                                        users:manage
GET   /users/new                                    users:manage
GET   /users/by-login/{login}                       users:manage
POST  /users/by-login/{login}/role                  users:manage
POST  /users/by-login/{login}/disable               users:manage
POST  /users/by-login/{login}/enable                users:manage
POST  /users/by-login/{login}/password              users:manage
POST  /users/by-login/{login}/sessions              users:manage
POST  /users/by-login/{login}/second-factor         users:manage
GET   /audit                                        audit:read
GET   /queue                                        tickets:read
GET   /queue/rows                                   tickets:read
GET   /queue/fresh                                  tickets:read
GET   /search                                       tickets:read
GET   /live                                         tickets:read
GET   /queue/views/new                              tickets:read
POST  /queue/views                                  tickets:read
GET   /queue/views/{id}                             tickets:read
POST  /queue/views/{id}                             tickets:read
POST  /queue/views/{id}/drop                        tickets:read
POST  /queue/bulk                                   tickets:write
POST  /queue/bulk/{id}/undo                         tickets:write
GET   /tickets/new                                  tickets:write
GET   /tickets/new/known                            tickets:write
POST  /tickets/new                                  tickets:write
GET   /tickets/{number}                             tickets:read
GET   /tickets/{number}/live                         tickets:read
GET   /tickets/{number}/files/{file}                tickets:read
GET   /tickets/{number}/messages/{message}/frame    tickets:read
GET   /tickets/{number}/messages/{message}/raw      addresses:see
GET   /tickets/{number}/messages/{message}/source   addresses:see
POST  /tickets/{number}/messages                    tickets:write
POST  /tickets/{number}/draft                       tickets:write
POST  /tickets/{number}/draft/files/{file}/drop     tickets:write
POST  /tickets/{number}/preview                     tickets:write
POST  /tickets/{number}/undo/{nonce}                tickets:write
POST  /tickets/{number}/status                      tickets:write
POST  /tickets/{number}/assign                      tickets:write
POST  /tickets/{number}/classify                    tickets:write
POST  /tickets/{number}/copies                      tickets:write
POST  /tickets/{number}/copies/drop                 tickets:write
GET   /tickets/{number}/together                    tickets:write
POST  /tickets/{number}/merge                       tickets:write
POST  /tickets/{number}/unmerge                     tickets:write
GET   /tickets/{number}/split                       tickets:write
POST  /tickets/{number}/split                       tickets:write
POST  /tickets/{number}/links                       tickets:write
POST  /tickets/{number}/links/{link}/drop           tickets:write
GET   /tickets/{number}/customer                    tickets:write
GET   /canned                                       tickets:read
POST  /canned                                       tickets:write
POST  /canned/{answer}                              tickets:write
POST  /canned/{answer}/drop                         tickets:write
GET   /deliveries                                   deliveries:read
GET   /deliveries/{delivery}                        deliveries:read
POST  /deliveries/bulk                              deliveries:write
POST  /deliveries/{delivery}/retry                  deliveries:write
POST  /deliveries/{delivery}/settle                 deliveries:write
POST  /deliveries/{delivery}/address                deliveries:write
GET   /quarantine                                   quarantine:read
GET   /quarantine/{entry}                           quarantine:read
GET   /quarantine/{entry}/raw                       addresses:see
POST  /quarantine/{entry}/replay                    quarantine:write
POST  /quarantine/{entry}/accept                    quarantine:write
POST  /quarantine/{entry}/discard                   quarantine:write
POST  /quarantine/{entry}/hold                      quarantine:write
GET   /spam                                         quarantine:read
POST  /spam/rules                                   quarantine:write
POST  /spam/rules/forget                            quarantine:write
POST  /spam/{entry}/release                         tickets:write
POST  /spam/{entry}/block                           quarantine:write
POST  /spam/{entry}/discard                         quarantine:write
"""
"""The right each address needs; `-` where being logged in is enough."""

NEEDED = {
    (method, path): None if right == "-" else Right(right)
    for method, path, right in (line.split() for line in TABLE.strip().splitlines())
}


def routes(console: Any) -> set[tuple[str, str]]:
    """Every address of the running program that is not public."""
    found = set()
    for route in console.program.http._application.router.routes():
        path = route.resource.canonical if route.resource is not None else ""
        if path and not path.startswith(PUBLIC):
            found.add((route.method, path))
    return found - {(method, path) for method, path in found if method == "HEAD"}


def filled(path: str) -> str:
    """An address with something nobody has in its gaps."""
    return re.sub(r"\{[^}]*\}", lambda gap: "nobody" if "login" in gap[0] else uuid4().hex, path)


def test_the_table_of_rights_is_what_the_roles_are_about() -> None:
    assert RIGHTS[Role.ADMINISTRATOR] == frozenset(Right)
    assert RIGHTS[Role.AGENT] < RIGHTS[Role.LEAD] < RIGHTS[Role.ADMINISTRATOR]
    changes = {right for right in Right if right.value.split(":")[1] in ("write", "manage", "share", "bulk")}
    assert not RIGHTS[Role.AUDITOR] & changes, "an auditor changes nothing"
    assert not allows(Role.AUDITOR, Right.ADDRESSES_SEE)
    assert {role for role in Role if allows(role, Right.AUDIT_READ)} == {Role.AUDITOR, Role.ADMINISTRATOR}
    assert {role for role in Role if allows(role, Right.USERS_MANAGE)} == {Role.ADMINISTRATOR}


@pytest.mark.slow
async def test_nobody_gets_in_without_a_login(console: Any) -> None:
    there = routes(console)
    assert there == set(NEEDED), "the table names every address of the staff"
    browser = console.browser()
    for method, path in sorted(there):
        page = await browser.ask(method if method != "*" else "GET", filled(path))
        home = path == "/" and page.leads_to == "/queue"
        assert home or (page.status == 303 and page.leads_to.startswith("/login?next=")), (method, path, page.status)


@pytest.mark.slow
@pytest.mark.parametrize("role", list(Role))
async def test_every_role_gets_what_the_table_says(console: Any, staff_session: Any, role: Role) -> None:
    seen: dict[tuple[str, str], tuple[bool, bool]] = {}
    for (method, path), right in sorted(NEEDED.items()):
        session = await staff_session(console.program, role.value)
        browser = console.browser()
        browser.cookies = dict(session.cookies)
        page = await browser.ask(
            method, filled(path), headers={"X-CSRF-Token": session.csrf}, read=not path.endswith("/live")
        )
        assert page.status < 500, (method, path, page.status)
        seen[method, path] = (page.status != 403, right is None or allows(role, right))
    assert {key: got for key, (got, _) in seen.items()} == {key: wanted for key, (_, wanted) in seen.items()}


@pytest.mark.slow
async def test_an_auditor_changes_nothing_anywhere(console: Any, staff_session: Any) -> None:
    session = await staff_session(console.program, "auditor")
    browser = console.browser()
    browser.cookies = dict(session.cookies)
    changing = [(method, path) for method, path in routes(console) if method not in ("GET", "HEAD", "*")]
    for method, path in sorted(changing):
        if not path.startswith(OWN):
            page = await browser.ask(method, filled(path), headers={"X-CSRF-Token": session.csrf})
            assert page.status == 403, (method, path, page.status)


async def test_a_role_holds_from_the_next_request_on(console: Any) -> None:
    await console.user("vera", "administrator")
    await console.user("petrova", "administrator")
    browser = console.browser()
    await browser.log_in("petrova")
    assert (await browser.get("/users")).status == 200
    boss = console.browser()
    await boss.log_in("vera")
    page = await boss.get("/users/by-login/petrova")
    await boss.post("/users/by-login/petrova/role", {"csrf": page.field("csrf"), "role": "agent"})
    refused = await browser.get("/users")
    assert refused.status == 403
    assert "Ваша роль этого не позволяет" in refused.text
