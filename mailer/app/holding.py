"""Hold an edition while it is being written, and let go of it.

In: a working copy, see `mailer.app.writing`, and a `Writer`. Out: whose an edition is for the next quarter
of an hour; or `HeldByAnother`, which carries what was to be saved.
"""

from __future__ import annotations

from datetime import timedelta

from mailer.app.workspace import Workspace
from mailer.app.writing_rights import MayNotWrite, Writer, require_edition, require_statement
from mailer.model.staff import StaffRole
from mailer.statements.declaration import FILE_NAME
from mailer.statements.editions import edition_name
from mailer.store import edition_locks, working
from mailer.store.edition_locks import EditionLock
from mailer.store.engine import Connection

#: How long an edition is held after its writer saved last.
HELD_FOR = timedelta(minutes=15)
#: The lock of `statement.toml`, which is no edition.
HEAD = ""


class HeldByAnother(Exception):
    """Somebody else is writing that edition; carries who, until when, and what was to be saved."""

    def __init__(self, lock: EditionLock, ours: bytes) -> None:
        self.lock = lock
        self.ours = ours
        part = lock.language or FILE_NAME
        super().__init__(f"{lock.holder.name} is writing {part}. Nothing was overwritten.")


def hold(workspace: Workspace, slug: str, language: str, writer: Writer) -> EditionLock:
    """Hold an edition, or `HEAD`, for 15 minutes; return whose it is, which may be another's.

    Raises:
        MayNotWrite: when it is not theirs to write.
        NoWorkingCopy: when the statement was not opened.
    """
    if language:
        edition_name(language)
        require_edition(writer, language)
    else:
        require_statement(writer, FILE_NAME)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        return edition_locks.hold_edition(
            connection, slug, language, writer.holder, now, now + HELD_FOR
        )


def let_go(workspace: Workspace, slug: str, language: str, writer: Writer) -> None:
    """Let go of an edition: its holder, in whatever browser, or an administrator for them.

    Raises:
        MayNotWrite: for everybody else.
    """
    with workspace.store.write() as connection:
        lock = lock_of(workspace, connection, slug, language)
        if lock is None:
            return
        user = writer.user
        theirs = user is None or user.user_id == lock.holder.user_id
        if user is not None and not theirs and StaffRole.ADMINISTRATOR not in user.roles:
            raise MayNotWrite(user.login, f"what {lock.holder.name} is writing")
        edition_locks.let_go(connection, slug, language)


def hold_or_refuse(
    workspace: Workspace,
    connection: Connection,
    slug: str,
    language: str,
    ours: bytes,
    writer: Writer,
) -> None:
    """Hold an edition while it is written, or refuse because somebody else does.

    Raises:
        HeldByAnother: with what was to be saved.
    """
    refuse_if_held(workspace, connection, slug, language, ours, writer)
    # A program writes at once and is gone: it holds nothing.
    if writer.user is not None:
        now = workspace.clock.now()
        edition_locks.hold_edition(connection, slug, language, writer.holder, now, now + HELD_FOR)


def refuse_if_held(
    workspace: Workspace,
    connection: Connection,
    slug: str,
    language: str,
    ours: bytes,
    writer: Writer,
) -> None:
    """Refuse to write what somebody else is writing; raises as `hold_or_refuse`."""
    # Locked, so that nobody begins to between this look and what is written.
    working.lock_copy(connection, slug)
    lock = lock_of(workspace, connection, slug, language)
    if lock is not None and not lock.holder.is_same(writer.holder):
        raise HeldByAnother(lock, ours)


def lock_of(
    workspace: Workspace, connection: Connection, slug: str, language: str
) -> EditionLock | None:
    """Return the lock of an edition; None when nobody is writing it."""
    locks = edition_locks.edition_locks(connection, slug, workspace.clock.now())
    return next((one for one in locks if one.language == language), None)
