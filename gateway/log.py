"""The program's log: structured events on the standard error stream, ours and those of libraries alike.

Secrets never appear. Names, addresses and texts of people are masked unless the settings allow them: an operator can
hand a log to anybody.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

# structlog loads rich, which draws tracebacks for developers, wherever it is installed: 8 MB a server never uses
_drawing = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402
from structlog.typing import EventDict, Processor, WrappedLogger  # noqa: E402

if _drawing is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _drawing

SECRET_KEYS = frozenset({"authorization", "cookie", "key", "passphrase", "password", "reply_keys", "secret", "token"})
PERSONAL_KEYS = frozenset(
    {"author", "body", "contact", "display_name", "html", "name", "reply_text", "subject", "text"}
)

_MAILBOX = re.compile(r"([^\s<>@,;:\"'()\[\]])[^\s<>@,;:\"'()\[\]]*@([^\s<>@,;:\"'()\[\]]+)")
_PHONE = re.compile(r"(?<![\w.-])\+?\d[\d ()-]{8,16}\d\d(?![\w-])")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/@]*@")

_QUIET = ("asyncio", "aiohttp.access", "mail.log")
"""Loggers of libraries that would otherwise tell of every connection."""


def configure(level: str, format: str, *, personal: bool = False, stream: TextIO | None = None) -> None:
    """Send everything that is logged to `stream` (standard error) from now on.

    `format` is `json` (one object a line) or `console`; `level` one of debug, info, warning, error, critical.
    """
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        without_ended_connections,
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        without_secrets,
    ]
    if not personal:
        chain.append(without_people)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=False, timestamp_key="at")
        if format == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def without_ended_connections(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say in a word what the pool draws a traceback of: that a connection given back to it has ended.

    Whoever used the connection has told of that, or did not mind.
    """
    found = event.get("exc_info")
    if isinstance(found, tuple) and str(event.get("logger", "")).startswith("sqlalchemy.pool"):
        del event["exc_info"]
        event["error"] = found[0].__name__ if found[0] is not None else ""
    return event


def without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out the values of keys that name secrets, and passwords inside URLs, at any depth.

    >>> without_secrets(None, "info", {"event": "login", "relay": {"password": "x", "port": 25}})
    {'event': 'login', 'relay': {'password': '***', 'port': 25}}
    """
    return _walk(event, SECRET_KEYS, lambda text: _URL_PASSWORD.sub(r"\1:***@", text))


def without_people(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask mailboxes and phone numbers wherever they stand, and take out names and texts.

    >>> without_people(None, "info", {"event": "refused ivan@example.ru", "subject": "Принтер", "size": 7})
    {'event': 'refused i***@example.ru', 'subject': '***', 'size': 7}
    """
    return _walk(event, PERSONAL_KEYS, _faceless)


def _faceless(text: str) -> str:
    return _PHONE.sub(lambda found: f"***{found[0][-2:]}", _MAILBOX.sub(r"\1***@\2", text))


def _walk(event: MutableMapping[str, Any], hidden: frozenset[str], clean: Any) -> dict[str, Any]:
    return {key: "***" if key in hidden and value else _cleaned(value, hidden, clean) for key, value in event.items()}


def _cleaned(value: Any, hidden: frozenset[str], clean: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return _walk(dict(value), hidden, clean)
    if isinstance(value, list | tuple):
        return [_cleaned(item, hidden, clean) for item in value]
    return value
