"""Staff: who they are, what they may do, and in whose name something was done.

In: nothing. Out: frozen dataclasses and enums, standard library only. Staff are known by a login name
that they chose, never by a mail address.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class StaffRole(StrEnum):
    """What somebody may do at the desk; a person may have several."""

    #: Writes statements, makes mailings, asks for approval.
    AUTHOR = "author"
    #: Writes the editions in the languages given, and no other.
    TRANSLATOR = "translator"
    #: Approves what others wrote, or returns it.
    APPROVER = "approver"
    #: Schedules, pauses, releases and settles mailings; works with lists and supporters.
    SENDER = "sender"
    #: Manages staff, tokens and the audit log. Of the rest they may look at everything.
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class StaffUser:
    """Somebody who may sign in."""

    user_id: int
    #: Lower case, unique: "ana".
    login: str
    #: As colleagues read it: "Ana Munteanu".
    name: str
    roles: frozenset[StaffRole]
    #: Tags that a translator may write in; empty for everybody else.
    languages: tuple[str, ...]
    #: Tag of the desk's language for them; "" for what the browser asks for.
    desk_language: str = ""
    #: When they were shut out; None while they may sign in.
    disabled_at: datetime | None = None
    #: Since when they can sign in: they have a password and a second factor. None: invited.
    confirmed_at: datetime | None = None

    @property
    def may_sign_in(self) -> bool:
        """Return whether this account is good for anything now."""
        return self.confirmed_at is not None and self.disabled_at is None

    @property
    def actor(self) -> Actor:
        """Return in whose name they do things at the desk."""
        return Actor(ActorKind.STAFF, self.login)


@dataclass(frozen=True)
class StaffSession:
    """One browser in which somebody is signed in."""

    session_id: int
    user: StaffUser
    #: What every form of this session carries, so that no other site can send one; "" in lists of
    #: sessions, since only the browser has what it is made from.
    form_token: str
    started_at: datetime
    seen_at: datetime
    #: Coarse: "Firefox, Linux"; never the whole user agent, never where from.
    browser: str = ""


class ActorKind(StrEnum):
    """How somebody came to do something."""

    #: At the desk, signed in.
    STAFF = "staff"
    #: By the command line; known by their login on that machine.
    TERMINAL = "terminal"
    #: Another program, by a token of the API.
    API = "api"
    #: Somebody without an account, by a signed link.
    REVIEWER = "reviewer"
    #: The program by itself.
    PROGRAM = "program"


@dataclass(frozen=True)
class Actor:
    """In whose name something was done."""

    kind: ActorKind
    #: Login name of staff or of the machine's user, or what a token or a link is called.
    name: str

    def __str__(self) -> str:
        """Return how the audit log and `settlement` name them: "staff:ana", "terminal:root"."""
        return f"{self.kind.value}:{self.name}"


#: What no person did.
BY_ITSELF = Actor(ActorKind.PROGRAM, "mailer")
