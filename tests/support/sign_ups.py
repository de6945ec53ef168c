"""A workspace whose lists can be signed up for, its pages, and the mails that they send."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from mailer.app.sign_up import SignUpDesk
from mailer.app.workspace import Workspace
from mailer.audience.addresses import normalize_address
from mailer.store import tables
from mailer.store.engine import Store
from mailer.store.service_mails import OpenedMail, claim_service, open_mail
from mailer.web.public.joining import Joining
from tests.support.mail import text_of
from tests.support.newsletters import newsletter_workspace
from tests.support.public_web import Site, public_site

VERSION = "2026-11"
CONSENT = """
[sign_up.consent]
en = "I would like to get mails. I can leave at any time."
ru = "Я хочу получать письма. Я могу отписаться в любое время."
fa = "می‌خواهم نامه دریافت کنم. هر زمان می‌توانم خارج شوم."
"""
OFF = 'lists = []\n# Names the wording below, and is kept with every consent: change it with the wording.\nconsent_version = ""'


def switched_on(text: str, lists: str = '["harbor-news"]', most_per_hour: int = 500) -> str:
    """Return the example config with the form switched on."""
    assert OFF in text
    text = text.replace(OFF, f'lists = {lists}\nconsent_version = "{VERSION}"', 1)
    text = text.replace("most_per_hour = 500", f"most_per_hour = {most_per_hour}", 1)
    return text.replace("\n[sign_up.consent]\n", CONSENT, 1)


def sign_up_workspace(folder: Path, store: Store, clock, **options) -> Workspace:
    """Return a workspace made of what ships, with the form switched on."""
    made = newsletter_workspace(folder, store, clock)
    config = folder / "config.toml"
    config.write_text(switched_on(config.read_text(encoding="utf-8"), **options), encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    opened = made.reread()
    # They are checked against the database, which a test may be writing when it first needs them.
    _ = opened.seal_keys, opened.service_keys
    return opened


@contextlib.contextmanager
def sign_up_site(workspace: Workspace, **options) -> Iterator[Site]:
    """Serve the pages of a workspace."""
    desk = SignUpDesk(workspace)
    with public_site(
        workspace.store,
        workspace.tokens,
        workspace.clock,
        areas=[lambda ground: Joining(ground, desk).routes()],
        log=workspace.suppression_log.path,
        **options,
    ) as site:
        yield site


def form(email: str | None, **fields) -> dict[str, object]:
    """Return what a person sends who filled in the form."""
    values = {"email": email, "language": "en", "website": "", "consent": VERSION, **fields}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Mails:
    """The confirmations of a workspace."""

    workspace: Workspace

    def count(self) -> int:
        """Return how many were written, sent or not."""
        with self.workspace.store.read() as connection:
            return len(connection.execute(select(tables.service_mail.c.id)).all())

    def take(self) -> list[OpenedMail]:
        """Claim what is due, and open it."""
        later = self.workspace.clock.now() + timedelta(seconds=1)
        with self.workspace.store.write() as connection:
            claimed = claim_service(connection, "test", "sandbox", 5_000, later)
        return [open_mail(self.workspace.seal_keys, one) for one in claimed]

    def link(self) -> str:
        """Return the path that the only mail due leads to."""
        (mail,) = self.take()
        found = re.search(r"https?://[^/\s]+(/join/[\w-]{39})\s", text_of(mail.content))
        assert found is not None
        return found[1]


def on_record(workspace: Workspace, address: str) -> dict[str, object]:
    """Return each list that an address is known to → its membership with its supporter's columns."""
    digest = workspace.service_keys.address_digest(normalize_address(address).normal_form)
    with workspace.store.read() as connection:
        rows = connection.execute(
            select(
                tables.mailing_list.c.key,
                tables.membership,
                tables.supporter.c.address_sealed,
                tables.supporter.c.discreet,
                tables.language_profile.c.languages,
                tables.language_profile.c.never,
            )
            .join(tables.membership, tables.membership.c.list_id == tables.mailing_list.c.id)
            .join(tables.supporter, tables.supporter.c.id == tables.membership.c.supporter_id)
            .join(
                tables.language_profile,
                tables.language_profile.c.id == tables.supporter.c.profile_id,
            )
            .where(tables.supporter.c.address_digest == digest)
        ).all()
    return {row.key: row for row in rows}
