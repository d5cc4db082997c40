"""Dialogues recorded elsewhere: smuggling tests, fuzzing finds, resource abuse. Skipped where they are not at hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parents[3] / "shared" / "corpora" / "smtp" / "expect.jsonl"


def cases() -> list[Any]:
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded dialogues at {CASES}"))]
    found = [json.loads(line) for line in CASES.read_text("utf-8").splitlines() if line.strip()]
    return [pytest.param(case, id=case["id"]) for case in found]


def fill(text: str) -> str:
    for name, value in {"SUPPORT": "help@example.ru", "DOMAIN": "example.ru", "RUN": "1", "ID": "case"}.items():
        text = text.replace("{{" + name + "}}", value)
    return text


@pytest.mark.parametrize("case", cases())
async def test_dialogue(opened: Any, case: dict[str, Any]) -> None:
    async with opened(domains=frozenset({"example.ru"})) as door:
        idle = []
        client = await door.call()
        for step in case["steps"]:
            if "open" in step:
                idle = [await door.call() for _ in range(step["open"])]
                for other in idle:
                    other.send(b"E" * step.get("bytes", 1))
            elif "raw_hex" in step:
                client.send(bytes.fromhex(step["raw_hex"]))
                client.writer.write_eof()
                await client.rest()
            elif "raw" in step:
                data = fill(step["raw"])
                client.send((data * step.get("times_header", 1)).encode())
                if data.endswith("\r\n.\r\n"):
                    assert re.match(step.get("code", ""), await client.answer())
            else:
                for _ in range(step.get("times", 1)):
                    assert re.match(step.get("code", ""), await client.say(fill(step["cmd"])))
        expected = case["expect"]
        assert (await (await door.call()).say("NOOP")).startswith("250")
        assert len(door.desk.taken) <= expected.get("tickets_max", expected.get("tickets", 99))
        assert len(door.desk.taken) >= expected.get("tickets", 0)
        if "never_subject" in expected:
            heads = [raw.split(b"\r\n\r\n")[0] for raw in door.desk.raws]
            assert not any(expected["never_subject"].encode() in head for head in heads)
        for other in idle:
            other.writer.transport.abort()
