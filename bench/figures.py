"""Every figure the bench can measure, with the marks it has to reach."""

from __future__ import annotations

from bench.rounds import Figure

NAMES = {"sqlite": "SQLite", "pg": "PostgreSQL"}


def smtp(base: str, connections: int) -> Figure:
    """Mail in, against a server that throws the same mails away."""
    must, goal = (0.6, 0.8) if connections <= 10 else (0.8, 1.0)
    return Figure(
        f"smtp_{base}_c{connections}",
        "ratio",
        "higher",
        f"SMTP to a durable, routed ticket with its acknowledgement queued on {NAMES[base]}, of stock aiosmtpd on "
        f"uvloop discarding the same mails; {connections} connections kept open",
        must,
        goal,
    )


def api(base: str) -> Figure:
    """Tickets over HTTP, against a handler that keeps nothing."""
    return Figure(
        f"api_{base}_c32",
        "ratio",
        "higher",
        f"POST /api/v1/tickets with a token to a durable, routed ticket on {NAMES[base]}, of a bare aiohttp handler on "
        "uvloop; 32 connections kept open",
        0.08,
        0.15,
    )


def form(base: str) -> Figure:
    """Web forms with a file, against a handler that keeps nothing."""
    return Figure(
        f"form_{base}_c32",
        "ratio",
        "higher",
        f"POST of a web form with its proof of work, words and one 20 KB file to a durable, routed ticket on "
        f"{NAMES[base]}, of a bare aiohttp handler on uvloop that reads the same form; 32 connections kept open",
        0.06,
        0.12,
    )


def outbox(base: str) -> Figure:
    """Notifications out over HTTP, against a job queue."""
    return Figure(
        f"outbox_{base}_vs_procrastinate",
        "ratio",
        "higher",
        f"enqueue, send to a local HTTP sink and record each attempt on {NAMES[base]}, of procrastinate 3.10 on "
        "PostgreSQL doing the same send",
        6.0,
        10.0,
    )


def claim_growth(base: str) -> Figure:
    """How much dearer a claim becomes as history grows."""
    return Figure(
        f"claim_growth_{base}",
        "ratio",
        "lower",
        f"median time of claiming 100 due deliveries on {NAMES[base]} with 1,000,000 deliveries of history, of the "
        "same with 10,000",
        1.3,
        1.3,
    )


OUTBOX_SMTP = Figure(
    "outbox_smtp_per_s",
    "mails/s",
    "higher",
    "enqueue, send to a local SMTP sink and record each attempt on SQLite; absolute",
)
PARSE_RECORD = Figure(
    "parse_record_vs_stdlib",
    "ratio",
    "higher",
    "bytes to the fields, the text and the files of a mail, of `email` with `policy.default` giving the same of "
    "the same mails; one process, processor time",
    15.0,
    20.0,
)
INSPECT = Figure(
    "inspect_vs_stdlib",
    "ratio",
    "higher",
    "the whole of `otklik inspect` in one process, from a file to the document, of `email` with `policy.default` only "
    "parsing the same files",
    2.0,
    3.0,
)
INSPECT_SPEED = Figure(
    "inspect_mb_per_s", "MB/s", "higher", "the whole of `otklik inspect` in one process, raw mail read; absolute"
)
CLI_HELP = Figure(
    "cli_help_s", "s", "lower", "wall time of `otklik --help`, files in the page cache; absolute", 0.3, 0.3
)
IDLE_RSS = Figure(
    "idle_rss_mb",
    "MB",
    "lower",
    "resident memory of `otklik serve` on SQLite with http, smtp, worker and clock, 3 s after it is ready; absolute",
    100.0,
    100.0,
)


def page(base: str, kind: str) -> Figure:
    """Pages of staff over a generated year."""
    what = {"list": "the queue with its filters", "ticket": "one ticket", "search": "a search by words"}[kind]
    return Figure(
        f"page_{kind}_p95_ms_{base}",
        "ms",
        "lower",
        f"{what} as a page over a generated year of 200,000 tickets on {NAMES[base]}, 95th percentile",
        50.0,
        50.0,
    )
