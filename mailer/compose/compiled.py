"""Compile an edition once for all supporters who read it the same way, and merge it for each.

In: an edition's templates, a truth vector, a reader. Out: a `CompiledMessage`, whose merging is one
`b"".join`. Rendering, inlining and encoding take milliseconds and happen here; merging takes
microseconds and happens per supporter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mailer.compose.conditions import TruthVector
from mailer.compose.context import Reading
from mailer.compose.encoding import SlotUse, encode_value
from mailer.compose.headers import Header
from mailer.compose.ledger import Slot
from mailer.compose.mime import build_body, new_content_ids
from mailer.compose.rendering import EditionTemplates, Rendered


@dataclass(frozen=True)
class CompiledMessage:
    """The body of a mail, ready but for what differs from supporter to supporter."""

    reading: Reading
    #: What the mail's own header says of the body.
    headers: tuple[Header, ...]
    #: Encoded bytes in order; an empty one where a slot is.
    pieces: tuple[bytes, ...]
    #: Every slot in every way it is written, each once.
    uses: tuple[SlotUse, ...]
    #: Position among the pieces, and the index of what goes there among the uses.
    places: tuple[tuple[int, int], ...]
    #: The parts as they were before encoding, with markers; for checks and previews.
    rendered: Rendered
    content_ids: dict[str, str]

    def merge(self, value_of: Callable[[Slot], str]) -> bytes:
        """Return the body for one supporter.

        Args:
            value_of: The cleaned value of each slot.
        """
        encoded = [encode_value(value_of(use.slot), use.flavor) for use in self.uses]
        pieces = list(self.pieces)
        for position, index in self.places:
            pieces[position] = encoded[index]
        return b"".join(pieces)

    def with_known(self, known: Mapping[Slot, str]) -> CompiledMessage:
        """Return the message with the slots filled whose value is the same for everyone.

        Args:
            known: Their cleaned values.
        """
        filled = {
            index: encode_value(known[use.slot], use.flavor)
            for index, use in enumerate(self.uses)
            if use.slot in known
        }
        left = [index for index in range(len(self.uses)) if index not in filled]
        index_at = dict(self.places)
        pieces: list[bytes] = []
        places: list[tuple[int, int]] = []
        run: list[bytes] = []
        for position, piece in enumerate(self.pieces):
            index = index_at.get(position)
            if index is None or index in filled:
                run.append(piece if index is None else filled[index])
                continue
            pieces += [b"".join(run), b""]
            places.append((len(pieces) - 1, left.index(index)))
            run = []
        return replace(
            self,
            pieces=(*pieces, b"".join(run)),
            uses=tuple(self.uses[index] for index in left),
            places=tuple(places),
        )


def compile_message(
    templates: EditionTemplates,
    vector: TruthVector,
    reading: Reading,
    domain: str,
    *,
    text_only: bool = False,
) -> CompiledMessage:
    """Render, inline and encode a message.

    Args:
        templates: Of the edition.
        vector: The truth of each of its conditions.
        reading: The reader's language, and whether there is a notice.
        domain: What Content-IDs end with: one of the sender's own.
        text_only: It is the plain text alone, without HTML and pictures.

    Raises:
        FaultsFound: when a slot stands where no value may go.
        ValueError: when the style sheet cannot be read.
    """
    content_ids = new_content_ids(templates.revision.pictures, domain)
    rendered = templates.render(vector, reading, content_ids)
    body = build_body(
        rendered,
        templates.ledger,
        reading.language,
        templates.revision.pictures,
        content_ids,
        text_only=text_only,
    )
    used = {
        position: piece
        for position, piece in enumerate(body.segments)
        if isinstance(piece, SlotUse)
    }
    uses = tuple(dict.fromkeys(used.values()))
    return CompiledMessage(
        reading=reading,
        headers=body.headers,
        pieces=tuple(piece if isinstance(piece, bytes) else b"" for piece in body.segments),
        uses=uses,
        places=tuple((position, uses.index(use)) for position, use in used.items()),
        rendered=rendered,
        content_ids=content_ids,
    )
