"""Several relays in one process: each takes its own senders' mailings, and stops no other."""

import asyncio
import time
from datetime import timedelta

from mailer.clock import SYSTEM_CLOCK
from mailer.delivery.claims import Material
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.fleet import Fleet
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings, Timeouts
from mailer.model.faults import Fault, FaultsFound
from mailer.model.routing import RelayTerms, Routing
from mailer.model.states import DeliveryState, MailingState
from mailer.store.claims import ClaimTerms, claim
from mailer.store.mailings import load_mailing
from mailer.store.reports import report
from mailer.store.shares import open_lanes
from mailer.store.suppression_log import SuppressionLog
from tests.support.clocks import NOW
from tests.support.factories import LONG_AGO, make_revision, make_sender
from tests.support.ground import PlainComposer

ROUTING = Routing({key: RelayTerms(key) for key in ("one", "two")}, {"lantern": ("two",)}, ("one",))


def _two_mailings(ground):
    """Return a mailing of each sender, with three people; the lists are known by their keys."""
    mailings = {}
    for owner in ("harbor", "lantern"):
        key = ground.add_list(f"{owner}-news", owner)
        mailing = ground.add_mailing(
            [key], revision=make_revision(slug=f"by-{owner}"), sender=make_sender(owner)
        )
        for number in range(3):
            person = ground.add_supporter(f"{owner}{number}@example.org", key)
            ground.add_delivery(mailing, person, next_attempt_at=LONG_AGO)
        mailings[owner] = mailing
    return mailings


def test_claims_are_made_for_the_senders_of_one_relay(ground):
    """The others' engine takes also what comes from a sender nobody knows any more."""
    mailings = _two_mailings(ground)
    with ground.store.write() as connection:
        ours = claim(connection, "two", 10, NOW, ClaimTerms("two", ROUTING))
        lanes = open_lanes(connection, NOW, ROUTING.may_go_by("two"))
        assert [mailings["lantern"].row_id] == [one.mailing_id for one in lanes]
        rest = claim(connection, "one", 10, NOW, ClaimTerms("one", ROUTING))
    assert {mailings["lantern"].row_id} == {one.mailing_id for one in ours}
    assert {mailings["harbor"].row_id} == {one.mailing_id for one in rest}
    assert (3, 3) == (len(ours), len(rest))


def _engine(ground, tokens, folder, relay, port, material_for):
    return DeliveryEngine(
        EngineParts(
            store=ground.store, seal_keys=ground.seal_keys, tokens=tokens,
            relay=RelaySettings(relay, "127.0.0.1", port, Encryption.NONE,
                                timeouts=Timeouts(5, 5, 5, 5, 5)),
            journal_dir=folder, log=SuppressionLog(folder / "suppressions.log"),
            policy=RetryPolicy(0.2, 0.2, timedelta(hours=1)), clock=SYSTEM_CLOCK,
            material_for=material_for, shutdown_grace_s=2.0, routing=ROUTING,
        )
    )  # fmt: skip


async def test_a_relay_that_may_not_be_used_holds_its_own_mailings_only(
    ground, tokens, tmp_path, smtp_server
):
    """The other relay's people are mailed by that relay; here a person reads why not."""
    mailings = _two_mailings(ground)
    keys = {row: key for key, (row, _) in ground.lists.items()}
    one, two = smtp_server(), smtp_server()

    def unverified(_row_id):
        raise FaultsFound([Fault("config.toml", 0, "", 'the relay "two" has not been verified')])

    fleet = Fleet(
        [
            _engine(ground, tokens, tmp_path, "one", one.port,
                    lambda _: Material(PlainComposer(), keys)),
            _engine(ground, tokens, tmp_path, "two", two.port, unverified),
        ]
    )  # fmt: skip
    stop = asyncio.Event()
    running = asyncio.create_task(fleet.run(stop))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        with ground.store.read() as connection:
            held = load_mailing(connection, mailings["lantern"].row_id)
            sent = report(connection, mailings["harbor"].row_id)
        if held.state is MailingState.HELD and sent.by_state == {DeliveryState.ACCEPTED: 3}:
            break
    stop.set()
    await running
    assert (MailingState.HELD, {DeliveryState.ACCEPTED: 3}) == (held.state, sent.by_state)
    assert 'the relay "two" has not been verified' in held.held_reason
    assert {"one": {"accepted": 3}} == sent.by_relay
    assert 3 == len(one.mails)
    assert [] == two.mails
