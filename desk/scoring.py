"""How much of a folder of mails is read right: the answer to `otklik inspect --score`.

A folder holds `expect.jsonl`, one case a line: `{"id", "file", "kind"?, "mail_from"?, "expect": {...}}`. The keys of
`expect` are checks; those not known here are passed over, and so are cases without a file of their own.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desk.inspection import Form, inspect_file

CASES = "expect.jsonl"
_DETAIL = 300
_ENOUGH = 0.9
"""The share of words two texts must have in common to be the same text."""
_REPLY_KEYS = ("reply_text", "reply_first_fragment", "reply_contains", "reply_excludes", "reply_is_whole_body",
               "not_empty")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One line of `expect.jsonl`. `mail_from` is the envelope sender, None where the line names none."""

    id: str
    path: Path
    form: Form
    mail_from: str | None
    expect: dict[str, Any]


@dataclass(slots=True)
class Score:
    """Right and asked by check, what crashed, and what is wrong in words."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[dict[str, str]] = field(default_factory=list)
    crashes: int = 0

    def note(self, check: str, case: str, right: bool, detail: object = "") -> None:
        """One answer to one check."""
        self.asked[check] += 1
        self.right[check] += right
        if not right:
            self.wrong.append({"check": check, "case": case, "found": str(detail)[:_DETAIL]})

    def share(self, *checks: str) -> float:
        """The share of right answers to these checks together; 1 where nothing was asked."""
        asked = sum(self.asked[check] for check in checks)
        return sum(self.right[check] for check in checks) / asked if asked else 1.0

    def document(self) -> dict[str, Any]:
        """The score as plain values: `checks` (right, asked, share), `crashes`, `wrong`."""
        return {
            "checks": {
                check: {"right": self.right[check], "asked": self.asked[check], "share": round(self.share(check), 4)}
                for check in sorted(self.asked)
            },
            "crashes": self.crashes,
            "wrong": self.wrong,
        }


def cases(folder: Path) -> Iterator[Case]:
    """The cases of a folder that name a file.

    Raises:
        OSError: there is no `expect.jsonl`, or it cannot be read.
        ValueError: a line of it is no case; the message names the line.
    """
    for number, line in enumerate((folder / CASES).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            expect = found["expect"]
            name = found.get("file")
            if not isinstance(expect, dict) or not isinstance(name, str | None):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{folder / CASES}:{number}: this is no case") from None
        if name is None:
            continue
        form = _form(str(found.get("kind", "")), name, expect)
        yield Case(str(found.get("id", name)), folder / name, form, found.get("mail_from"), expect)


def _form(kind: str, name: str, expect: dict[str, Any]) -> Form:
    """Cases that ask for a reply and for nothing of a mail are bare bodies, unless they say that they are mails."""
    suffix = name.rpartition(".")[2].lower()
    if kind == "eml" or "accept" in expect or suffix == "eml" or not any(key in expect for key in _REPLY_KEYS):
        return "mail"
    return "html" if "html" in kind or suffix in ("html", "htm") else "text"


def score_folder(folder: Path, score: Score) -> None:
    """Read every case of a folder and note what is right.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a line of `expect.jsonl` is no case.
    """
    for case in cases(folder):
        try:
            found = inspect_file(case.path, mail_from=case.mail_from, as_=case.form, language="en")
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except OSError:
            raise
        except Exception as error:
            # The command tells of crashes; it does not become one.
            score.crashes += 1
            score.note("no_crash", case.id, False, f"{type(error).__name__}: {error}")
            continue
        crashed = found["quarantine"] == "parse_error"
        score.crashes += crashed
        score.note("no_crash", case.id, not crashed, found["quarantine"])
        note(case, found, score, replies=f"reply:{folder.name}")


def note(case: Case, found: dict[str, Any], score: Score, *, replies: str = "reply") -> None:
    """Hold one document of `inspect_file` against what its case expects. `replies` names the check of reply texts."""
    expect, name, message = case.expect, case.id, found["message"]
    if "accept" in expect:
        score.note("accept", name, (found["quarantine"] is None) == expect["accept"], found["quarantine"])
    if message is None:
        return
    _note_fields(expect, name, message, score)
    _note_files(expect, name, message["attachments"], score)
    _note_kind(expect, name, found, score)
    if any(key in expect for key in _REPLY_KEYS):
        score.note(replies, name, is_right_reply(expect, message), message["reply_text"])


def _note_fields(expect: dict[str, Any], name: str, message: dict[str, Any], score: Score) -> None:
    if "subject" in expect:
        score.note("subject", name, _alike(expect["subject"], message["subject"]), message["subject"])
    for words in _listed(expect.get("subject_contains")):
        score.note("subject", name, _folded(words) in _folded(message["subject"]), message["subject"])
    if "from_addr" in expect:
        score.note("from", name, message["from"]["address"] == expect["from_addr"], message["from"])
    if "from_name" in expect:
        score.note("from_name", name, _alike(expect["from_name"], message["from"]["name"]), message["from"])
    if "body_text" in expect:
        right = _overlap(expect["body_text"], message["text"]) >= _ENOUGH
        score.note("body", name, right, _folded(message["text"]))
    for words in _listed(expect.get("body_contains")):
        score.note("body", name, _folded(words) in _folded(message["text"]), message["text"])


def _note_files(expect: dict[str, Any], name: str, files: list[dict[str, Any]], score: Score) -> None:
    told = [(each["name"], each["size"]) for each in files]
    for key in ("attachments", "attachments_min"):
        if key in expect:
            right = all(any(_matches(wanted, have) for have in files) for wanted in expect[key])
            exact = key == "attachments_min" or len(files) == len(expect[key])
            score.note("attachments", name, right and exact, (expect[key], told))
    if expect.get("filename_safe"):
        score.note("filename_safe", name, all(_is_safe(each["name"]) for each in files), told)


def _note_kind(expect: dict[str, Any], name: str, found: dict[str, Any], score: Score) -> None:
    kind, told = found["kind"], (found["kind"], found["because"], found["message"]["subject"])
    if "no_ack" in expect:
        score.note("no_ack" if expect["no_ack"] else "ack", name, found["acknowledge"] != expect["no_ack"], told)
    if "feedback_report" in expect:
        score.note("feedback_report", name, (kind == "feedback_report") == expect["feedback_report"], told)
    if "ooo" in expect:
        score.note("out_of_office", name, (kind == "out_of_office") == expect["ooo"], told)
    if "bounce" in expect:
        check = "bounce" if expect["bounce"] else "not_bounce"
        score.note(check, name, (kind in ("bounce", "delivery_delay")) == expect["bounce"], told)
    bounce = found["bounce"] or {}
    if "bounce_recipients" in expect:
        wanted = {each.lower() for each in expect["bounce_recipients"]}
        have = {each.lower() for each in bounce.get("recipients", ())}
        score.note("bounce_recipients", name, have == wanted, (sorted(wanted), sorted(have)))
    if "bounce_permanent" in expect:
        score.note("bounce_permanent", name, bounce.get("permanent") == expect["bounce_permanent"], bounce)
    if "bounce_status" in expect:
        right = bounce.get("status") in _listed(expect["bounce_status"])
        score.note("bounce_status", name, right, (expect["bounce_status"], bounce))


def is_right_reply(expect: dict[str, Any], message: dict[str, Any]) -> bool:
    """Whether the reply text is what the writer typed, as far as the case tells."""
    got = _folded(message["reply_text"])
    if any(key in expect and got != _folded(expect[key]) for key in ("reply_text", "reply_first_fragment")):
        return False
    if not all(_folded(words) in got for words in _listed(expect.get("reply_contains"))):
        return False
    if any(_folded(words) in got for words in _listed(expect.get("reply_excludes"))):
        return False
    if expect.get("reply_is_whole_body") and got != _folded(message["text"]):
        return False
    return bool(got) or not expect.get("not_empty")


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _folded(text: str) -> str:
    return " ".join(text.split())


def _alike(expected: str, got: str) -> bool:
    """Equal but for white space; a replacement character in what a set expects stands for any character."""
    pattern = re.escape(_folded(expected)).replace("\ufffd", ".")
    return re.fullmatch(pattern, _folded(got)) is not None


def _overlap(expected: str, got: str) -> float:
    """Share of the expected words that are there, and of the words there that were expected (the smaller)."""
    wanted, have = Counter(expected.split()), Counter(got.split())
    if not wanted:
        return 1.0
    common = (wanted & have).total()
    return min(common / wanted.total(), common / max(1, have.total()))


def _matches(wanted: dict[str, Any], have: dict[str, Any]) -> bool:
    keys = [key for key in ("name", "size", "sha256", "content_type") if key in wanted]
    return all(_alike(str(wanted[key]), str(have[key])) for key in keys)


def _is_safe(name: str) -> bool:
    """No path, no NUL, no direction control, and short enough for any file system."""
    return (
        not any(mark in name for mark in "/\\\0\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
        and len(name.encode()) <= 255
        and name not in ("", ".", "..")
    )


def totals(scores: dict[str, Score]) -> Score:
    """All folders together; reply texts are one check."""
    total = Score()
    for score in scores.values():
        grouped: dict[str, list[str]] = defaultdict(list)
        for check in score.asked:
            grouped[check.partition(":")[0]].append(check)
        for check, ones in grouped.items():
            total.asked[check] += sum(score.asked[one] for one in ones)
            total.right[check] += sum(score.right[one] for one in ones)
        total.wrong += score.wrong
        total.crashes += score.crashes
    return total


def table(score: Score) -> str:
    """A score as lines for people: check, right, asked, share."""
    rows = [
        f"{check:<22} {score.right[check]:>6} of {score.asked[check]:>6}  {score.share(check):>7.1%}"
        for check in sorted(score.asked)
    ]
    return "\n".join(rows)
