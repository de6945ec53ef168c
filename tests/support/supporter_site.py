"""All pages that supporters have, over a workspace with both keys, and people with their links."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

from sqlalchemy import select

from mailer.app.own_data import OwnDataDesk
from mailer.app.sign_up import SignUpDesk
from mailer.feedback.own_data import fresh_token
from mailer.store import tables
from mailer.store.audience import sync_lists
from mailer.store.engine import Store, create_tables, open_store
from mailer.store.preferences import standing_of
from mailer.tokens import Purpose
from mailer.web.public.joining import Joining
from mailer.web.public.own_data import OwnData
from tests.support.clocks import FixedClock
from tests.support.factories import Ground
from tests.support.mail import text_of
from tests.support.public_web import AtOnce, public_site
from tests.support.sign_ups import Mails, form, sign_up_workspace

_NUMBERS = count(1)


@contextlib.contextmanager
def supporter_site(folder: Path) -> Iterator[SimpleNamespace]:
    """Serve the pages of a workspace whose form to sign up is on; two lists have people."""
    with contextlib.closing(open_store(f"sqlite:///{folder / 'test.db'}")) as store:
        create_tables(store)
        workspace = sign_up_workspace(folder, store, FixedClock())
        ground = Ground(store, workspace.seal_keys, workspace.service_keys)
        with store.write() as connection:
            for key in ("harbor-news", "harbor-volunteers"):
                one = workspace.lists[0][key]
                ground.lists[key] = (sync_lists(connection, [one], ground.now)[key], one)
        own_data, sign_up = OwnDataDesk(workspace), SignUpDesk(workspace)
        with public_site(
            store,
            workspace.tokens,
            workspace.clock,
            log=workspace.suppression_log.path,
            areas=[
                lambda stands_on: OwnData(stands_on, own_data, AtOnce()).routes(),
                lambda stands_on: Joining(stands_on, sign_up).routes(),
            ],
        ) as site:
            yield SimpleNamespace(workspace=workspace, ground=ground, site=site, store=store)


class Person:
    """On two lists, with the links of a mail."""

    def __init__(self, world) -> None:
        self.world = world
        self.address = f"reader{next(_NUMBERS)}@example.org"
        self.id = world.ground.add_supporter(
            self.address, "harbor-news", "harbor-volunteers", languages=("ru",)
        )
        tokens = world.workspace.tokens
        # Of a delivery that was cleared away: then the link is about every list.
        self.leave = f"/u/{tokens.person(Purpose.UNSUBSCRIBE, 1 << 40, self.id)}"
        self.preferences = f"/p/{tokens.person(Purpose.PREFERENCES, 1 << 40, self.id)}"

    @property
    def data(self) -> str:
        """Return the path of a fresh link."""
        now = self.world.workspace.clock.now()
        return f"/data/{fresh_token(self.world.workspace.tokens, self.id, now)}"

    def standing(self):
        """Return what stands for the person."""
        with self.world.store.read() as connection:
            return standing_of(connection, self.id)

    def is_on_record(self) -> bool:
        """Tell whether there is a row."""
        with self.world.store.read() as connection:
            row = select(tables.supporter.c.id).where(tables.supporter.c.id == self.id)
            return connection.execute(row).first() is not None


def mailed_links(workspace) -> list[str]:
    """Take the mails that are due, and return the path of each address in them."""
    return [
        path
        for mail in Mails(workspace).take()
        for path in re.findall(r"https?://[^/\s]+(/\S+)", text_of(mail.content))
    ]


def every_mailed_link(world, person: Person) -> list[str]:
    """Have a mail of each kind written; return every path that our mails hold for a person."""
    with world.site.visitor() as visitor:
        visitor.post("/join", data=form(f"new.{person.address}"))
        visitor.post("/data", data={"address": person.address})
        visitor.post(f"{person.data}/address", data={"address": f"other.{person.address}"})
    found = [person.leave, person.preferences, *mailed_links(world.workspace)]
    assert {"/u/", "/p/", "/join/", "/data/", "/address/"} <= {
        one[: one.index("/", 1) + 1] for one in found if one.count("/") > 1
    }
    return found


def every_row(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table."""
    with store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in tables.metadata.sorted_tables
        }
