"""The types of single settings: what each accepts, and the words it refuses the rest with."""

from __future__ import annotations

import difflib
import re
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo

from gateway.quantities import SocketAddress, parse_duration, parse_size, parse_socket_address
from tickets.number import PREFIX

_MAILBOX = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]{1,255}")
_DOMAIN = re.compile(r"[^@\s<>,;\"/:]{1,255}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_HOST = re.compile(r"[^\s@/\[\]]{1,255}")
_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DRIVERS = {"postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg"}


def secret(description: str, **more: Any) -> Any:
    """A field whose value is never shown and may come from a file (`NAME_file`)."""
    return Field(description=description, repr=False, json_schema_extra={"secret": True}, **more)


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    return parse_duration(value if isinstance(value, str) else "")


def _size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return parse_size(value if isinstance(value, str) else "")


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("a duration longer than zero")
    return value


def _usable_keys(keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, key in keys.items():
        if not re.fullmatch("[a-z0-9]{1,4}", name) or len(key.get_secret_value().encode()) < 16:
            raise ValueError(f"ids of 1 to 4 of a-z and 0-9, keys of 16 characters or more ({name!r} is not so)")
    return keys


def _listen(value: Any) -> SocketAddress:
    return value if isinstance(value, SocketAddress) else parse_socket_address(value if isinstance(value, str) else "")


def _network(value: Any) -> str:
    try:
        return str(ip_network(value if isinstance(value, str) else "", strict=False))
    except ValueError:
        raise ValueError('an address or a network such as "10.0.0.0/8"') from None


def _mailbox(value: Any) -> str:
    if not isinstance(value, str) or not _MAILBOX.fullmatch(value):
        raise ValueError('a mailbox such as "support@example.ru"')
    return value


def _domain(value: Any) -> str:
    if not isinstance(value, str) or not _DOMAIN.fullmatch(value):
        raise ValueError('a domain such as "example.ru"')
    return value.casefold()


def _one_line(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("a text of one line")
    return value


def _host(value: Any) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise ValueError('a host name or an address such as "smtp.example.ru"')
    return value


def _zone(value: Any) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        near = difflib.get_close_matches(str(value), available_timezones(), n=1)
        raise ValueError(f'an IANA time zone such as "{near[0] if near else "Europe/Moscow"}"') from None
    return str(value)


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not PREFIX.fullmatch(value):
        raise ValueError('two to six capital Latin letters and digits, a letter first, such as "MSK"')
    return value


def _called_url(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.netloc or parts.fragment:
        raise ValueError('an address such as "https://watch.example.ru/ping/otklik"')
    return str(value)


def _public_url(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError('an address such as "https://desk.example.ru"')
    return str(value).rstrip("/")


def _database_url(value: Any, info: ValidationInfo) -> str:
    """SQLite with an absolute path, or PostgreSQL through asyncpg."""
    what = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    if not isinstance(value, str):
        raise ValueError(what)
    scheme, colon, rest = value.strip().partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1 and ":memory:" not in rest:
        return f"sqlite:///{_base(info) / rest[1:]}"
    scheme = _DRIVERS.get(scheme, scheme)
    if scheme == "postgresql+asyncpg" and colon and rest.partition("?")[0].partition("/")[2]:
        return f"{scheme}://{rest}"
    raise ValueError(what)


def _file(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not (path := _base(info) / value).is_file():
        raise ValueError("the path of a file that exists")
    return path


def _folder(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not (path := _base(info) / value).is_dir():
        raise ValueError("the path of a folder that exists")
    return path


def _base(info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    return base if isinstance(base, Path) else Path.cwd()


def _country(value: Any) -> str:
    if not isinstance(value, str) or not _COUNTRY.fullmatch(value):
        raise ValueError('a country code of two capital letters such as "RU"')
    return value


def _hours(value: Any) -> tuple[time, time]:
    """`09:00-18:00`; 24:00 is the midnight that ends the day and comes out as 00:00."""
    if isinstance(value, tuple) and [type(part) for part in value] == [time, time]:
        return value
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        if int(found[2]) < 60 and int(found[4]) < 60 and start < end <= 24 * 60:
            return time(*divmod(start, 60)), time(*divmod(end % (24 * 60), 60))
    raise ValueError('hours such as "09:00-18:00"')


Duration = Annotated[timedelta, BeforeValidator(_duration)]
KeyRing = Annotated[dict[str, SecretStr], AfterValidator(_usable_keys)]
"""Keys by id, the newest last."""

LongerThanZero = Annotated[timedelta, PlainValidator(lambda value: _positive(_duration(value)))]
Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Listen = Annotated[SocketAddress, PlainValidator(_listen)]
OptionalListen = Annotated[SocketAddress | None, PlainValidator(lambda value: _listen(value) if value else None)]
Network = Annotated[str, PlainValidator(_network)]
OptionalCalledUrl = Annotated[str, PlainValidator(lambda value: value and _called_url(value))]
Mailbox = Annotated[str, PlainValidator(_mailbox)]
Domain = Annotated[str, PlainValidator(_domain)]
Host = Annotated[str, PlainValidator(_host)]
Line = Annotated[str, PlainValidator(_one_line)]
Zone = Annotated[str, PlainValidator(_zone)]
SitePrefix = Annotated[str, PlainValidator(_prefix)]
PublicUrl = Annotated[str, PlainValidator(lambda value: value and _public_url(value))]
DatabaseUrl = Annotated[str, PlainValidator(_database_url)]
OptionalMailbox = Annotated[str, PlainValidator(lambda value: value and _mailbox(value))]
OptionalDomain = Annotated[str, PlainValidator(lambda value: value and _domain(value))]
OptionalCountry = Annotated[str, PlainValidator(lambda value: value and _country(value))]
OptionalZone = Annotated[str, PlainValidator(lambda value: value and _zone(value))]
OptionalFile = Annotated[Path | None, PlainValidator(lambda value, info: _file(value, info) if value else None)]
OptionalFolder = Annotated[Path | None, PlainValidator(lambda value, info: _folder(value, info) if value else None)]
Hours = Annotated[tuple[time, time], PlainValidator(_hours)]
