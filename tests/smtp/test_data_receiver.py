"""The content of a mail, chunk by chunk."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.smtp_data import ByteBudget, DataReceiver, Verdict

OCTETS = st.text(alphabet="\r\n.ab", max_size=60).map(str.encode)


def stuff(content: bytes) -> bytes:
    """What a client sends for this content (RFC 5321, section 4.5.2)."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


def receive(data: bytes, cuts: list[int], max_size: int = 1000) -> tuple[DataReceiver, bytes | None]:
    receiver = DataReceiver(max_size, ByteBudget(10_000))
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    rest = None
    for start, end in pairwise(edges):
        if rest is None:
            rest = receiver.feed(data[start:end])
        else:
            rest += data[start:end]
    return receiver, rest


@given(content=OCTETS, after=OCTETS, cuts=st.lists(st.integers(0, 80), max_size=8))
def test_content_arrives_as_written_whatever_the_chunks(content: bytes, after: bytes, cuts: list[int]) -> None:
    sent = stuff(content + b"\r\n") if content else b""
    receiver, rest = receive(sent + b".\r\n" + after, cuts)
    assert rest == after
    assert receiver.content() == (content + b"\r\n" if content else b"")


@pytest.mark.parametrize(
    "sent, content",
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
        (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n"),
    ],
)
def test_dots(sent: bytes, content: bytes) -> None:
    receiver, rest = receive(sent, [1, 2, 3])
    assert rest == b""
    assert receiver.content() == content


@pytest.mark.parametrize("size, verdict", [(99, Verdict.WHOLE), (100, Verdict.WHOLE), (101, Verdict.TOO_BIG)])
@pytest.mark.parametrize("filler", [b"x", b"\r\n."])
def test_the_limit_counts_content_without_transparency_dots(size: int, verdict: Verdict, filler: bytes) -> None:
    content = (b"." + filler * size)[: size - 2].rstrip(b"\r\n.").ljust(size - 2, b"x") + b"\r\n"
    receiver, _ = receive(stuff(content) + b".\r\n", [7, 50], max_size=100)
    receiver.content()
    assert receiver.verdict is verdict


@given(size=st.integers(200, 3000), cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_what_is_too_big_is_read_to_its_end_and_not_kept(size: int, cuts: list[int]) -> None:
    receiver, rest = receive(b"x" * size + b"\r\n.\r\nQUIT\r\n", cuts, max_size=100)
    assert rest == b"QUIT\r\n"
    if receiver.verdict is Verdict.WHOLE:
        receiver.content()
    assert receiver.verdict is Verdict.TOO_BIG
    assert len(receiver._buffer) < 100


def test_a_spent_budget_refuses_and_gives_back() -> None:
    budget = ByteBudget(100)
    first, second = DataReceiver(1000, budget), DataReceiver(1000, budget)
    assert first.feed(b"a" * 75 + b"\r\n.\r\n") == b""
    assert budget.room == 20
    assert second.feed(b"b" * 15) is None
    assert second.feed(b"b" * 15) is None
    assert second.verdict is Verdict.NO_ROOM
    assert budget.used == 80
    assert second.feed(b"\r\n.\r\nNOOP\r\n") == b"NOOP\r\n"
    first.release()
    first.release()
    second.release()
    assert budget.used == 0


def test_in_a_spent_budget_the_mail_silent_longest_gives_way() -> None:
    gone: list[str] = []
    budget = ByteBudget(100)
    mails = {name: DataReceiver(1000, budget, peer=name, gave_way=partial(gone.append, name)) for name in "abcd"}
    mails["c"].feed(b"")
    for name in "abca":
        mails[name].feed(b"x" * 20)
    assert mails["d"].feed(b"x" * 30) is None
    assert gone == ["b"]
    assert (mails["b"].verdict, mails["b"].held, budget.used) == (Verdict.NO_ROOM, 0, 90)
    mails["d"].feed(b"x" * 65)
    assert gone == ["b", "c", "a"]
    assert (mails["d"].verdict, budget.used) == (Verdict.WHOLE, 95)


def test_nobody_gives_way_in_vain() -> None:
    gone: list[str] = []
    budget = ByteBudget(100)
    DataReceiver(1000, budget, gave_way=lambda: gone.append("empty")).feed(b"")
    waiting = DataReceiver(1000, budget, gave_way=lambda: gone.append("waiting"))
    waiting.feed(b"x" * 20)
    DataReceiver(1000, budget).feed(b"x" * 65 + b"\r\n.\r\n")
    big = DataReceiver(1000, budget)
    big.feed(b"x" * 40)
    assert (big.verdict, gone, budget.used) == (Verdict.NO_ROOM, [], 90)
    DataReceiver(1000, budget).feed(b"x" * 25)
    assert gone == ["waiting"]


def test_a_peer_that_spent_its_share_takes_from_nobody_else() -> None:
    gone: list[str] = []
    budget = ByteBudget(100, share=40)
    other = DataReceiver(1000, budget, peer="a", gave_way=lambda: gone.append("other"))
    old, new = (DataReceiver(1000, budget, peer="b", gave_way=partial(gone.append, age)) for age in ("old", "new"))
    other.feed(b"x" * 10)
    old.feed(b"x" * 30)
    new.feed(b"x" * 30)
    assert gone == ["old"]
    new.feed(b"x" * 30)
    assert (new.verdict, gone, budget.used, budget.room) == (Verdict.NO_ROOM, ["old"], 10, 40)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([b"x" * 7, b"x" * 30, b"\r\n.\r\n", b""])), max_size=60))
def test_the_account_is_always_right(steps: list[tuple[int, bytes]]) -> None:
    budget = ByteBudget(100, share=60)
    mails = [DataReceiver(80, budget, peer=str(number % 2)) for number in range(6)]
    over: set[int] = set()
    for number, chunk in steps:
        mail = mails[number]
        if not chunk:
            mail.release()
            over.add(number)
        elif number not in over and mail.feed(chunk) is not None:
            over.add(number)
        assert budget.used == sum(one.held for one in mails) <= 100
        assert all(sum(one.held for one in mails[peer::2]) <= 60 for peer in (0, 1))
        assert 0 <= budget.room <= 60
    for mail in mails:
        mail.release()
    assert (budget.used, budget.room, budget._of_peer) == (0, 60, {})
