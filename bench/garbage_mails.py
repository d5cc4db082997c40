"""Mutated mails and replies against the reader itself: `python -m bench.garbage_mails --seconds 60 --seed N`

Mails of all kinds are bred: bytes changed, cut, doubled, joined with pieces of others, one line repeated a thousand
times. Each must give a message or an honest refusal, in the processor time `channels.email.reading_room` allows, and
what comes of it must be storable: JSON, no NUL, no lone surrogate, every file taken out again with the same digest. The
text of a reply must be made of lines of the text it was taken from. Every mail can be bred again by the seed and number
printed with a violation (`--only NUMBER`). Exit status 1 if there was one.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import msgspec

from bench.garbage_forms import MAILS
from bench.garbage_pieces import BODIES, HTMLS, LINES
from channels.email.html import to_text
from channels.email.read import attachment_bytes, html_of, read
from channels.email.reading_room import Bounds
from channels.email.reply import strip_quotes
from tickets.message import InboundMessage

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MOST = 200_000
"""Octets of the largest mail bred."""
_SIGNS = b"\x00\r\n \t:;,<>@\"'=?-()[]{}\\/%*\xff\xd0\x1b"


class TooLong(BaseException):
    """Reading took more processor time than any mail may; nothing that is total against errors may swallow it."""


class Breeder:
    """One mail or text by seed and number."""

    def __init__(self, seed: int, number: int) -> None:
        self.chance = random.Random(f"{seed} {number}")

    def mail(self) -> bytes:
        """A mail of some kind with things done to it."""
        chance = self.chance
        raw = bytearray(chance.choice(MAILS).replace("{id}", str(chance.random())).encode("utf-8", "surrogatepass"))
        if chance.random() < 0.5:
            head, _, body = bytes(raw).partition(b"\r\n\r\n")
            charset = chance.choice(["utf-8", "cp1251", "koi8-r", "cp866", "utf-16", "utf-7"])
            body = (chance.choice(BODIES) + chance.choice(HTMLS)).encode(charset, "replace")
            raw = bytearray(head + b"\r\n\r\n" + body)
        for _ in range(chance.choice([1, 1, 2, 3, 8, 30])):
            self._mutate(raw)
        return bytes(raw[:MOST])

    def text(self) -> str:
        """The text of a reply, of true and of broken pieces."""
        chance = self.chance
        lines = [chance.choice(LINES) for _ in range(chance.choice([2, 5, 10, 40]))]
        if chance.random() < 0.1:
            lines = lines * chance.choice([10, 300])
        text = "\n".join(lines)
        raw = bytearray(text.encode())
        for _ in range(chance.choice([0, 1, 3, 10])):
            self._mutate(raw)
        return bytes(raw[:MOST]).decode("utf-8", "replace")

    def _mutate(self, raw: bytearray) -> None:
        chance = self.chance
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice([1, 2, 10, 100, 1000]))
        kind = chance.randrange(9)
        if kind == 0:
            raw[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice([1, 2, 20])))
        elif kind == 1:
            del raw[at:end]
        elif kind == 2:
            raw[at:at] = raw[at:end]
        elif kind == 3:
            del raw[at:]
        elif kind == 4:
            raw[at:at] = chance.choice(LINES).encode() + chance.choice([b"\r\n", b"\n", b"\r", b""])
        elif kind == 5:
            raw[at:end] = raw[at:end] * chance.choice([2, 50, 1000])
            del raw[MOST:]
        elif kind == 6:
            other = chance.choice(MAILS).encode("utf-8", "replace")
            begin = chance.randrange(len(other))
            raw[at:at] = other[begin : begin + chance.choice([20, 200, 2000])]
        elif kind == 7:
            raw[at:end] = bytes(chance.choice(_SIGNS) for _ in range(end - at))
        else:
            begin = raw.find(b"\n", at) + 1
            line = bytes(raw[begin : raw.find(b"\n", begin) + 1])[:200]
            raw[begin:begin] = line * chance.choice([2, 100, 1000])
            del raw[MOST:]


def check_storable(found: Any) -> None:
    """See that both databases take every text in what was read.

    Raises:
        AssertionError: there is a NUL in one.
        UnicodeEncodeError: there is half of a surrogate pair in one.
    """
    assert b"\\u0000" not in msgspec.json.encode(found, enc_hook=repr), "a NUL"


def judge_mail(raw: bytes, mail_from: str | None) -> str:
    """Read a mail in every way there is; what it became.

    Raises:
        AssertionError: something came of it that must not.
    """
    found = read(raw, account="a", external_id="1", received_at=NOW, mail_from=mail_from, want_html=True)
    check_storable(found)
    if not isinstance(found, InboundMessage):
        assert found.reason != "parse_error", found.detail
        return found.reason
    html_of(raw)
    for attachment in found.attachments[:3] + found.attachments[-2:]:
        _, again = attachment_bytes(raw, attachment.part)
        assert again.sha256 == attachment.sha256, f"another file at {attachment.part!r}"
    assert found.kind == "human" or not found.acknowledge, "a program is acknowledged"
    judge_reply(found.text)
    return str(found.kind)


def judge_reply(text: str) -> None:
    """Take the reply out of a text.

    Raises:
        AssertionError: it is empty where the text is not, or says what the text does not.
    """
    kept = strip_quotes(text)
    assert bool(kept.strip()) == bool(text.strip()), "an empty reply"
    lines = iter(line.strip() for line in text.split("\n"))
    for line in kept.split("\n"):
        wanted = line.strip()
        assert not wanted or any(given.startswith(wanted) for given in lines), f"nobody wrote {wanted[:80]!r}"


def bred(seed: int, number: int) -> tuple[str | None, bytes]:
    """An input by its number: a mail with its envelope sender, or, of every four the first, the text of a reply."""
    breeder = Breeder(seed, number)
    if number % 4:
        return breeder.chance.choice([None, "", "<>", "anna@example.ru"]), breeder.mail()
    return None, breeder.text().encode()


def one(seed: int, number: int) -> str:
    """Breed and judge one input; what it became, or what is wrong with it after `!`."""
    sender, raw = bred(seed, number)
    signal.setitimer(signal.ITIMER_VIRTUAL, Bounds().seconds)
    try:
        if number % 4:
            return judge_mail(raw, sender)
        text = raw.decode()
        judge_reply(text)
        whole, fresh = to_text(text)
        assert len(fresh) <= len(whole) or not whole, "more fresh than whole"
        return "reply"
    except TooLong:
        return "! took too long"
    except Exception as error:
        return f"! {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLong


def main() -> int:
    """Exit status: 0 nothing crashed or hung, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.garbage_mails", description="Mutated mails and replies.")
    parser.add_argument("--seconds", type=float, default=60, help="how long to breed (60)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", type=int, default=None, help="one input by its number, to see it again")
    given = parser.parse_args()
    seed: int = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGVTALRM, _too_long)
    if given.only is not None:
        sys.stdout.buffer.write(bred(seed, given.only)[1] + b"\n")
        print(one(seed, given.only))
        return 0
    became: Counter[str] = Counter()
    wrong: list[str] = []
    number, until = 0, time.monotonic() + given.seconds
    while time.monotonic() < until:
        outcome = one(seed, number)
        if outcome.startswith("!"):
            wrong.append(f"input {number}: {outcome}")
        became[outcome[:40]] += 1
        number += 1
    print(f"{number} mutated mails and replies, {len(wrong)} violations")
    for outcome, times in sorted(became.items()):
        print(f"  {outcome:<44}{times:>6}")
    for each in wrong[:20]:
        print(f"  {each}  (--seed {seed} --only N shows it)")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
