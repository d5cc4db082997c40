"""A group or list of our own is one of our addresses; any other list is a list, and not thanked."""

from __future__ import annotations

from typing import Any

import pytest

IRINA = "irina@sibtrans.example"


def by_list(post: Any, address: str) -> Any:
    fields = {"List_Id": f"<{address.replace('@', '.')}>", "List_Post": f"<mailto:{address}>", "Precedence": "list"}
    return post.mail(IRINA, **fields)


@pytest.mark.parametrize(
    "address, more",
    [
        pytest.param("support@otklik.example", "", id="the address we answer from"),
        pytest.param("IT-Help@otklik.example", 'recipients = ["it-help@otklik.example"]', id="a recipient of the door"),
        pytest.param("it-help@client.example", '[mailbox.help]\naddress = "it-help@client.example"\nport = 1\n'
                     'password = "x"\ntls = "none"', id="the address of a mailbox"),
    ],
)  # fmt: skip
async def test_whoever_writes_to_our_own_list_is_thanked(post: Any, address: str, more: str) -> None:
    await post.open(smtp=more if "recipients" in more else "", more="" if "recipients" in more else more)
    await post.send(by_list(post, address))
    [ticket] = await post.settled()
    assert ticket["messages"][0]["kind"] == "human"
    assert len(post.mails(IRINA)) == 1
    assert post.mails(address) == []


async def test_another_list_is_a_list(post: Any) -> None:
    await post.open()
    await post.send(by_list(post, "users@project.example"))
    [ticket] = await post.settled()
    assert ticket["messages"][0]["kind"] == "mailing_list"
    assert post.mails(IRINA) == []
