"""What is on record of somebody's consent: a word that says why, and a text that says where from.

In: what a row or a list's file says. Out: the word, which stands in clear and so may be nothing but
a word, and the text sealed, since people write names, numbers and addresses into it.
"""

from __future__ import annotations

import re
from enum import StrEnum

from mailer.keys import SealKeys

TABLE = "membership"
SOURCE = "consent_source_sealed"
# It begins with a letter: a number or a day is no reason, and may be somebody's.
_BASIS = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Consent(StrEnum):
    """What a row says of consent."""

    #: It was given.
    GIVEN = "given"
    #: The cell is empty: nothing new is known.
    UNKNOWN = "unknown"
    #: The cell says no: whatever was on record is withdrawn.
    WITHDRAWN = "withdrawn"


def is_basis(text: str) -> bool:
    """Tell whether a text may stand in clear as the basis of a consent: "membership"."""
    return bool(_BASIS.fullmatch(text))


def sealed_source(keys: SealKeys, source: str, list_id: int, supporter_id: int) -> bytes | None:
    """Return where a consent came from as a sealed value; None when nothing is said of it."""
    return keys.seal(source, TABLE, _column(list_id), supporter_id) if source else None


def opened_source(keys: SealKeys, sealed: bytes | None, list_id: int, supporter_id: int) -> str:
    """Return where a consent came from, unsealed; "" when nothing is on record.

    Raises:
        WrongSealKey: when the key is not the one it was sealed with.
    """
    return keys.unseal(sealed, TABLE, _column(list_id), supporter_id) if sealed else ""


def _column(list_id: int) -> str:
    # A membership's row is known by two ids, of which a sealed value is bound to one.
    return f"{SOURCE}.{list_id}"
