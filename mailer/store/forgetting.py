"""Delete the mails to one person, each of which holds the sealed address it went to.

In: what they were for, digests of addresses. Out: rows of `service_mail` deleted, in the caller's
transaction. One that is being sent stays: its outcome is still to be written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete

from mailer.model.service import TO_SUPPORTERS, ServicePurpose
from mailer.model.states import DeliveryState
from mailer.store.tables import service_mail

_OVER = (
    DeliveryState.ACCEPTED,
    DeliveryState.REFUSED,
    DeliveryState.SKIPPED,
    DeliveryState.CANCELLED,
)


def forget_mails_for(
    connection: Connection, purpose: ServicePurpose, requests: Mapping[str, bytes]
) -> None:
    """Delete the mails that were sent for something.

    Args:
        connection: A connection in a transaction that writes.
        purpose: What they were for.
        requests: What each was sent for → digest of the address it was sent to.
    """
    connection.execute(
        delete(service_mail).where(
            service_mail.c.purpose == purpose,
            # By both, which is an index.
            service_mail.c.address_digest.in_(set(requests.values())),
            service_mail.c.request.in_(list(requests)),
            service_mail.c.state != DeliveryState.SENDING,
        )
    )


def forget_mails_to(connection: Connection, address_digest: bytes) -> None:
    """Delete all mails of these kinds to one address."""
    connection.execute(
        delete(service_mail).where(
            service_mail.c.purpose.in_(TO_SUPPORTERS),
            service_mail.c.address_digest == address_digest,
            service_mail.c.state != DeliveryState.SENDING,
        )
    )


def forget_notices(connection: Connection, requests: Collection[str]) -> None:
    """Delete mails to addresses that people had before, those that are over.

    One that waits goes out all the same: who stole a link must not keep its owner from hearing of it.
    """
    connection.execute(
        delete(service_mail).where(
            service_mail.c.purpose == ServicePurpose.ADDRESS_NOTICE,
            service_mail.c.request.in_(requests),
            service_mail.c.state.in_(_OVER),
        )
    )
