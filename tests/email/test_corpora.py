"""Real mails that lie beside the project: nothing crashes, nothing of worth is refused, and how much is right."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from channels.email.html import sanitise
from desk.scoring import Score, score_folder, table, totals

CORPORA = Path(os.environ.get("OTKLIK_CORPORA", Path(__file__).resolve().parents[2].parent / "shared" / "corpora"))
MAILS = ("stalwart", "mikel_mail", "enmime", "flanker", "nodemailer", "spamscope", "cpython", "spamassassin", "sisimai",
         "flufl_bounce", "ru_mime")  # fmt: skip
REPLIES = ("talon", "trimmer", "crisp_erp", "github_erp", "alfonsrv")

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"no corpora at {CORPORA}")


def scored(*folders: str) -> Score:
    """All cases of these folders, with the figures printed (`-s` shows them)."""
    scores = {folder: Score() for folder in folders}
    for folder, score in scores.items():
        score_folder(CORPORA / folder, score)
    total = totals(scores)
    print(table(total), *(" ".join(one.values()) for one in total.wrong), sep="\n")
    return total


def test_mails_are_understood() -> None:
    score = scored(*MAILS)
    assert score.crashes == 0
    assert score.share("accept") == 1
    assert score.share("no_ack", "ack") == 1
    assert score.share("filename_safe", "feedback_report") == 1
    assert score.share("subject", "from", "from_name", "body", "attachments") >= 0.99
    assert score.share("bounce") >= 0.985
    assert score.share("bounce_recipients") >= 0.96


def test_replies_are_told_from_history() -> None:
    assert scored(*REPLIES).share("reply") >= 0.85
    assert scored("ru_reply").share("reply") >= 0.95


def test_the_users_html_runs_and_loads_nothing() -> None:
    for line in (CORPORA / "html" / "expect.jsonl").read_text(encoding="utf-8").splitlines():
        out = sanitise(json.loads(line)["payload"]).lower()
        for mark in ("<script", "<style", "<iframe", "<svg", "<form", "<object", "<link", "javascript:", 'src="http'):
            escaped = f"&lt;{mark[1:]}" in out or (mark == "javascript:" and 'href="javascript' not in out)
            assert mark not in out or escaped
