"""What a confirmed sign-up lifts of an address's suppressions, on either database."""

import pytest

from mailer.model.audience import SuppressionReason
from mailer.store.audience import SCOPE_ALL, organisation_scope
from mailer.store.suppressions import Suppressed, lift_bounces, standing, suppress
from tests.support.clocks import NOW

R = SuppressionReason
DIGEST, OTHER = b"a" * 16, b"b" * 16
OWN, FOREIGN = organisation_scope(1), organisation_scope(2)


@pytest.mark.parametrize(
    ("reason", "scope", "is_lifted"),
    [
        (R.BOUNCED, SCOPE_ALL, True),
        (R.SOFT_BOUNCES, SCOPE_ALL, True),
        (R.BOUNCED, FOREIGN, True),
        (R.UNSUBSCRIBED, OWN, True),
        (R.UNSUBSCRIBED, FOREIGN, False),
        (R.IMPORTED, OWN, True),
        (R.IMPORTED, FOREIGN, False),
        (R.COMPLAINED, SCOPE_ALL, False),
        (R.COMPLAINED, OWN, False),
        (R.MANUAL, OWN, False),
        (R.ERASED, SCOPE_ALL, False),
    ],
)
def test_a_confirmed_sign_up_lifts_what_it_proves_to_be_over(store, reason, scope, is_lifted):
    """Bounces everywhere, and having left where they come back to; nobody else's is touched."""
    with store.write() as connection:
        suppress(
            connection,
            [Suppressed(one, scope, reason, "bounce", NOW) for one in (DIGEST, OTHER)],
        )
        lifted = lift_bounces(connection, DIGEST, 1)
    with store.read() as connection:
        left, others = standing(connection, DIGEST), standing(connection, OTHER)
    assert [one.reason for one in lifted] == ([reason] if is_lifted else [])
    assert [one.reason for one in left] == ([] if is_lifted else [reason])
    assert len(others) == 1
