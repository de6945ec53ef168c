"""Hash passwords with argon2id (RFC 9106), one at a time, so that a flood cannot take the machine.

In: passwords. Out: hashes with their salt and parameters, and whether a password fits one. Each
takes 64 MiB and about a sixth of a second: call this from a thread that may wait so long.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from mailer.model.passwords import LONGEST_PASSWORD, normal_password
from mailer.model.sign_in import HashingBusy

#: One is computed and one waits for it; whoever comes then is sent away at once.
_MOST_AT_ONCE = 2
_RETRY_AFTER_S = 1
#: As a keyboard composes them, the characters of a password may be several times as many.
_MOST_TRIED = 4 * LONGEST_PASSWORD


@dataclass(frozen=True)
class Cost:
    """What a hash costs."""

    # RFC 9106 §4, the second recommended option: 3 passes, 4 lanes, 64 MiB.
    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


class PasswordHashing:
    """Makes and compares hashes; a process has one, which its threads share."""

    def __init__(self, cost: Cost | None = None) -> None:
        cost = cost or Cost()
        self._hasher = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            type=Type.ID,
        )
        self._slots = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._one = threading.Lock()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the places for those whose passwords are looked at.

        Raises:
            HashingBusy: when all are taken.
        """
        if not self._slots.acquire(blocking=False):
            raise HashingBusy(_RETRY_AFTER_S)
        try:
            yield
        finally:
            self._slots.release()

    @cached_property
    def _nobodys(self) -> str:
        """A hash of what nobody knows: what a login that does not exist is held against."""
        return self._hasher.hash(secrets.token_urlsafe(32))

    def make(self, password: str) -> str:
        """Return the hash of a password; the caller holds a `slot`."""
        with self._one:
            return self._hasher.hash(_octets(password))

    def fits(self, password: str, password_hash: str) -> bool:
        """Tell whether a hash is of a password; the caller holds a `slot`.

        It takes as long where there is no hash ("").
        """
        held_against = password_hash or self._nobodys
        with self._one:
            try:
                self._hasher.verify(held_against, _octets(password[:_MOST_TRIED]))
            except (InvalidHashError, VerificationError):
                return False
        return bool(password_hash) and len(password) <= _MOST_TRIED

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether a hash was made at another cost than new ones are."""
        return self._hasher.check_needs_rehash(password_hash)


def _octets(password: str) -> bytes:
    # What comes from a browser may hold halves of characters, which no text of ours does.
    return normal_password(password).encode("utf-8", "surrogatepass")
