"""How well a text reads as Russian: the cost of its letter pairs, of its capitals and of what is no letter.

Eight-bit text with a missing or wrong label has one right reading among five charsets, and often only a word or two to
tell it by: `Касса`, `Ошибка 404`, `Иван Ёлкин.pdf`. Frequencies of single letters are too coarse for that. The table
holds what a letter costs after another, in about 1.15 times bits (0 to 15, one hexadecimal digit), counted over the
Russian texts of this project; its last row and column are the ends of a word.
"""

from __future__ import annotations

import math

_LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
_END = len(_LETTERS)
_PAIRS = (
    "f5586665c55564d66548b9977bffffa5b2"
    "4fbff3fc6f65973f3f85fcfff564bff8f6"
    "3f8cd3fa4f4587498557f7feddf48ff8d3"
    "4be956ee4ea5971e4eb7eebebeeeeeeee5"
    "3f7f939f4f84953858a5fcdfcfb69fa964"
    "d9876887b7655388454f99a797ffffee92"
    "36ee429a4e7e439eeee6eeeeeeeeeeeee5"
    "195a577f7f99554f9ff6fff8ffb78f97f3"
    "a77875958665547b643e88776cffff95b3"
    "ffcf6ffffc83f8cfc54fbf979ffffffff1"
    "2b9ff5af4ff5f83f5654ffaffffffefff3"
    "4fdbf38d3f6ac73ffab6fffcfff83f5484"
    "3b8ff2ff5ffa7738faf6affcfff6aff792"
    "3ede63bd3f9ff53de956bf9bdff58fb695"
    "f546566786555676554dc8b67cfffef8b3"
    "5fddf3ff4fa9fb292dd6ffcffff7bff9a8"
    "3c7ab48f3f9c773cc67697ff9ff67fe7a4"
    "5a7f858f6f5476457528f799efc65fb684"
    "4a5eb3fb5f69893747c7fffafcf74ffdb3"
    "97764747f66648f6455fa9f598ffff5af2"
    "1eeee6ee4eeeee3e5e578eeeeeeeeeee75"
    "6e68e7ee4ee8ae2e49e9eeeeeeeeeeeee2"
    "297cc2cc2ccccc6cccc5ccccccc6ccccc4"
    "2ffff2ff3f7ff49fff37ffffbfff9fff56"
    "4eeee2ee2e44e66e6eb5eebe8eee8eee66"
    "4dddd2dd3dddd8ddddd7ddddd9dd9ddd2a"
    "aaaaa0aaaaaaaaaaaaaaaaaaaaaaaaa66a"
    "f66b74fff3746cf7974ff5f67ffffffff2"
    "ffaaf8f5af6f45fff75fffaf5fffcf88c1"
    "dddd8ddddd43dddddd0d88dd9ddd9ddddd"
    "d5d76dddadd765dd874dddd2d4dddd7dd2"
    "f83f86b6fa9686ffc95ffbaff8ffff9b91"
    "dd996d78dd9534ddad3ddaddadddddddd1"
    "674956955f586443646669a69cfee7b9bf"
)
_SIZE = _END + 1
_COSTS = bytes(int(digit, 16) for digit in "".join(_PAIRS))
_LOWER = {letter: number for number, letter in enumerate(_LETTERS)}
_UPPER = {letter.upper(): number for number, letter in enumerate(_LETTERS)}
_OPENING, _CLOSING, _FREE = frozenset("«„“‘"), frozenset("»”’"), frozenset("—–№…\xa0")
_NEIGHBOURS = frozenset("іїєґўІЇЄҐЎ")

CAPITALS = 4.0
"""A word of capitals alone: people shout less than they speak."""
TITLE = 1.5
BROKEN_CASE = 9.0
"""A capital behind a small letter, or a small letter behind two capitals: what a wrong charset makes of a word."""
MIXED = 6.0
"""A Latin letter next to a Cyrillic one."""
NEIGHBOUR, MARK, MISPLACED, STRANGE, GLUED = 10.0, 4.0, 9.0, 13.0, 12.0
"""A letter of a kindred alphabet; a quotation mark, dash or number sign; more for one where none stands, as between two
letters; anything else beyond ASCII; more for that next to a letter."""
UNBALANCED = 10.0
"""An opening quotation mark without its closing one, or the other way round."""


def cost(text: str, limit: float = math.inf) -> float:
    """The cost of a reading; the least of several readings of the same bytes is the likeliest.

    Adding up ends beyond `limit`: any higher sum has lost as well.
    """
    total = 0.0
    before = _END
    capitals = small = 0
    after = 0.0
    for char in text:
        number = _LOWER.get(char)
        upper = False
        if number is None:
            number = _UPPER.get(char)
            upper = number is not None
        if number is not None:
            if before == _END:
                capitals = small = 0
                total += after
            elif (upper and small) or (not upper and capitals > 1 and not small):
                total += BROKEN_CASE
            total += _COSTS[before * _SIZE + number]
            if total > limit:
                return total
            if upper:
                capitals += 1
            else:
                small += 1
            before = number
            continue
        inside = before != _END
        if inside:
            total += _COSTS[before * _SIZE + _END] + _case(capitals, small)
            before = _END
        # What it costs, and what it costs a letter to follow it.
        here, after = _other(char, inside)
        total += here
    if before != _END:
        total += _COSTS[before * _SIZE + _END] + _case(capitals, small)
    return total + UNBALANCED * abs(sum(map(text.count, "«„“‘")) - sum(map(text.count, "»”’")))


def _case(capitals: int, small: int) -> float:
    if not capitals:
        return 0.0
    return TITLE if small or capitals == 1 else CAPITALS


def _other(char: str, inside: bool) -> tuple[float, float]:
    if char < "\x80":
        return (MIXED if inside else 0.0, MIXED) if char.isalpha() else (0.0, 0.0)
    if char in _FREE:
        return MARK, 0.0 if char in "№\xa0" else 3.0
    if char in _OPENING:
        return MARK + (MISPLACED if inside else 0.0), 0.0
    if char in _CLOSING:
        return MARK, MISPLACED
    if char in _NEIGHBOURS:
        return NEIGHBOUR, 0.0
    return STRANGE + (GLUED if inside else 0.0), GLUED
