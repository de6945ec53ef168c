"""The form in which a statement is stored, hashed and handed on: see `mailer.store.documents`.

The store keeps it and may not import this room, so it is defined there; this is its name here.
"""

from mailer.store.documents import (
    document_digest,
    revision_from_document,
    revision_to_document,
    with_digest,
)

__all__ = ["document_digest", "revision_from_document", "revision_to_document", "with_digest"]
