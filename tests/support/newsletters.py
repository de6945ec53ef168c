"""An issue of the newsletter that ships, with invented items, for tests of its mails and pages."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from mailer.app.workspace import Workspace
from mailer.clock import Clock
from mailer.compose.composer import MailingComposer
from mailer.compose.design import read_design
from mailer.config import share_dir
from mailer.keys import create_seal_key, create_service_key
from mailer.model.newsletter import Newsletter
from mailer.model.statement import ItemText, NewsletterItem, Revision, StatementKind
from mailer.statements.catalog import load_catalogs
from mailer.statements.issues import make_issue
from mailer.statements.newsletters import read_newsletter
from mailer.store.engine import Store
from mailer.store.statements import publish, save_revision
from mailer.tokens import Tokens
from tests.support.mails import composer

DAY = date(2026, 11, 30)
#: One in three languages, one without a lead, one in Persian and one in Ukrainian alone.
ITEMS = (
    NewsletterItem(
        "open-shelves",
        2,
        "en",
        {
            "en": ItemText(
                "Give the Quiet Harbor Library its books back", "The shelves are empty."
            ),
            "fa": ItemText("کتاب‌های کتابخانهٔ بندر آرام را پس بدهید", "قفسه‌ها خالی است."),
            "ru": ItemText("Верните книги библиотеке Тихой гавани", "Полки пусты."),
        },
    ),
    NewsletterItem(
        "her-rights",
        1,
        "en",
        {
            "en": ItemText("Her rights are our rights", ""),
            "ru": ItemText("Её права — наши права", ""),
        },
    ),
    NewsletterItem(
        "lantern", 1, "fa", {"fa": ItemText("نوری که با هم نگه می‌داریم", "از خانهٔ انار")}
    ),
    NewsletterItem("willow", 1, "uk", {"uk": ItemText("Верба стоїть", "Лист із суду.")}),
)


def harbor_letters() -> Newsletter:
    """Return the newsletter that ships."""
    share = share_dir()
    found = read_newsletter(share / "templates" / "newsletters" / "harbor-letters", share)
    assert found.newsletter is not None, found.faults
    return found.newsletter


def harbor_issue(items: Sequence[NewsletterItem] = ITEMS) -> Revision:
    """Return an issue of it."""
    issue = make_issue(harbor_letters(), items, 7, DAY)
    assert issue is not None
    return issue


def issue_composer(tokens: Tokens, **changes: object) -> MailingComposer:
    """Return a composer of the issue in the design that ships for newsletters."""
    templates = share_dir() / "templates"
    catalogs = load_catalogs(templates / "locale")
    design = read_design(templates, StatementKind.NEWSLETTER, catalogs)
    return composer(tokens, **{"revision": harbor_issue(), "design": design, **changes})


def newsletter_workspace(folder: Path, store: Store, clock: Clock) -> Workspace:
    """Return a workspace made of what ships, in `folder`, on a database that is open."""
    share = share_dir()
    for name in ("templates", "lists"):
        shutil.copytree(share / name, folder / name)
    shutil.copyfile(share / "config.example.toml", folder / "config.toml")
    create_seal_key(folder / "seal.key")
    create_service_key(folder / "service.key")
    workspace = Workspace.open(folder, clock)
    workspace.__dict__["store"] = store
    return workspace


def make_public(store: Store, revision: Revision, now: datetime) -> int:
    """Load a statement's revision and publish it; return its row id."""
    with store.write() as connection:
        stored = save_revision(connection, revision, now)
        publish(connection, revision.slug, stored.revision_id, now)
    return stored.revision_id
