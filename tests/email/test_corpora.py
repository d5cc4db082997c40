"""Real mails that lie beside the project: nothing crashes, nothing of worth is refused, and how much is right."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desk.inspection import inspect_file

CORPORA = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"
MAILS = ("stalwart", "mikel_mail", "enmime", "flanker", "nodemailer", "spamscope", "cpython", "spamassassin", "sisimai",
         "flufl_bounce", "ru_mime")  # fmt: skip
REPLIES = ("ru_reply", "talon", "trimmer", "crisp_erp", "github_erp", "alfonsrv")

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"no corpora at {CORPORA}")

Case = tuple[dict[str, Any], dict[str, Any]]


def cases(folder: str) -> Iterator[Case]:
    """Each case of a folder with what was found in its file."""
    for line in (CORPORA / folder / "expect.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        kind = case.get("kind", "")
        form = "mail"
        if folder in REPLIES and kind != "eml":
            form = "html" if "html" in kind or case["file"].endswith(".html") else "text"
        found = inspect_file(CORPORA / folder / case["file"], mail_from=case.get("mail_from"), as_=form, language="en")
        json.dumps(found, ensure_ascii=False).encode("utf-8")
        yield case, found


def folded(text: str) -> str:
    return " ".join(text.split())


def alike(expected: str, got: str) -> bool:
    """Equal but for white space; a replacement character in what a set expects stands for any character."""
    pattern = re.escape(folded(expected)).replace("\ufffd", ".")
    return re.fullmatch(pattern, folded(got)) is not None


def overlap(expected: str, got: str) -> float:
    """Share of the expected words that are there, and of the words there that were expected (the smaller)."""
    wanted, have = expected.split(), got.split()
    if not wanted:
        return 1.0
    rest = list(have)
    common = 0
    for word in wanted:
        if word in rest:
            rest.remove(word)
            common += 1
    return min(common / len(wanted), common / max(1, len(have)))


class Figures:
    """Right and asked, by check."""

    def __init__(self) -> None:
        self.right: dict[str, int] = defaultdict(int)
        self.asked: dict[str, int] = defaultdict(int)
        self.wrong: list[str] = []

    def note(self, check: str, case: str, right: bool, detail: object = "") -> None:
        self.asked[check] += 1
        self.right[check] += right
        if not right:
            self.wrong.append(f"{check:18} {case} {str(detail)[:300]}")

    def share(self, *checks: str) -> float:
        asked = sum(self.asked[check] for check in checks)
        return sum(self.right[check] for check in checks) / asked if asked else 1.0

    def table(self) -> str:
        rows = [f"{c:18} {self.right[c]:4} of {self.asked[c]:4}  {self.share(c):7.1%}" for c in sorted(self.asked)]
        return "\n".join([*rows, *self.wrong])


def attachment_matches(wanted: dict[str, Any], have: list[dict[str, Any]]) -> bool:
    keys = [key for key in ("name", "size", "sha256", "content_type") if key in wanted]
    return any(all(alike(str(wanted[key]), str(one[key])) for key in keys) for one in have)


def check_mail(case: dict[str, Any], found: dict[str, Any], figures: Figures) -> None:
    expect, name = case["expect"], case["id"]
    figures.note("accept", name, (found["quarantine"] is None) == expect["accept"], found["quarantine"])
    message = found["message"]
    if message is None:
        return
    if expect.get("no_ack"):
        figures.note("no_ack", name, not found["acknowledge"], (found["kind"], found["because"]))
    if "subject" in expect:
        figures.note("subject", name, alike(expect["subject"], message["subject"]), message["subject"])
    if "from_addr" in expect:
        figures.note("from", name, message["from"]["address"] == expect["from_addr"], message["from"])
    if "from_name" in expect:
        figures.note("from_name", name, message["from"]["name"] == expect["from_name"], message["from"])
    if "body_text" in expect:
        figures.note("body", name, overlap(expect["body_text"], message["text"]) >= 0.9, folded(message["text"]))
    for words in expect.get("body_contains", ()):
        figures.note("body", name, folded(words) in folded(message["text"]), message["text"])
    names = [(a["name"], a["size"]) for a in message["attachments"]]
    if "attachments" in expect:
        exact = len(names) == len(expect["attachments"])
        all_there = all(attachment_matches(one, message["attachments"]) for one in expect["attachments"])
        figures.note("attachments", name, exact and all_there, names)
    if "attachments_min" in expect:
        all_there = all(attachment_matches(one, message["attachments"]) for one in expect["attachments_min"])
        figures.note("attachments", name, all_there, (expect["attachments_min"], names))
    if expect.get("filename_safe"):
        safe = all("/" not in n and "\\" not in n and "\0" not in n and len(n.encode()) <= 255 for n, _ in names)
        figures.note("filename_safe", name, safe, names)
    if "feedback_report" in expect:
        figures.note("feedback_report", name, found["kind"] == "feedback_report", (found["kind"], found["because"]))
    if "bounce" in expect:
        is_bounce = found["kind"] in ("bounce", "delivery_delay")
        check = "bounce" if expect["bounce"] else "not_bounce"
        figures.note(check, name, is_bounce == expect["bounce"], (found["kind"], message["subject"]))
        bounce = found["bounce"] or {}
        if "bounce_recipients" in expect:
            wanted = {one.lower() for one in expect["bounce_recipients"]}
            have = {one.lower() for one in bounce.get("recipients", ())}
            figures.note("bounce_recipients", name, have == wanted, (wanted, have))
        if "bounce_permanent" in expect:
            figures.note("bounce_permanent", name, bounce.get("permanent") == expect["bounce_permanent"], bounce)
        if "bounce_status" in expect:
            figures.note("bounce_status", name, bounce.get("status") in expect["bounce_status"],
                         (expect["bounce_status"], bounce))  # fmt: skip


def test_mails_are_understood() -> None:
    figures = Figures()
    for folder in MAILS:
        for case, found in cases(folder):
            check_mail(case, found, figures)
    print(figures.table())
    assert figures.share("accept") == 1
    assert figures.share("no_ack") == 1
    assert figures.share("filename_safe", "feedback_report") == 1
    assert figures.share("subject", "from", "from_name", "body", "attachments") >= 0.95
    assert figures.share("bounce") >= 0.9


def check_reply(expect: dict[str, Any], message: dict[str, Any]) -> bool:
    got = folded(message["reply_text"])
    for key in ("reply_text", "reply_first_fragment"):
        if key in expect and got != folded(expect[key]):
            return False
    if not all(folded(words) in got for words in expect.get("reply_contains", ())):
        return False
    if any(folded(words) in got for words in expect.get("reply_excludes", ())):
        return False
    if expect.get("reply_is_whole_body") and got != folded(message["text"]):
        return False
    return bool(got) or not expect.get("not_empty")


def test_replies_are_told_from_history() -> None:
    figures = Figures()
    for folder in REPLIES:
        for case, found in cases(folder):
            right = check_reply(case["expect"], found["message"])
            figures.note("ru" if folder == "ru_reply" else "public", case["id"], right, found["message"]["reply_text"])
    print(figures.table())
    assert figures.share("public") >= 0.85
    assert figures.share("ru") >= 0.95


def test_the_users_html_runs_and_loads_nothing() -> None:
    from channels.email.html import sanitise

    for line in (CORPORA / "html" / "expect.jsonl").read_text(encoding="utf-8").splitlines():
        out = sanitise(json.loads(line)["payload"]).lower()
        for mark in ("<script", "<style", "<iframe", "<svg", "<form", "<object", "<link", "javascript:", 'src="http'):
            escaped = f"&lt;{mark[1:]}" in out or (mark == "javascript:" and 'href="javascript' not in out)
            assert mark not in out or escaped
