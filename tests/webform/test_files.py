"""Files of a form: what is let in, what waits, and whose it is."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from channels.webform import files
from channels.webform.form import FileLimits
from channels.webform.multipart import NotAForm, Part, joined, parts
from channels.webform.stream import Body, FarTooLarge

SMALL = """
[form.support]
work = 200
[form.support.files]
count = 2
each = "2 kB"
total = "3 kB"
kinds = ["png", ".TXT"]
"""
EXE = b"MZ" + bytes(200)


@pytest.fixture
def more() -> dict[str, str]:
    """Small limits."""
    return {"toml": SMALL}


async def up(person: Any, page: Any, name: str, data: bytes) -> tuple[int, dict[str, Any]]:
    """Send one file ahead of its form, as the script does."""
    answer = await person.post("/form/support/files", [], [(name, data)], **{"X-Form-Nonce": page.nonce})
    return answer.status, json.loads(answer.body)


# ---- bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x", b"--", b"--\r\n", b"{}", b"a=b&c=d", b"--X", b"--X\r\n", b"--X\r\nA\r\n", b"\r\n--X\r\n\r\n--X--",
        b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\nno end",
        b"--X\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--X--",
        b"--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--",
        b"--X\r\nno colon\r\n\r\nx\r\n--X--",
        b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--Xy",
        b"--" + b"X" * 71 + b"\r\n",
        b"--X\r\n" + b"A" * 5000 + b"\r\n\r\nx\r\n--X--",
        b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n" * 300 + b"--X--",
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused_and_not_guessed_at(raw: bytes) -> None:
    with pytest.raises(NotAForm):
        parts(raw)


def test_a_body_keeps_names_and_octets_as_they_are() -> None:
    raw = (
        b'--b\r\nContent-Disposition: form-data; name="a%22b"\r\n\r\n\xd1\x8f\r\n\r\n--c\r\n'
        b'--b\r\ncontent-disposition:form-data;name=f;filename="../x%0Ay.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n\r\n"
        b"--b--\r\nepilogue"
    )
    first, second = parts(raw)
    assert (first.name, first.text, first.filename) == ('a"b', "я\n\n--c", None)
    assert (second.name, second.data) == ("f", b"")
    assert files.name_of(second) == "x_y.txt"


def test_files_that_came_before_are_put_behind_what_came() -> None:
    raw = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'
    more = joined(raw, [("f-files", 'имя "1".txt', "text/plain", b"\r\n\x00\r\n")])
    assert parts(more)[:1] == parts(raw)
    assert (parts(more)[1].filename, parts(more)[1].data) == ('имя "1".txt', b"\r\n\x00\r\n")
    with pytest.raises(NotAForm):
        joined(raw, [("f-files", "a", "text/plain", b"\r\n--b\r\n")])


def test_too_large_a_file_is_let_through_and_the_words_are_kept() -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n'
    field = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n'
    raw = field % b"a" + head % (b"f", b"big") + b"y" * 5000 + b"\r\n--c\r\n--" + b"\r\n" + field % b"z" + b"--b--\r\n"
    for step in (1, 7, 100, 4096, len(raw)):
        body = Body(1000)
        for at in range(0, len(raw), step):
            body.feed(raw[at : at + step])
        assert body.cut == [("f", "big")]
        assert [(part.name, part.data) for part in parts(body.raw)] == [("a", b"x"), ("f", b""), ("z", b"x")]
        assert len(body.raw) < 1000


def test_there_is_an_end_to_patience() -> None:
    with pytest.raises(FarTooLarge):
        Body(100).feed(b"no form at all, and more of it than fits" * 10)
    body = Body(100)
    body.feed(b'--b\r\nContent-Disposition: form-data; name="f"; filename="big"\r\n\r\n' + b"y" * 200)
    for _ in range(17):
        body.feed(b"y" * 100)
    with pytest.raises(FarTooLarge):
        body.feed(b"y" * 100)


# ---- what is let in -------------------------------------------------------------------------------------------------

NAMES = [
    ("../../etc/passwd", "passwd"),
    ("C:\\Users\\i\\фото.png", "фото.png"),
    ("a\x00b\x1f.txt", "a_b_.txt"),
    ("\u202egnp.exe", "_gnp.exe"),
    ("...", "file"),
    ("", "file"),
    ('a"<b>|c?.txt', "a__b__c_.txt"),
    ("x" * 300 + ".png", "x" * 196 + ".png"),
]


@pytest.mark.parametrize("given, kept", NAMES)
def test_names_are_made_harmless(given: str, kept: str) -> None:
    assert files.name_of(Part(1, "f", given, "", b"")) == kept


REFUSED = [
    ("a.png", b"", "empty"),
    ("a.png", b"x" * 2001, "too_large"),
    ("a.exe", b"x", "program"),
    ("a.png", EXE, "program"),
    ("фото.PNG.js", b"x", "program"),
    ("a.pdf", b"x", "kind"),
    ("png", b"x", "kind"),
    ("a.PNG", b"x", ""),
    ("a.txt", b"x" * 2000, ""),
]


@pytest.mark.parametrize("name, data, why", REFUSED)
def test_what_may_be_attached(name: str, data: bytes, why: str) -> None:
    assert files.refusal(name, data, FileLimits(2, 2000, 3000, frozenset({"png", "txt"}))) == why


def test_what_a_file_is_said_to_be_does_not_count() -> None:
    assert files.content_type_of("a.txt", b"\x89PNG\r\n\x1a\n" + bytes(20)) == "image/png"
    assert files.content_type_of("a.html", b"<script>") == "text/plain"
    assert files.content_type_of("a.svg", b"<svg>") == "text/plain"
    assert files.content_type_of("a", b"?") == "application/octet-stream"


async def test_every_refusal_is_told_and_the_other_files_stay(person: Any) -> None:
    for name, data, words in [
        ("a.png", b"x" * 2001, "Файл «a.png» больше 2 КБ"),
        ("a.png", b"x" * 9_000_000, "Файл «a.png» больше 2 КБ"),
        ("a.exe", b"x", "похож на программу"),
        ("a.pdf", b"x", "png, txt"),
        ("<b>.png", b"", "пустой"),
    ]:
        again = await person.send(await person.open(), files=[("good.txt", b"good"), (name, data)], proof="")
        assert again.status == 422, name
        assert words in again.words
        assert person.right["what"] in again.body
        assert person.right["email"] in again.body, "what stood behind the file is kept too"
        assert len(again.parked()) == 1
        assert "good.txt" in again.words


async def test_more_files_than_may_be(person: Any) -> None:
    many = await person.send(await person.open(), files=[(f"{n}.txt", b"x") for n in range(3)], proof="")
    assert "Файлов больше 2: здесь 3" in many.words
    heavy = await person.send(await person.open(), files=[(f"{n}.txt", b"x" * 1900) for n in range(2)], proof="")
    assert "Файлы вместе больше 3 КБ" in heavy.words


# ---- files that wait ------------------------------------------------------------------------------------------------


async def test_a_file_that_went_ahead_goes_with_its_form(person: Any) -> None:
    page = await person.open()
    status, file = await up(person, page, "a.png", person.png)
    assert (status, file["name"], file["size"]) == (201, "a.png", len(person.png))
    sent = await person.send(page, files=[("b.txt", b"b")], extra=[("parked", file["id"])])
    ticket = await person.ticket(await person.done(sent))
    assert [f["name"] for f in ticket["messages"][0]["attachments"]] == ["b.txt", "a.png"]


async def test_nobody_reaches_the_files_of_another_form(person: Any) -> None:
    mine, other = await person.open(), await person.open()
    _, file = await up(person, mine, "a.png", person.png)
    again = await person.send(other, extra=[("parked", file["id"])])
    assert again.status == 422
    assert "выберите файлы ещё раз" in again.words
    assert "a.png" not in again.words
    headers = {"X-Form-Nonce": other.nonce}
    await person.post(f"/form/support/files/{file['id']}/drop", [], **headers)
    assert len(await person.rows("SELECT id FROM form_files")) == 1, "nor takes them away"
    for nonce in ("", "a" * 58, mine.nonce[::-1]):
        answer = await person.post("/form/support/files", [], [("a.png", person.png)], **{"X-Form-Nonce": nonce})
        assert answer.status == 403


async def test_a_file_that_was_taken_out_does_not_go(person: Any) -> None:
    page = await person.open()
    _, first = await up(person, page, "a.png", person.png)
    _, second = await up(person, page, "b.txt", b"b")
    await person.post(f"/form/support/files/{first['id']}/drop", [], **{"X-Form-Nonce": page.nonce})
    sent = await person.send(page, extra=[("parked", second["id"])])
    assert [f["name"] for f in (await person.ticket(await person.done(sent)))["messages"][0]["attachments"]] == [
        "b.txt"
    ]


async def test_without_scripts_a_file_is_taken_out_by_a_tick(person: Any) -> None:
    again = await person.send(await person.open(), {"what": ""}, [("a.png", person.png)], proof="")
    (file,) = again.parked()
    sent = await person.send(again, extra=[("parked", file), ("drop", file)], proof="")
    assert (await person.ticket(await person.done(sent)))["messages"][0]["attachments"] == []


async def test_a_file_waits_an_hour(person: Any) -> None:
    page = await person.open()
    _, file = await up(person, page, "a.png", person.png)
    again = await person.send(page, extra=[("parked", file["id"])], wait=3601)
    assert again.status == 422
    assert "выберите файлы ещё раз" in again.words
    assert person.right["what"] in again.body
    await up(person, await person.open(), "b.txt", b"b")
    assert [row["name"] for row in await person.rows("SELECT name FROM form_files")] == ["b.txt"], "it is removed"


async def test_a_form_parks_no_more_than_it_may(person: Any) -> None:
    page = await person.open()
    answers = [await up(person, page, f"{n}.txt", b"x") for n in range(5)]
    assert [status for status, _ in answers] == [201, 201, 201, 201, 429]
    assert "нет места" in answers[-1][1]["words"]
    status, told = await up(person, await person.open(), "a.exe", b"x")
    assert status == 422
    assert "похож на программу" in told["words"]


async def test_many_at_once_park_no_more_either(person: Any) -> None:
    page = await person.open()
    answers = await asyncio.gather(*(up(person, page, f"{n}.txt", b"x") for n in range(8)))
    assert sorted(status for status, _ in answers).count(201) <= 8
    person.clock.at += timedelta(seconds=5)
    assert (await person.send(page)).status == 303
