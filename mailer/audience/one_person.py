"""Foresee how a mailing would reach one person, by the rules that freezing goes by.

In: a mailing's rules and the digest of an address. Out: the list and edition, or why they get nothing.
The first list in the order given that is a route makes it; where none is, the first says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailer.model.audience import LanguageChoice, LanguageProfile, ListDefinition
from mailer.model.mailing import Mailing
from mailer.model.states import SkipReason
from mailer.store.engine import Connection
from mailer.store.one_person import Place, delivery_for, places_of
from mailer.store.routes import Rules
from mailer.store.supporters import rows_of_person

#: Chooses the edition for a profile on a list.
Resolve = Callable[[LanguageProfile, ListDefinition], LanguageChoice]


@dataclass(frozen=True)
class Way:
    """How a person is reached, or why not."""

    supporter_id: int
    list_id: int
    choice: LanguageChoice | None
    reason: SkipReason | None


def foreseen(
    connection: Connection, mailing: Mailing, rules: Rules, digest: bytes, resolve: Resolve
) -> Way | None:
    """Return how freezing would reach a person; None where they are on none of the lists.

    Args:
        connection: one that reads.
        mailing: whose lists are meant.
        rules: of the mailing.
        digest: of the person's address.
        resolve: chooses the edition for a profile on a list.
    """
    definitions = {one.list_row_id: one.definition for one in mailing.targets}
    corrected = None
    if rules.correction is not None:
        got = delivery_for(connection, rules.correction.mailing_id, digest)
        corrected = got.choice if got else None

    def chosen(place: Place, profile: LanguageProfile) -> LanguageChoice | None:
        if rules.correction is not None:
            # Their language is what it was, not chosen anew.
            return corrected
        choice = resolve(profile, definitions[place.list_id])
        return choice if choice.language else None

    places = places_of(connection, rules, digest)
    if rules.correction is None:
        without = {(one.list_id, one.profile_id) for one in places if not chosen(one, one.profile)}
        places = places_of(connection, rules, digest, without) if without else places
    never = {row.id: row.never for row in rows_of_person(connection, digest)}
    ways: list[tuple[bool, int, Way]] = []
    for one in places:
        # What is never wanted on any row of the address is not chosen on another.
        elsewhere = {
            tag for who, tags in never.items() if who != one.supporter_id for tag in tags.split(",")
        }
        united = tuple(sorted({*one.profile.never, *filter(None, elsewhere)}))
        choice = chosen(one, LanguageProfile(one.profile.languages, united))
        reason = one.reason or (None if choice else SkipReason.NO_ACCEPTABLE_EDITION)
        way = Way(one.supporter_id, one.list_id, choice, reason)
        ways.append((reason is not None, one.position, way))
    return min(ways, key=lambda one: one[:2])[2] if ways else None
