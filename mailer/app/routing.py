"""By which relays this workspace sends, on what terms, and what of that changes while it sends.

In: a workspace, or what its config.toml says now. Out: how each relay is reached and a `Routing`.
How a relay is reached is taken up at the next start, since a person verifies it; its limits, the
order of a sender's relays and the pacing of providers are taken up at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from mailer.app.workspace import Workspace
from mailer.config import Config, RelaySection
from mailer.delivery.login import Auth, TokenSource
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.faults import FaultsFound
from mailer.model.routing import RelayTerms, Routing, single_route

SANDBOX = "sandbox"
#: Keys of `[[relays]]` that may change while mails are sent.
LIMITS = (
    "connections",
    "messages_per_connection",
    "per_second",
    "per_day",
    "per_day_plan",
    "plan_from",
)


def relay_digest(section: RelaySection) -> str:
    """Return a digest over what decides where mail goes and what is done to it there."""
    profile = section.model_dump(
        include={
            "key", "profile", "host", "port", "tls", "username", "signs", "return_path",
        }
    )  # fmt: skip
    profile["headers"] = section.handling.headers
    return hashlib.sha256(json.dumps(profile, sort_keys=True).encode()).hexdigest()


def relay_settings(workspace: Workspace, section: RelaySection) -> RelaySettings:
    """Return how a relay is reached, be it verified or not.

    Raises:
        FaultsFound: when its password cannot be read.
    """
    password = workspace.config.relay_password(section) if section.username else ""
    return settings_of(workspace.config, section, password)


def settings_of(config: Config, section: RelaySection, password: str) -> RelaySettings:
    """Return how a relay is reached with this password."""
    command = section.token_command
    return RelaySettings(
        key=section.key,
        host=section.host,
        port=section.port,
        encryption=Encryption(section.tls),
        username=section.username,
        password=password,
        auth=Auth(section.auth),
        tokens=TokenSource(command, config.root) if command else None,
        ehlo=section.ehlo,
        connections=section.connections,
        messages_per_connection=section.messages_per_connection,
    )


def sandbox_settings(config: Config) -> RelaySettings:
    """Return how the sandbox is reached."""
    return RelaySettings(
        key=SANDBOX,
        host="127.0.0.1",
        port=config.sandbox.smtp_port,
        encryption=Encryption.NONE,
        connections=config.delivery.sandbox_connections,
    )


def relays_to_run(config: Config) -> tuple[RelaySection, ...]:
    """Return the relays that mailings may go by: those of senders, and the first.

    The first one also takes what comes from a sender that is gone from the file, to have it held.
    """
    used = {one.key for one in (*config.relays[:1], *config.relays_in_use)}
    return tuple(one for one in config.relays if one.key in used)


def routing_of(
    config: Config, sections: Iterable[RelaySection], passwords: Mapping[str, FaultsFound | str]
) -> Routing:
    """Return by which of these relays each sender's mails go, in order, and on what terms.

    Args:
        config: as it is now.
        sections: relays that are run, with the limits of now.
        passwords: key of a relay → its password, or why it cannot be read.
    """
    if not config.workspace.live:
        return single_route(SANDBOX, config.paces)
    relays = {
        one.key: RelayTerms(
            one.key,
            digest=relay_digest(one),
            has_password=isinstance(passwords[one.key], str),
            per_second=one.per_second,
            cap=one.cap,
        )
        for one in sections
    }
    default = (next(iter(relays)),)
    orders = {
        sender.key: tuple(
            one.key for one in config.relays_of(sender.key) if one.key in relays
        ) or default
        for sender in config.senders
    }  # fmt: skip
    return Routing(relays, orders, default, config.paces, config.workspace.time_zone)


def with_limits(running: RelaySection, now: RelaySection) -> RelaySection:
    """Return a relay reached as it was at the start, with the limits that config.toml says now."""
    return running.model_copy(update={name: getattr(now, name) for name in LIMITS})
