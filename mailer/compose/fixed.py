"""The header fields that are the same for everyone who reads an edition by one list.

In: a revision, a sender, a list, a language. Out: `FixedHeaders`, or what in them fits no header.
Standards: RFC 3834 §5 (Auto-Submitted), RFC 2919 (List-Id).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailer.compose.headers import (
    Header,
    UnfitForHeader,
    address_header,
    list_id_header,
    mailbox_header,
    plain_header,
    text_header,
)
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault
from mailer.model.mailing import Sender
from mailer.model.statement import Revision, edition_file, localized


@dataclass(frozen=True)
class FixedHeaders:
    """Fields in the order they stand in, around those that differ from person to person."""

    before: tuple[Header, ...]
    list_id: Header
    after: tuple[Header, ...]


def fixed_headers(
    revision: Revision, sender: Sender, definition: ListDefinition, language: str, *, utf8: bool
) -> FixedHeaders:
    """Return the fixed fields of an edition's mails.

    Args:
        revision: The statement.
        sender: Who it comes from.
        definition: The list.
        language: Tag of the edition.
        utf8: The message goes by SMTPUTF8.

    Raises:
        UnfitForHeader: when one of the texts or addresses fits no header.
    """
    source = revision.source_language
    name = localized(sender.name, language, source)
    before = [
        mailbox_header("From", name, sender.address, utf8=utf8),
        text_header("Subject", revision.editions[language].subject, utf8=utf8),
    ]
    if sender.reply_to:
        before.append(address_header("Reply-To", sender.reply_to, utf8=False))
    # Some providers want a List-Id that people can read; on a discreet list nobody shall.
    phrase = "" if definition.discreet else localized(definition.name, language, source)
    return FixedHeaders(
        before=tuple(before),
        list_id=list_id_header(phrase, definition.list_id, utf8=utf8),
        after=(
            # RFC 3834 §5: keeps vacation notices from answering.
            plain_header("Auto-Submitted", "auto-generated"),
            plain_header("Content-Language", language),
            plain_header("MIME-Version", "1.0"),
        ),
    )


def check_headers(
    revision: Revision, sender: Sender, definitions: Iterable[ListDefinition]
) -> Iterator[Fault]:
    """Yield what of a statement, a sender and its lists fits no header, each once."""
    seen: set[Fault] = set()
    for definition in definitions:
        places = {
            "From": ("config.toml", f"senders.{sender.key}.name"),
            "Reply-To": ("config.toml", f"senders.{sender.key}.reply_to"),
            "List-Id": (f"lists/{definition.key}.toml", "list_id"),
        }
        for language in revision.languages:
            try:
                fixed_headers(revision, sender, definition, language, utf8=False)
            except UnfitForHeader as error:
                edition = (edition_file(revision, language), "subject")
                file, field = places.get(error.field, edition)
                fault = Fault(file, 0, field, f"does not fit {error.field}: {error.problem}")
                if fault not in seen:
                    seen.add(fault)
                    yield fault
