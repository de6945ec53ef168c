"""Say where the bounces of a mail go: MAIL FROM of its transaction.

In: a sender, what the relay wants, and what makes the mail's own token. Out: an address, the same
at every attempt, since servers that grey-list know a delivery by it. Standards: RFC 5321 §4.5.5.
"""

from __future__ import annotations

from collections.abc import Callable

from mailer.compose.headers import check_address
from mailer.model.mailing import Sender
from mailer.model.relays import ReturnPath


def return_path(sender: Sender, kind: ReturnPath, token: Callable[[], str]) -> str:
    """Return the return path of one mail.

    Args:
        sender: Who it comes from.
        kind: What the relay takes.
        token: Gives the mail's own token, for an address of its own (VERP).

    Raises:
        UnfitForHeader: when the address cannot stand in a command.
    """
    match kind:
        case ReturnPath.VERP:
            address = f"{sender.return_path_local}+{token()}@{sender.return_path_domain}"
        case ReturnPath.FIXED:
            address = fixed_return_path(sender)
        case ReturnPath.RELAY:
            address = sender.address
    check_address("MAIL FROM", address, utf8=False)
    return address


def fixed_return_path(sender: Sender) -> str:
    """Return the one mailbox to which all bounces of a sender go."""
    own = f"{sender.return_path_local}@{sender.return_path_domain}"
    return sender.return_path_address or own
