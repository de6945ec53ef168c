"""Say who may write what of a statement.

In: somebody of staff, or no person at all. Out: whether they may, or `MayNotWrite`. It is asked wherever
something is changed, not by pages alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailer.model.staff import Actor, StaffRole, StaffUser
from mailer.store.edition_locks import Holder


class MayNotWrite(Exception):
    """Somebody of staff tried to change what is not theirs to change."""

    def __init__(self, login: str, part: str) -> None:
        self.login = login
        #: Tag of an edition, or what of the statement: "statement.toml", "revision".
        self.part = part
        super().__init__(f"{login} may not write {part}. Ask an administrator for the role.")


@dataclass(frozen=True)
class Writer:
    """In whose name a statement is changed, and with whose rights."""

    actor: Actor
    #: None for what no person does, whose right was judged elsewhere: the command line, or a token.
    user: StaffUser | None
    #: The browser they are signed in with; 0 without one.
    session_id: int = 0

    @property
    def holder(self) -> Holder:
        """Return how a lock names them."""
        if self.user is None:
            return Holder(0, 0, self.actor.name)
        return Holder(self.user.user_id, self.session_id, self.user.name or self.user.login)


def may_write_edition(user: StaffUser, language: str) -> bool:
    """Tell whether somebody may write the edition in a language: authors all, translators theirs."""
    if user.disabled_at is not None:
        return False
    translates = StaffRole.TRANSLATOR in user.roles and language in user.languages
    return StaffRole.AUTHOR in user.roles or translates


def may_write_statement(user: StaffUser) -> bool:
    """Tell whether somebody may write what belongs to all editions, and save revisions."""
    return user.disabled_at is None and StaffRole.AUTHOR in user.roles


def may_open(user: StaffUser) -> bool:
    """Tell whether somebody may begin to write a statement that there is already."""
    translates = StaffRole.TRANSLATOR in user.roles and bool(user.languages)
    return may_write_statement(user) or (user.disabled_at is None and translates)


def require_edition(writer: Writer, language: str) -> None:
    """Refuse whoever may not write the edition in a language.

    Raises:
        MayNotWrite: always for those who may not.
    """
    if writer.user is not None and not may_write_edition(writer.user, language):
        raise MayNotWrite(writer.user.login, language)


def require_statement(writer: Writer, part: str) -> None:
    """Refuse whoever may not write what belongs to all editions; raises as `require_edition`."""
    if writer.user is not None and not may_write_statement(writer.user):
        raise MayNotWrite(writer.user.login, part)
