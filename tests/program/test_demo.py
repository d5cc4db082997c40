"""The demonstration, as somebody who tries it out uses it."""

from __future__ import annotations

from pathlib import Path

from gateway.demo import Stage
from gateway.demo_mail import IRINA, a_mail, send
from tests.eventually import eventually


async def test_whoever_tries_it_out_writes_several_times_and_is_answered_each_time(tmp_path: Path) -> None:
    stage = Stage(tmp_path, http=0, smtp=0)
    await stage.open()
    try:
        listener = stage.program.listener
        assert listener is not None
        for subject in ("Не печатает принтер", "Касса стоит", "И телефон молчит"):
            assert "Accepted as DEMO-" in await send(a_mail(subject, subject), "127.0.0.1", listener.port)
        await eventually(lambda: len(stage.relay.to(IRINA)) == 3)
    finally:
        await stage.close()
