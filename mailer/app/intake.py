"""Deal with messages that came back, whichever way they come in.

In: a workspace and a message. Out: what it says is on record and acted upon, a person's letter is
passed on, and what nobody can make sense of is kept for a person.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailer.app.feedback import build_taker
from mailer.app.workspace import Workspace
from mailer.feedback.intake.handling import Handled
from mailer.feedback.intake.kept import keep_unread
from mailer.model.feedback import Taken


class Intake:
    """Deals with messages, for one workspace; only a letter wants `seal.key`."""

    def __init__(self, workspace: Workspace) -> None:
        """Open what it works with.

        Raises:
            KeyFileError: when `service.key` cannot be used.
            StoreUnavailable: when the database does not answer.
            WrongKeys: when the key belongs to another database.
        """
        self._workspace = workspace
        self._taker = build_taker(workspace)

    def handle(self, raw: bytes, recipients: Sequence[str]) -> Handled:
        """Deal with one message; a second time changes nothing.

        Args:
            raw: the message, at most `OCTETS_FETCHED` of it.
            recipients: of its envelope, as far as they are known.

        Raises:
            NotNow: when it is a letter that cannot be passed on yet.
            LogNotWritten: when `suppressions.log` cannot be written; it is to be tried again.
            StoreUnavailable: when the database does not answer; it is to be tried again.
        """
        taken = self._taker.take(raw, recipients)
        if taken is Taken.LETTER:
            # Most of the program makes mails, and hardly any message needs it.
            from mailer.app.letters import pass_on

            return pass_on(self._workspace, raw, recipients)
        return Handled.UNREAD if taken is Taken.UNREAD else Handled.DONE

    def handle_piped(self, raw: bytes, recipients: Sequence[str]) -> None:
        """Deal with a message of which nobody else keeps a copy once this returns.

        Raises:
            NotNow: as `handle`; so do `LogNotWritten` and `StoreUnavailable`.
            OSError: when it is to be kept for a person, and cannot be.
        """
        if self.handle(raw, recipients) is Handled.UNREAD:
            keep_unread(self._workspace.config.unread_dir, raw)
