"""Build what takes in what comes back: messages, and what webhooks tell.

In: a workspace. Out: a `Taker`, and the hooks of config.toml; neither wants `seal.key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailer.app.workspace import Workspace
from mailer.events import warn
from mailer.feedback.taking import Taker
from mailer.model.faults import FaultsFound
from mailer.store.feedback import hook_source, is_event_known

if TYPE_CHECKING:
    from mailer.feedback.hooks.receiving import Hook


def build_taker(workspace: Workspace) -> Taker:
    """Return what takes in messages and events of webhooks.

    Raises:
        KeyFileError: when `service.key` is missing or damaged.
        StoreUnavailable: when the database is not there.
    """
    return Taker(
        workspace.store,
        workspace.service_keys,
        workspace.suppression_log,
        workspace.clock,
        workspace.config.feedback.soft_limits,
    )


def workspace_hooks(workspace: Workspace) -> Mapping[str, Hook]:
    """Return the webhooks of config.toml by their keys.

    Raises:
        FaultsFound: with every hook whose secret or package is not there.
    """
    # A pipe starts this for each message, and has no use for certificates.
    from mailer.feedback.hooks.fetching import SnsFetcher
    from mailer.feedback.hooks.plugs import make_hooks

    def is_known(key: str, event_id: str) -> bool:
        with workspace.store.read() as connection:
            return is_event_known(connection, hook_source(key), event_id)

    return make_hooks(workspace.config, SnsFetcher(), is_known)


def served_hooks(workspace: Workspace) -> Mapping[str, Hook | None]:
    """Return the webhooks as the pages serve them: with None for each where one has a fault.

    The way to unsubscribe is never down because of the secret of a webhook.
    """
    try:
        return workspace_hooks(workspace)
    except FaultsFound as error:
        for fault in error.faults:
            warn("webhooks wait until this is mended", key=fault.field, problem=fault.problem)
        return dict.fromkeys(workspace.config.feedback.hooks)
