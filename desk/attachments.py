"""Files of tickets: found by their id, their bytes decoded on demand from what came in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage import attachments, blobs
from storage.database import Connection, Database
from tickets.message import Attachment

Row = dict[str, Any]

Decode = Callable[[bytes, str], tuple[bytes, Attachment]]
"""Takes one file out of a channel's raw input by `Attachment.part`; raises `LookupError` where there is none."""


class NoSuchFile(LookupError):
    """There is no file with this id, or its bytes were removed when their time was over."""

    def __init__(self, attachment_id: UUID) -> None:
        super().__init__(f"there is no file {attachment_id.hex}")


@dataclass(frozen=True, slots=True)
class File:
    """One file. `ticket_id` and `public` tell who may have it: the ticket's author the public ones alone."""

    name: str
    content_type: str
    data: bytes
    ticket_id: UUID
    number: str
    public: bool


class Files:
    """Fetches files. `decoders` know the raw input of each channel."""

    def __init__(self, database: Database, decoders: Mapping[str, Decode]) -> None:
        self._database = database
        self._decoders = decoders

    async def fetch(self, attachment_id: UUID) -> File:
        """A file with its bytes.

        Raises:
            NoSuchFile: nobody's id, or the bytes are gone.
            StorageError: the database is away.
        """

        def look(connection: Connection) -> tuple[Row, bytes] | None:
            row = attachments.one(connection, attachment_id)
            if row is None:
                return None
            kept = row["own_sha256"] or row["raw_sha256"]
            found = blobs.fetch(connection, kept) if kept else None
            return None if found is None else (row, found)

        there = await self._database.read(look)
        if there is None:
            raise NoSuchFile(attachment_id)
        row, raw = there
        data = raw
        if not row["own_sha256"]:
            decode = self._decoders.get(row["channel"])
            if decode is None:
                raise NoSuchFile(attachment_id)
            try:
                # reading a large mail again takes long enough for others to notice
                data, _ = await asyncio.to_thread(decode, raw, row["part"])
            except LookupError:
                raise NoSuchFile(attachment_id) from None
        return File(row["name"], row["content_type"], data, row["ticket_id"], row["number"], row["public"])
