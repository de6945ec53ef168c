"""What a table of phrases is: words of one mail system, and what each means.

In: phrases as people write them, in small letters, "*" for a few words between,
"^" for the beginning of all that is said, "@" for any address. Out: what
`mailer.feedback.reading.wording` looks up. A table says which system speaks so, since the same words
mean more where a system speaks of its own mailboxes than where it repeats somebody's reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailer.model.feedback import FeedbackReason

Phrases = Mapping[FeedbackReason, tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """The words of one mail system."""

    system: str
    #: Reason → phrases.
    words: Phrases = field(default_factory=dict)
    #: The same, for phrases that the system says of its own mailboxes, or of what it has looked up
    #: itself: nothing else needs to bear them out.
    certain: Phrases = field(default_factory=dict)
    #: Phrases that mean other than they say, and count before all others.
    overruling: Phrases = field(default_factory=dict)


def told_of(
    nouns: tuple[str, ...], before: tuple[str, ...] = (), behind: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return each noun with each of the words that may stand before it, or behind it and its address."""
    return (
        *(f"{word} {noun}" for noun in nouns for word in before),
        *(f"{noun} {word}" for noun in nouns for word in behind),
        *(f"{noun} @ {word}" for noun in nouns for word in behind),
    )
