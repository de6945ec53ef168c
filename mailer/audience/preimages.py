"""What was on record of a supporter before an import changed it, as one sealed value.

In: a supporter as the import found them. Out: a sealed document, and the document again. Texts that
were sealed are opened into it and sealed with it, so that a new seal.key reaches all of them.
"""

from __future__ import annotations

import json
from typing import Any

from mailer.audience.consent import opened_source
from mailer.audience.merging import opened_fields
from mailer.keys import SealKeys
from mailer.store.imports import KnownSupporter

TABLE = "import_change"


def column(batch_id: int) -> str:
    """Return the column a document is bound to: its row is known by two ids."""
    return f"before_sealed.{batch_id}"


def sealed_before(keys: SealKeys, known: KnownSupporter, list_id: int, batch_id: int) -> bytes:
    """Return what is on record of a supporter, sealed for undoing this import."""
    who = known.supporter_id
    document = {
        "fields": opened_fields(keys, known.fields_sealed, who),
        "profile_id": known.profile_id,
        "country": known.country,
        "time_zone": known.time_zone,
        "joined_at": known.joined_at.isoformat() if known.joined_at else None,
        "discreet": known.discreet,
        "updated_at": known.updated_at.isoformat(),
        "tags": sorted(known.tags),
        "clear": {name: dict(one) for name, one in known.clear_columns.items()},
        "membership": None
        if known.membership is None
        else {
            "basis": known.consent_basis,
            "source": opened_source(keys, known.consent_source_sealed, list_id, who),
            "at": known.consented_at.isoformat() if known.consented_at else None,
        },
    }
    return keys.seal(json.dumps(document, ensure_ascii=False), TABLE, column(batch_id), who)


def opened_before(keys: SealKeys, sealed: bytes, batch_id: int, supporter_id: int) -> Any:  # noqa: ANN401  (JSON has no type of its own.)
    """Return the document of `sealed_before`.

    Raises:
        WrongSealKey: when the key is not the one it was sealed with.
    """
    return json.loads(keys.unseal(sealed, TABLE, column(batch_id), supporter_id))
