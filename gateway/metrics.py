"""The figures of one process as Prometheus reads them.

The parts of the program count in plain integers; they are put into words only when somebody asks. Names and units
follow Prometheus' conventions, labels come from short closed lists: never an address, a number or a name of a person.
The library is loaded at the first question.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from channels.email.relays import Relays
from gateway import __version__
from storage import census
from storage.census import Census
from storage.errors import StorageError
from tickets.delivery import DEAD, DeliveryState, Outcome
from tickets.measure import Count, Histograms
from tickets.reason import Suppression
from tickets.status import Status

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from gateway.program import Program

FRESH = 10.0
"""Seconds for which counts of rows are good: two monitors must not cost twice."""

PATIENCE = 5.0
"""Seconds the database may take to count."""

CHANNELS = ("email", "api", "web")
SPAM_BY = ("block_list", "dnsbl", "spam_header", "spam_filter", "virus")
_REPORTS = ("bounce", "delivery_delay", "feedback_report", "read_receipt")
OUTCOMES = ("accepted", "joined", "quarantined", "spam", "misstated", "refused")


class Metrics:
    """The page `/metrics`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._registry: CollectorRegistry | None = None
        self._counting = asyncio.Lock()
        self._census = Census()
        self._counted_at: float | None = None

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The figures in the form that was asked for, and its content type."""
        from prometheus_client.exposition import choose_encoder

        await self._count()
        encode, content_type = choose_encoder(accept)
        return encode(self._registered()), content_type

    async def _count(self) -> None:
        async with self._counting:
            if self._counted_at is not None and time.monotonic() - self._counted_at < FRESH:
                return
            database, now = self._program.opened, self._program.clock.now()
            try:
                async with asyncio.timeout(PATIENCE):
                    self._census = await database.read(lambda connection: census.take(connection, now=now))
                self._counted_at = time.monotonic()
            except (StorageError, TimeoutError):
                self._counted_at = None

    def _registered(self) -> CollectorRegistry:
        if self._registry is None:
            from prometheus_client import CollectorRegistry, ProcessCollector

            self._registry = CollectorRegistry(auto_describe=False)
            # the library's protocol asks for no more than `collect`
            self._registry.register(self)
            ProcessCollector(registry=self._registry)
        return self._registry

    def collect(self) -> Iterator[Metric]:
        """Every figure, as the library's collectors do."""
        yield from self._running()
        yield from self._intake()
        if self._counted_at is not None:
            yield from self._rows()
        yield from self._outbox()
        yield from self._http()
        yield from self._smtp()
        yield from self._mailboxes()
        yield from self._storage()

    # ---- the process ----------------------------------------------------------------------------------------------

    def _running(self) -> Iterator[Metric]:
        program, operations = self._program, self._program.operations
        build = {"version": __version__, "python": platform.python_version(), "database": program.opened.dialect}
        yield _gauge("otklik_build_info", "What is running; always 1.", tuple(build), {tuple(build.values()): 1})
        duties = operations.readiness.duties()
        up = {(duty,): float(told == "ok") for duty, told in duties.items()}
        yield _gauge("otklik_duty_up", "Whether a duty of this process does its work.", ("duty",), up)
        turned = {(duty,): at for duty in duties if (at := operations.readiness.turned_at(duty)) is not None}
        rounds = {labels: time.time() - (time.monotonic() - at) for labels, at in turned.items()}
        name = "otklik_duty_last_round_timestamp_seconds"
        yield _gauge(name, "When a duty that goes in rounds began the last one.", ("duty",), rounds)
        lag = {(): operations.pulse.worst()}
        yield _gauge("otklik_event_loop_lag_seconds", "Longest delay of the event loop since the last look.", (), lag)
        reloads = {(): float(operations.reload_worked)}
        yield _gauge("otklik_settings_last_reload_successful", "Whether the last reload was taken.", (), reloads)
        disk = operations.disk
        if disk.free is not None:
            yield _gauge("otklik_disk_free_bytes", "Free space where the database is.", (), {(): disk.free})
            yield _gauge("otklik_disk_warn_bytes", "Free space that is warned of.", (), {(): disk.options.warn})
            yield _gauge("otklik_disk_floor_bytes", "Free space that closes the doors.", (), {(): disk.options.floor})

    # ---- in -------------------------------------------------------------------------------------------------------

    def _intake(self) -> Iterator[Metric]:
        if self._program.intake is None:
            return
        counts = self._program.intake.counts
        inputs = _from_zero(counts.inputs, [(channel, outcome) for channel in CHANNELS for outcome in OUTCOMES])
        yield _counter("otklik_inputs", "Inputs by what became of them.", ("channel", "outcome"), inputs)
        name = "otklik_intake_duration_seconds"
        yield _histogram(name, "Time from an input's end to its commit.", ("channel",), counts.seconds)
        suppressed = _from_zero(counts.suppressed, [(reason.value,) for reason in Suppression])
        name = "otklik_acknowledgements_suppressed"
        yield _counter(name, "Authors who were not told that we have it.", ("reason",), suppressed)

        loops = _from_zero(counts.loops, [()])
        yield _counter("otklik_mail_loops", "Loops of acknowledgements that were stopped.", (), loops)
        kinds: list[tuple[str, ...]] = [(kind, how) for kind in _REPORTS for how in ("permanent", "temporary")]
        name = "otklik_mail_reports"
        told = "What came back about mail of ours, with a proof."
        yield _counter(name, told, ("kind", "how"), _from_zero(counts.reports, kinds))

    def _rows(self) -> Iterator[Metric]:
        found = self._census
        status = {(each.value,): found.tickets.get(each.value, 0) for each in Status}
        yield _gauge("otklik_tickets", "Tickets by status.", ("status",), status)
        yield _gauge("otklik_quarantine_held", "Entries held in quarantine.", (), {(): found.held})
        lost = {(name,): 0.0 for name in self._program.settings.mailbox}
        lost |= {(name,): float(count) for name, count in found.unfetchable.items()}
        name = "otklik_mailbox_unfetchable"
        yield _gauge(name, "Mails the server does not give out.", ("mailbox",), lost)
        watched = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNKNOWN, *sorted(DEAD))
        providers = {provider for provider, _ in found.deliveries} | set(self._program.settings.relays)
        known = {(p, s.value): found.deliveries.get((p, s.value), 0) for p in sorted(providers) for s in watched}
        yield _gauge("otklik_deliveries", "Deliveries that are not over, or over badly.", ("provider", "state"), known)
        waiting = (DeliveryState.QUEUED, DeliveryState.SENDING)
        oldest = {(p, s.value): found.oldest.get((p, s.value), 0.0) for p in sorted(providers) for s in waiting}
        name = "otklik_outbox_oldest_overdue_seconds"
        yield _gauge(name, "How long ago the oldest waiting delivery was due.", ("provider", "state"), oldest)

    # ---- out ------------------------------------------------------------------------------------------------------

    def _outbox(self) -> Iterator[Metric]:
        if self._program.worker is None:
            return
        counts = self._program.worker.counts
        providers = sorted({p for p, _ in counts.attempts} | set(self._program.worker.senders))
        tried = _from_zero(counts.attempts, [(p, outcome.value) for p in providers for outcome in Outcome])
        yield _counter("otklik_attempts", "Tries of deliveries by how they ended.", ("provider", "outcome"), tried)
        yield _histogram("otklik_attempt_duration_seconds", "Time of a try.", ("provider",), counts.seconds)
        again = _from_zero(counts.retries, [(p,) for p in providers])
        yield _counter("otklik_retries", "Tries that are made again later.", ("provider",), again)
        ended = _from_zero(counts.ended, [(p, end) for p in providers for end in ("failed", "unknown")])
        dead = {(p,): number for (p, end), number in ended.items() if end == "failed"}
        yield _counter("otklik_dead_letters", "Deliveries that failed for good.", ("provider",), dead)
        open_ = {(p,): number for (p, end), number in ended.items() if end == "unknown"}
        yield _counter("otklik_unknown_deliveries", "Deliveries nobody knows the end of.", ("provider",), open_)

        ways = self._program.worker.senders.values()
        rest = {(name,): float(r) for way in ways if isinstance(way, Relays) for name, r in way.resting().items()}
        yield _gauge("otklik_relay_resting", "Whether a relay is left alone after failures.", ("relay",), rest)

    # ---- doors ----------------------------------------------------------------------------------------------------

    def _http(self) -> Iterator[Metric]:
        if self._program.http is None:
            return
        traffic = self._program.http.traffic
        labels = ("route", "method", "status")
        yield _counter("otklik_http_requests", "Requests by route and answer.", labels, traffic.requests)
        yield _histogram("otklik_http_request_duration_seconds", "Time to answer.", labels[:2], traffic.seconds)
        connected = {(): self._program.http.connections}
        yield _gauge("otklik_http_connections", "Clients connected.", (), connected)
        yield _gauge("otklik_http_requests_in_flight", "Requests under way.", (), {(): traffic.in_flight})
        turned = Count({(): traffic.turned_away})
        yield _counter("otklik_http_turned_away", "Clients there was no room for.", (), turned)

    def _smtp(self) -> Iterator[Metric]:
        listener = self._program.listener
        if listener is None:
            return
        yield _counter("otklik_smtp_sessions", "Clients greeted.", (), Count({(): listener.greeted}))
        yield _gauge("otklik_smtp_sessions_open", "Clients connected.", (), {(): listener.sessions})
        yield _counter("otklik_smtp_turned_away", "Clients sent away.", (), Count({(): listener.turned_away}))
        refused = _from_zero(listener.replies, [("421",), ("451",), ("452",), ("550",), ("552",)])
        yield _counter("otklik_smtp_refusals", "Replies that say no, by code.", ("code",), refused)
        yield _gauge("otklik_smtp_memory_bytes", "Memory of unfinished mails.", (), {(): listener.budget.used})
        limit = {(): listener.budget.total}
        yield _gauge("otklik_smtp_memory_limit_bytes", "What they may take together.", (), limit)
        counts = getattr(listener.taking.examine, "counts", None)
        if counts is None:
            return
        verdicts = _from_zero(counts.verdicts, [(each,) for each in ("pass", "fail", "none", "temperror")])
        yield _counter("otklik_mail_verdicts", "Mails by whether they are from whom they say.", ("verdict",), verdicts)
        spam = _from_zero(counts.spam, [(each,) for each in SPAM_BY])
        yield _counter("otklik_mail_spam", "Mails taken for spam, by what said so.", ("by",), spam)
        failures = _from_zero(counts.failures, [("rspamd",), ("clamd",)])
        yield _counter("otklik_mail_checks_failed", "Mails a filter said nothing of.", ("check",), failures)

    def _mailboxes(self) -> Iterator[Metric]:
        found = self._program.mailboxes.running if self._program.mailboxes is not None else {}
        of = {name: each.health for name, each in found.items()}
        label = ("mailbox",)
        up = {(name,): float(each.connected) for name, each in of.items()}
        yield _gauge("otklik_mailbox_connected", "Whether this process is connected to it.", label, up)
        standby = {(name,): float(each.state == "standby") for name, each in of.items()}
        yield _gauge("otklik_mailbox_standby", "Whether another node reads it.", label, standby)
        age = {(name,): each.age for name, each in of.items() if each.state != "standby"}
        name = "otklik_mailbox_unread_seconds"
        yield _gauge(name, "Time since it was last looked through to its end.", label, age)
        silent = {(name,): float(each.silent) for name, each in of.items()}
        yield _gauge("otklik_mailbox_silent", "Whether that is longer than its setting allows.", label, silent)
        failures = {(name,): float(each.failures) for name, each in of.items()}
        yield _gauge("otklik_mailbox_failures", "Tries in a row that failed.", label, failures)
        outcomes = ("accepted", "joined", "quarantined", "unfetchable")
        mails = Count({(name, end): each.mails[(end,)] for name, each in of.items() for end in outcomes})
        yield _counter("otklik_mailbox_mails", "Mails by what became of them.", ("mailbox", "outcome"), mails)

    # ---- the database ---------------------------------------------------------------------------------------------

    def _storage(self) -> Iterator[Metric]:
        counts = self._program.opened.counts
        up = {(): float(counts.up and counts.writable)}
        yield _gauge("otklik_database_up", "Whether the database was there when it was last used.", (), up)
        away = _from_zero(counts.unavailable, [("read",), ("intake",)])
        yield _counter("otklik_database_unavailable", "Uses that failed because it was away.", ("unit",), away)
        name = "otklik_database_commit_duration_seconds"
        yield _histogram(name, "Time of a transaction, to the sync.", ("unit",), counts.commits)
        yield _histogram("otklik_database_group_units", "Units that shared a commit.", ("unit",), counts.groups)


def _from_zero(count: Count, known: list[tuple[str, ...]]) -> Count:
    """With what has not happened yet, so that its first time is seen as a change."""
    found = Count(dict.fromkeys(known, 0))
    found.update(count)
    return found


def _gauge(name: str, told: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, told, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, told: str, labels: tuple[str, ...], count: dict[Any, int]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, told, labels=labels)
    for key, value in sorted(count.items()):
        family.add_metric(key, value)
    return family


def _histogram(name: str, told: str, labels: tuple[str, ...], histograms: Histograms) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, told, labels=labels)
    for key, histogram in sorted(histograms.by.items()):
        buckets = [("+Inf" if bound == float("inf") else str(bound), float(n)) for bound, n in histogram.cumulative()]
        family.add_metric(key, buckets, histogram.total)
    return family
