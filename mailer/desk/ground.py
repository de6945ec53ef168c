"""What every area of the desk stands on.

In: a workspace. Out: `Desk`, handed to each area. Nothing of it changes while the desk runs but the
workspace, whose files are read again where they may have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, urlsplit

from mailer.app.accounts import Accounts
from mailer.app.workspace import Workspace
from mailer.clock import Clock
from mailer.desk.pages import DeskPages
from mailer.store.engine import Store

#: Where the desk lies below its host.
PREFIX = "/desk"


@dataclass(frozen=True)
class Desk:
    """What an area is given."""

    workspace: Workspace
    accounts: Accounts
    pages: DeskPages
    #: Route name → path below `PREFIX`, filled once all areas have said theirs.
    paths: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """Return the database."""
        return self.workspace.store

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        return self.workspace.clock

    @cached_property
    def base_url(self) -> str:
        """Return where staff reach the desk, without a final slash and without `PREFIX`."""
        return self.workspace.config.desk.address

    @cached_property
    def origin(self) -> str:
        """Return what a browser says as Origin (RFC 6454 §6.1) when a page of ours sends a form."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @cached_property
    def folder(self) -> str:
        """Return the path in `base_url` that a proxy adds; mostly ""."""
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by https."""
        return self.origin.startswith("https:")

    def cookie(self, name: str) -> str:
        """Return what a cookie is called."""
        # Browsers keep it from other hosts and from plain http then: that is what __Host- demands.
        return f"__Host-{name}" if self.is_secure else name

    def path_to(self, route: str, **values: object) -> str:
        """Return the address of a route on this host.

        Args:
            route: Its name.
            values: What its placeholders are.
        """
        path = self.paths[route].format_map(
            {key: _path_segment(value) for key, value in values.items()}
        )
        return f"{self.folder}{PREFIX}{path.rstrip('/')}"


def _path_segment(value: object) -> str:
    return quote(str(value), safe="")
