"""What happens, told in lines for whoever watches."""

from __future__ import annotations

from typing import Any

import pytest

from desk.feed import Feed


@pytest.mark.parametrize(
    "language, said",
    [
        ("ru", "не отправляли, предел подтверждений за час исчерпан"),
        ("en", "not sent, enough acknowledgements for this hour"),
    ],
)
async def test_why_nothing_was_sent_is_told_in_the_same_sentence_and_once(desk: Any, language: str, said: str) -> None:
    feed = Feed(desk.database, language, "Europe/Moscow")
    for _ in range(2):
        accepted = await desk.take(desk.mail())
    lines = await feed.news()
    assert [
        line for line in lines if accepted.number in line and line.endswith(f"irina@sibtrans.example: {said}")
    ] != []
    assert await feed.news() == []
