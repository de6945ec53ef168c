"""Column types that are the same on SQLite and PostgreSQL.

In: aware instants, enums, JSON-able documents. Out: what the database keeps, and back again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator

#: A 64-bit id; SQLite only counts by itself in a column that is called INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")
#: A 16-byte keyed digest.
Digest = LargeBinary(16)


class Sealed(TypeDecorator[bytes]):
    """Sealed bytes: key id, nonce, cipher text. A type of its own, by which rotation finds it."""

    impl = LargeBinary
    cache_ok = True


_MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant as whole microseconds since 1970: sorts, compares and stays exact."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the microseconds; refuse a naive instant, which could mean any hour."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the instant, aware, in UTC."""
        return instant(value)


def microseconds(value: datetime) -> int:
    """Return an instant as it stands in the database; refuse a naive one.

    Raises:
        ValueError: when it has no time zone.
    """
    if value.tzinfo is None:
        raise ValueError("a stored instant needs a time zone")
    delta = value - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _MICROSECONDS + delta.microseconds


def instant(stored: int | None) -> datetime | None:
    """Return the instant that stands in the database as microseconds since 1970."""
    if stored is None:
        return None
    seconds, rest = divmod(stored, _MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


class Enum(TypeDecorator[StrEnum]):
    """A `StrEnum` by its value, in plain text, so that a new member needs no migration."""

    impl = String(40)
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """Return the member's value; refuse a word that is no member."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Return the member."""
        return None if value is None else self.kind(value)


class Document(TypeDecorator[Any]):
    """A JSON document as text with sorted keys: the same document is the same text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the JSON text."""
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Return the document."""
        return None if value is None else json.loads(value)
