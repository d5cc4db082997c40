"""Keys of rows: UUIDs of version 7, in the order they were made."""

from __future__ import annotations

import copy
import pickle
import uuid
from datetime import UTC, datetime

from tickets.key import new_key


def test_a_key_is_a_uuid_of_version_7() -> None:
    key = new_key()
    assert type(key) is uuid.UUID
    assert (key.version, key.variant, key.is_safe) == (7, uuid.RFC_4122, uuid.SafeUUID.unknown)
    assert key == uuid.UUID(key.hex) == uuid.UUID(bytes=key.bytes)
    assert hash(key) == hash(uuid.UUID(key.hex))
    assert pickle.loads(pickle.dumps(key)) == copy.deepcopy(key) == key


def test_keys_are_all_different_and_sort_by_when_they_were_made() -> None:
    keys = [new_key() for _ in range(10_000)]
    assert keys == sorted(set(keys))
    assert [key.hex for key in keys] == sorted(key.hex for key in keys)


def test_a_key_tells_its_moment() -> None:
    before = datetime.now(UTC)
    milliseconds = new_key().int >> 80
    assert int(before.timestamp() * 1000) <= milliseconds <= int(datetime.now(UTC).timestamp() * 1000)
