"""Make what a test needs and does not care about: statements, senders, lists, people, mailings.

The `make_*` functions return model objects; any field can be given. `Ground` writes rows, sealed and
digested as an import would, and remembers the ids:

    ground = Ground(store, seal_keys, service_keys)
    mailing = ground.add_mailing([ground.add_list("harbor-news")])
    for address in ("anna@example.org", "boris@example.net"):
        ground.add_delivery(mailing, ground.add_supporter(address, "harbor-news"))
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import (
    LanguageProfile,
    LanguageStep,
    ListDefinition,
    MembershipState,
)
from mailer.model.domain_classes import domain_class
from mailer.model.mailing import Design, Mailing, Sender
from mailer.model.statement import (
    Edition,
    Hashtag,
    RelatedItem,
    RelatedKind,
    Revision,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)
from mailer.model.states import DeliveryState, MailingState
from mailer.statements.editions import content_hash
from mailer.store import tables
from mailer.store.audience import profile_id, sync_lists
from mailer.store.designs import design_digest, design_to_document, save_design
from mailer.store.documents import with_digest
from mailer.store.engine import Store, take_ids
from mailer.store.mailings import NewMailing, create_mailing, load_mailing
from mailer.store.statements import save_revision
from tests.support.clocks import NOW
from tests.support.tallies import recount

LONG_AGO = NOW - timedelta(days=300)


def make_edition(language: str = "en", **fields: Any) -> Edition:
    """Return an edition; its texts name its language, so that one tells them apart."""
    values: dict[str, Any] = {
        "title": f"Free the library [{language}]",
        "subject": f"Subject [{language}]",
        "preheader": f"Preheader [{language}]",
        "discreet_subject": "A letter",
        "discreet_preheader": "From us",
        "translated_from": "",
        "body": f"Text [{language}] with a [link](https://example.org/{language}).\n",
        "content_hash": "",
        **fields,
    }
    texts = {name: values[name] for name in ("title", "subject", "preheader", "body")}
    values["content_hash"] = values["content_hash"] or content_hash(**texts)
    return Edition(language=language, **values)


def make_revision(
    languages: Sequence[str] = ("en", "ru"), slug: str = "free-the-library", **fields: Any
) -> Revision:
    """Return a revision with an edition per language, the first being the source."""
    source = make_edition(languages[0])
    editions = {languages[0]: source}
    for language in languages[1:]:
        editions[language] = make_edition(language, translated_from=source.content_hash)
    values: dict[str, Any] = {
        "slug": slug,
        "kind": StatementKind.STATEMENT,
        "source_language": languages[0],
        "published": None,
        "supports": (Supported(SupportedKind.ORGANISATION, {"en": "The Reading Room"}, ""),),
        "hashtags": (Hashtag("#FreeTheLibrary", "https://example.org/tag"),),
        "related": (RelatedItem(RelatedKind.CASE, {"en": "The case"}, "https://example.org/case"),),
        "signatories": (
            Signatory({"en": "Harbor", "ru": "Гавань"}, "MD", "https://harbor.example.org"),
            Signatory({"en": "Lantern", "ru": "Фонарь"}, "DE", "https://lantern.example.net"),
        ),
        "and_others": True,
        "editions": editions,
        **fields,
    }
    return with_digest(Revision(**values))


def make_sender(key: str = "harbor", **fields: Any) -> Sender:
    """Return a sender without DKIM."""
    domain = f"{key}.example.org"
    values: dict[str, Any] = {
        "organisation": key,
        "name": {"en": key.title()},
        "address": f"news@{domain}",
        "reply_to": f"office@{domain}",
        "base_url": f"https://mail.{domain}",
        "return_path_domain": f"bounces.{domain}",
        **fields,
    }
    return Sender(key=key, **values)


def make_list(key: str = "harbor-news", owner: str = "harbor", **fields: Any) -> ListDefinition:
    """Return a list's definition; its chain is empty."""
    values: dict[str, Any] = {
        "name": {"en": key.replace("-", " ").title()},
        "sender": owner,
        "list_id": f"{key}.{owner}.example.org",
        "consent_basis": "consent",
        "languages": (),
        "time_zone": "UTC",
        **fields,
    }
    return ListDefinition(key=key, owner=owner, **values)


def make_design(**fields: Any) -> Design:
    """Return a design of the fewest lines; the real one is read by `compose.design.read_design`."""
    values: dict[str, Any] = {
        "kind": StatementKind.STATEMENT.value,
        "message_html": "<!doctype html><title>{{ edition.title }}</title>{{ body }}",
        "message_text": "{{ body }}",
        "style_css": "p { margin: 0 }",
        "catalogs": {},
        "plural_rules": {},
        **fields,
    }
    made = Design(**values)
    return replace(made, digest=design_digest(design_to_document(made)))


