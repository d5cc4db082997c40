"""Settings of the doors' limits and of what is done for those who run the program."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from gateway.quantities import SocketAddress
from gateway.settings_section import Section
from gateway.settings_values import (
    Listen,
    LongerThanZero,
    Network,
    OptionalCalledUrl,
    OptionalFolder,
    OptionalListen,
    Size,
    secret,
)


class Http(Section):
    """The HTTP listener."""

    listen: Listen = Field(SocketAddress("127.0.0.1", 8080), description="Address and port.")
    max_body: Size = Field(10_000_000, description="Largest request body taken.")
    max_header: int = Field(8190, ge=1000, le=65536, description="Longest header field or request line, in bytes.")
    connections: int = Field(1000, ge=1, le=100_000, description="Clients connected at once; more are answered 503.")
    idle_timeout: LongerThanZero = Field(
        timedelta(seconds=75), description="Longest wait for the whole header of the next request of a connection."
    )
    request_timeout: LongerThanZero = Field(
        timedelta(minutes=5), description="Time the body of a request may take to arrive; then 408."
    )
    trusted_proxies: list[Network] = Field(
        [],
        description="Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
    )


class Metrics(Section):
    """What monitoring reads at `/metrics`: by default on the HTTP listener, for callers on this machine alone."""

    listen: OptionalListen = Field(
        None, description="Address and port of a listener of its own, with `/healthz` and `/readyz`; none when empty."
    )
    token: SecretStr = secret(
        "Bearer token asked for; with it `/metrics` is answered to every address.", default=SecretStr("")
    )


class Disk(Section):
    """The guard of the free space where the database is. It does not see the disk of a PostgreSQL elsewhere."""

    path: OptionalFolder = Field(
        None, description="Folder whose file system is watched; the SQLite file's own, none for PostgreSQL, when empty."
    )
    warn: Size = Field(2_000_000_000, description="Less free space than that is warned of.")
    floor: Size = Field(200_000_000, description="With less free space than that inputs get 451 and 503.")
    every: LongerThanZero = Field(timedelta(seconds=10), description="How often is looked.")

    @model_validator(mode="after")
    def _order(self) -> Disk:
        if self.floor > self.warn:
            raise ValueError("a floor that is not above warn")
        return self


class Deadman(Section):
    """A sign of life to somebody who misses it: sent only while everything works."""

    url: OptionalCalledUrl = secret("Address that is called; nothing is sent when empty.", default="")
    method: Literal["GET", "POST"] = Field("GET", description="How it is called: `GET` or `POST`.")
    every: LongerThanZero = Field(timedelta(minutes=1), description="How often.")


class Log(Section):
    """The program's log, on the standard error stream."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is written.")
    format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for people.")
    personal: bool = Field(False, description="Whether addresses and names may appear; masked otherwise.")
    trail: bool = Field(
        True, description="Whether every request, input and try of a delivery is told in a line (level `info`)."
    )
