"""Statements by the dozen, and mailings of them that reached somebody or did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from sqlalchemy import func, select, update

from mailer.model.audience import ListDefinition
from mailer.model.breaker import Ending, RefusalReason
from mailer.model.statement import Revision, Visibility
from mailer.statements.document import with_digest
from mailer.store.archive import set_visibility
from mailer.store.engine import Store
from mailer.store.statements import save_revision
from mailer.store.tables import mailing, outcome_count
from tests.support.mails import edition, library_revision
from tests.support.subscriptions import NOON, Subscriptions, define_list

OPEN = define_list("letters", "harbor", ("en",))
DISCREET = replace(define_list("quiet", "harbor", ("en",)), discreet=True)


#: Its picture takes a while to make.
_library = lru_cache(maxsize=1)(library_revision)


def a_statement(slug: str, *languages: str, **changes: object) -> Revision:
    """Return a short statement with editions in these languages, the first its source."""
    editions = {
        language: edition(
            language, f"Title of {slug} in {language}", f"Words of {slug}.\n",
            preheader=f"Lead of {slug}.",
        )
        for language in languages or ("en",)
    }  # fmt: skip
    whole = replace(
        _library(),
        slug=slug,
        source_language=next(iter(editions)),
        editions=editions,
        pictures={},
    )
    return with_digest(replace(whole, **changes))


def mail_out(
    store: Store,
    revision: Revision,
    at: datetime,
    *lists: ListDefinition,
    rehearsal: bool = False,
    ending: Ending | None = Ending.ACCEPTED,
) -> int:
    """Load a revision and start a mailing of it, of which one mail ended so; return its id."""
    with store.write() as connection:
        stored = save_revision(connection, revision, NOON)
        number = 1 + connection.execute(
            select(func.count()).where(mailing.c.statement_id == stored.statement_id)
        ).scalar_one()  # fmt: skip
    mailing_id = Subscriptions(store).start_mailing(
        revision.slug, stored.statement_id, stored.revision_id, number, at, lists or (OPEN,)
    )
    with store.write() as connection:
        connection.execute(
            update(mailing).where(mailing.c.id == mailing_id).values(rehearsal=rehearsal)
        )
        if ending is not None:
            connection.execute(
                outcome_count.insert().values(
                    mailing_id=mailing_id, relay="relay", domain_class="other", ending=ending,
                    reason=RefusalReason.NONE, deliveries=1,
                )
            )  # fmt: skip
    return mailing_id


def decide(
    store: Store, slug: str, visibility: Visibility, at: datetime = NOON, corrected_by: str = ""
) -> None:
    """Unlist, withdraw or list a statement, as staff do."""
    with store.write() as connection:
        set_visibility(connection, slug, visibility, at, corrected_by)