@dataclass
class Ground:
    """Writes rows into a database that has its tables."""

    store: Store
    seal_keys: SealKeys
    service_keys: ServiceKeys
    now: datetime = NOW
    #: List key → row id and definition.
    lists: dict[str, tuple[int, ListDefinition]] = field(default_factory=dict)
    #: Supporter's id → list keys in the order given, and digest.
    people: dict[int, tuple[tuple[str, ...], bytes]] = field(default_factory=dict)

    def add_list(self, key: str = "harbor-news", owner: str = "harbor", **fields: Any) -> str:
        """Write a list and its owner; return its key."""
        definition = make_list(key, owner, **fields)
        with self.store.write() as connection:
            row_id = sync_lists(connection, [definition], self.now)[key]
        self.lists[key] = (row_id, definition)
        return key

    def add_supporter(
        self,
        address: str,
        *lists: str,
        languages: Sequence[str] = ("en",),
        never: Sequence[str] = (),
        fields: Mapping[str, str] | None = None,
        state: MembershipState = MembershipState.SUBSCRIBED,
        consent_basis: str = "consent",
        **columns: Any,
    ) -> int:
        """Write a person of the first list's owner, on the lists; return the supporter's id.

        `columns` are columns of the table supporter: `discreet=True`, `country="MD"`.
        """
        digest = self.service_keys.address_digest(address.casefold())
        domain = address.rpartition("@")[2].encode("idna").decode()
        with self.store.write() as connection:
            row_id = take_ids(connection, "supporter", 1)
            owner = connection.execute(
                tables.mailing_list.select().where(
                    tables.mailing_list.c.id == self.lists[lists[0]][0]
                )
            ).one()
            seal = self.seal_keys.seal
            values: dict[str, Any] = {
                "address_digest": digest,
                "address_sealed": seal(address, "supporter", "address_sealed", row_id),
                "fields_sealed": seal(
                    json.dumps(dict(fields or {}), ensure_ascii=False),
                    "supporter",
                    "fields_sealed",
                    row_id,
                ),
                "profile_id": profile_id(
                    connection, LanguageProfile(tuple(languages), tuple(never))
                ),
                "domain_class": domain_class(domain),
                "domain_digest": self.service_keys.domain_digest(domain),
                "needs_smtputf8": not address.rpartition("@")[0].isascii(),
                "created_at": LONG_AGO,
                "updated_at": LONG_AGO,
                **columns,
            }
            connection.execute(
                tables.supporter.insert().values(
                    id=row_id, organisation_id=owner.organisation_id, **values
                )
            )
            for key in lists:
                connection.execute(
                    tables.membership.insert().values(
                        list_id=self.lists[key][0],
                        supporter_id=row_id,
                        state=state,
                        consent_basis=consent_basis,
                        added_at=LONG_AGO,
                    )
                )
        self.people[row_id] = (lists, digest)
        return row_id

    def add_statement(self, revision: Revision | None = None) -> int:
        """Store a revision; return its row id."""
        with self.store.write() as connection:
            return save_revision(connection, revision or make_revision(), self.now).revision_id

    def add_mailing(
        self,
        lists: Sequence[str],
        state: MailingState = MailingState.RUNNING,
        revision: Revision | None = None,
        **fields: Any,
    ) -> Mailing:
        """Write a mailing of a statement to lists in `state`, due now."""
        stored = revision or make_revision()
        one = make_design()
        with self.store.write() as connection:
            saved = save_revision(connection, stored, self.now)
            design_id = save_design(connection, one, self.now)
            values: dict[str, Any] = {
                "sender": make_sender(),
                "segment": "",
                "exclude": "",
                "due_at": self.now,
                "time_zone": "UTC",
                "grace_s": 7200,
                "confirmed_count": 1_000_000,
                **fields,
            }
            made = create_mailing(
                connection,
                NewMailing(
                    statement_id=saved.statement_id,
                    slug=stored.slug,
                    revision_id=saved.revision_id,
                    revision_digest=stored.digest,
                    design_id=design_id,
                    design_digest=one.digest,
                    lists=[self.lists[key] for key in lists],
                    **values,
                ),
                self.now,
            )
            started = None if state is MailingState.SCHEDULED else self.now
            connection.execute(
                tables.mailing.update()
                .where(tables.mailing.c.id == made.row_id)
                .values(state=state, started_at=started, frozen_at=started)
            )
            return load_mailing(connection, made.row_id)

    def add_delivery(
        self,
        mailing: Mailing,
        supporter_id: int,
        state: DeliveryState = DeliveryState.DUE,
        language: str | None = "en",
        **columns: Any,
    ) -> int:
        """Write a delivery to a supporter through all their lists; return its id."""
        keys, digest = self.people[supporter_id]
        due = state in (DeliveryState.DUE, DeliveryState.DEFERRED)
        values: dict[str, Any] = {
            "language": language,
            "step": LanguageStep.FIRST if language else None,
            "next_attempt_at": self.now if due else None,
            **columns,
        }
        people = tables.supporter
        with self.store.write() as connection:
            row_id = connection.execute(
                tables.delivery.insert()
                .values(
                    mailing_id=mailing.row_id,
                    address_digest=digest,
                    domain_class=select(people.c.domain_class)
                    .where(people.c.id == supporter_id)
                    .scalar_subquery(),
                    supporter_id=supporter_id,
                    list_id=self.lists[keys[0]][0],
                    state=state,
                    **values,
                )
                .returning(tables.delivery.c.id)
            ).scalar_one()
            connection.execute(
                tables.delivery_list.insert(),
                [
                    {
                        "delivery_id": row_id,
                        "list_id": self.lists[key][0],
                        "supporter_id": supporter_id,
                    }
                    for key in keys
                ],
            )
            recount(connection)
        return int(row_id)
