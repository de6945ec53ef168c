"""Give freezing and coverage their way of choosing an edition.

In: a revision, or the store and a mailing. Out: a function from (profile, list) to the edition.
`audience/` may not import `statements/`, so the choice is handed to it from here.
"""

from __future__ import annotations

from collections.abc import Callable

from mailer.model.audience import LanguageChoice, LanguageProfile, ListDefinition
from mailer.model.mailing import Mailing
from mailer.model.statement import Revision
from mailer.statements.languages import choose_edition
from mailer.store.engine import Store
from mailer.store.statements import load_revision

Resolve = Callable[[LanguageProfile, ListDefinition], LanguageChoice]


def resolver(revision: Revision) -> Resolve:
    """Return what chooses among the editions of `revision`."""
    editions = revision.languages
    source = revision.source_language

    def resolve(profile: LanguageProfile, definition: ListDefinition) -> LanguageChoice:
        return choose_edition(profile, editions, source, definition.languages)

    return resolve


def resolver_for(store: Store) -> Callable[[Mailing], Resolve]:
    """Return what finds the revision a mailing pins and gives its chooser."""

    def find(mailing: Mailing) -> Resolve:
        with store.read() as connection:
            return resolver(load_revision(connection, mailing.revision_id).revision)

    return find
