"""Two sender processes and one relay: together they keep to its limits and those of a domain."""

import pytest

from tests.acceptance.processes import running, until
from tests.acceptance.test_run import schedule_soon
from tests.acceptance.test_senders import events, report
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]


def most_within(mails, seconds):
    """Return the most mails that came within so many seconds."""
    return max(sum(one.at <= other.at < one.at + seconds for other in mails) for one in mails)


def recorded(started):
    """Return how many outcomes each engine that had any has recorded."""
    return [line["recorded"] for line in events(started, "sender ended") if line["recorded"]]


def test_two_senders_keep_to_a_relays_rate_cap_and_connections(mailer, crowd, live_relay, change):
    """As one would: ten a second in any second, the day's forty and no more, three connections."""
    folder = crowd(50)
    server = live_relay(Misbehaviour.SLOW_REPLY, slow_s=0.1)
    change(folder / "config.toml", "\nconnections = 4\n", "\nconnections = 3\n")
    change(folder / "config.toml", "per_second = 0.0", "per_second = 10.0")
    change(folder / "config.toml", "per_day = 0", "per_day = 40")
    schedule_soon(mailer, folder, 50)
    with running(folder, "--senders", "2") as started:
        until(lambda: report(mailer, folder)["by_outcome"].get("accepted") == 40, "the cap")
        told = mailer(folder, "relay", "limits").out
        assert 0 == started.stop()
    assert 40 == len(server.mails)
    assert 10 == report(mailer, folder)["open"]
    assert "40 of 40 mails" in told
    # Both had a part in it; what a busy machine held up, one mail of each connection, comes at once.
    assert 2 == len(recorded(started))
    assert most_within(server.mails, 1.0) <= 16
    assert server.mails[-1].at - server.mails[0].at > 3
    assert server.most_open <= 3


def test_two_senders_keep_to_a_domains_pace_and_pause_it_together(
    mailer, crowd, live_relay, change
):
    """Two mails at once and eight a second to one domain; what one hears, both obey."""
    folder = crowd(60)
    server = live_relay(Misbehaviour.SLOW_REPLY, slow_s=0.2)
    with (folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[[pacing]]\ndomains = "each"\nconnections = 2\nper_second = 8.0\n')
    schedule_soon(mailer, folder, 60)
    with running(folder, "--senders", "2") as started:
        server.wait_for(24, 60)
        sent = list(server.mails)
        server.behaviour = Misbehaviour.THROTTLE_RCPT
        until(lambda: events(started, "slowed down"), "the pause")
        # Looking takes longer than a claim that goes on would wait.
        assert "one domain paused until" in mailer(folder, "relay", "limits").out
        assert 0 == started.stop()
    assert 2 == len(recorded(started))
    assert most_within(sent, 1.0) <= 13
    # A mail is there for 0.2 s before it is answered.
    assert all(first.at + 0.19 < third.at for first, third in zip(sent, sent[2:], strict=False))
    tried = [one for one in server.commands if one.startswith("RCPT")]
    # A tenth of a second passes until the pause is on record, and each finds out in its turn.
    assert 1 <= len(tried) - len(server.mails) <= 8


def test_one_that_joins_takes_over_connections_and_opens_none_beyond(
    mailer, crowd, live_relay, change
):
    """The one that sends gives up a part of its own first."""
    # More than are sent until the second has come up on a busy machine.
    folder = crowd(240)
    server = live_relay(Misbehaviour.SLOW_REPLY, slow_s=0.1)
    change(folder / "config.toml", "\nconnections = 4\n", "\nconnections = 3\n")
    schedule_soon(mailer, folder, 240)
    with running(folder, "--only", "scheduler"), running(folder, "--only", "senders") as first:
        server.wait_for(6, 60)
        with running(folder, "--only", "senders") as second:
            server.wait_for(240, 60)
            assert (0, 0) == (second.stop(), first.stop())
    # One log for both: each had a part.
    assert 2 == len(recorded(first))
    assert 3 == server.most_open
