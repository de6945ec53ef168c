"""What every part of the API stands on: a workspace, the endpoints' form, and the call itself.

In: a workspace. Out: `Ground`, handed to each part, and `Call`, by which an endpoint knows whose token
it is asked by. An endpoint without a purpose is open to whoever has any token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Request

from mailer.app.workspace import Workspace
from mailer.audience.addresses import normalize_address
from mailer.model.api_token import ApiToken, Purpose
from mailer.model.staff import Actor

#: Where the API lies below its host.
PREFIX = "/api/v1"


class Method(StrEnum):
    """How something is asked for."""

    #: Changes nothing, ever, and no address of anybody stands in it.
    GET = "GET"
    #: Changes something, or asks about an address, which must not stand in a URL.
    POST = "POST"


@dataclass(frozen=True)
class Endpoint:
    """One address of the API under one method."""

    method: Method
    #: Below `PREFIX`.
    path: str
    #: What the log calls it, and its operation in the description.
    name: str
    #: What a token must be for; None for any.
    purpose: Purpose | None
    answer: Callable[..., Any]
    status: int = 200
    #: Its answers hold people: they are kept nowhere, and a request that comes again is done again.
    personal: bool = False
    #: Octets of a body; a longer one is refused unread.
    most_octets: int = 64_000
    #: The form of the answer; None for a document of many forms.
    model: Any = None


@dataclass(frozen=True)
class Call:
    """One request, by a program whose token was looked at."""

    token: ApiToken

    @property
    def actor(self) -> Actor:
        """Return in whose name something is done."""
        return self.token.actor


def _call_of(request: Request) -> Call:
    found: Call = request.state.call
    return found


#: What an endpoint takes to know who asks.
Caller = Annotated[Call, Depends(_call_of)]


@dataclass(frozen=True)
class Ground:
    """What a part of the API is given."""

    #: As it was opened: its keys are read once.
    workspace: Workspace

    def fresh(self) -> Workspace:
        """Return the workspace with its files as they are now.

        Raises:
            FaultsFound: with everything wrong in config.toml.
        """
        return self.workspace.reread()

    def address_digest(self, address: str) -> bytes:
        """Return by what a person is known.

        Raises:
            BadAddress: when it is no address.
        """
        normal = normalize_address(address)
        return self.workspace.service_keys.address_digest(normal.normal_form)
