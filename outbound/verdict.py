"""What the answer of a try does to its delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from channels.base import SendFailed, Sent
from outbound.attempt import printable
from outbound.counts import trace_of
from outbound.habits import WorkerOptions
from outbound.schedule import next_try
from storage import outbox
from storage.database import Connection
from tickets.delivery import DeliveryState, Outcome

Row = dict[str, Any]


def verdict(delivery: Row, answer: Sent | SendFailed, options: WorkerOptions, now: datetime) -> Row:
    """The result to record: how the attempt ended, what its delivery becomes, and when it is due again."""
    result: Row = {
        "id": delivery["id"],
        "number": delivery["number"],
        "fence": delivery["fence"],
        "address": delivery["address"],
        "ended_at": now,
        "code": printable(answer.code),
        "detail": printable(answer.detail),
        "exchange": printable(answer.exchange),
        "provider_id": "",
        "due_at": now,
        "reason": "",
        "address_dead": False,
        "replayed": delivery["tries_before"] > 0,
        "tries_before": delivery["tries_before"],
        "trace": trace_of(delivery),
        "seconds": 0.0,
    }
    if isinstance(answer, Sent):
        result.update(outcome=Outcome.ACCEPTED, state=DeliveryState.SENT)
        result["provider_id"] = printable(answer.provider_id)
    elif answer.uncertain and delivery["channel"] not in options.resend:
        result.update(outcome=Outcome.UNKNOWN, state=DeliveryState.UNKNOWN, reason="answer_lost")
    elif not answer.retryable:
        result.update(outcome=Outcome.PERMANENT, state=DeliveryState.FAILED, reason="refused")
        result["address_dead"] = answer.address_dead
    else:
        result["outcome"] = Outcome.TEMPORARY
        if answer.uncertain:
            result["code"] = outbox.UNANSWERED
        first = delivery["expires_at"] or delivery["created_at"] + options.retry.horizon
        again = next_try(
            options.retry,
            delivery["number"] - delivery["tries_before"],
            now,
            first - options.retry.horizon,
            answer.retry_after,
            key=delivery["id"].bytes,
        )
        if again is None:
            result.update(state=DeliveryState.FAILED, reason="out_of_tries")
        else:
            result.update(state=DeliveryState.QUEUED, due_at=again)
    return result


def give_up_doubtful(connection: Connection, results: list[Row], most: int) -> None:
    """Leave to a person what may have arrived `most` times already: its results become unknown."""
    unanswered = [r for r in results if r["code"] == outbox.UNANSWERED and r["state"] == DeliveryState.QUEUED]
    doubtful = outbox.doubtful_tries(connection, unanswered)
    for result in unanswered:
        if doubtful[result["id"]] + 1 >= most:
            result.update(outcome=Outcome.UNKNOWN, state=DeliveryState.UNKNOWN, reason="answer_lost")
