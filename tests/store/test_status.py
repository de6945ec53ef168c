"""`mailer status` looks at everything, on either database, and opens no sealed value."""

from datetime import timedelta

import pytest

from mailer.alerts import backup_failed, backup_made, raise_alert
from mailer.app.status import look_at
from mailer.app.workspace import Workspace
from mailer.model.alerts import AlertKind
from mailer.model.states import DeliveryState, MailingState
from mailer.schedule.ticker import LEASE
from mailer.store import tables
from mailer.store.leases import take_lease
from mailer.store.relays import relay_failed, relay_met
from mailer.store.settings import LOST_SINCE, write_setting
from mailer.store.stopping import hold_running
from tests.store.test_service_mails import write
from tests.support.clocks import NOW, FixedClock
from tests.support.workspaces import LIVE_CONFIG, lay_workspace


@pytest.fixture
def workspace(tmp_path, store):
    """A live workspace on a real database, with both keys; nothing of it runs."""
    lay_workspace(tmp_path, LIVE_CONFIG)
    opened = Workspace.open(tmp_path, FixedClock(NOW))
    opened.__dict__["store"] = store
    return opened


def test_a_live_workspace_that_nobody_looks_after_says_what_is_missing(workspace):
    """What is most urgent stands first."""
    assert (
        "Not running: the scheduler, the senders, the pages. Start: mailer run",
        "The relay main is not verified: no mailing goes by it.",
        "No backup was ever made. Make one: mailer backup",
    ) == look_at(workspace).needs


def test_everything_that_went_wrong_is_named_once(workspace, ground, store, seal_keys):
    """Held, in doubt, a relay that fails, an alert that could not be told, an old backup."""
    mailing = ground.add_mailing([ground.add_list()])
    person = ground.add_supporter("anna@example.org", "harbor-news")
    ground.add_delivery(mailing, person, DeliveryState.IN_DOUBT)
    write(store, seal_keys)
    with store.write() as connection:
        hold_running(connection, mailing.row_id, "A mail cannot be made.")
        relay_met(connection, "main", NOW - timedelta(hours=2))
        relay_failed(connection, "main", "login: 535 5.7.8 no", NOW - timedelta(hours=1))
        backup_failed(connection, "usb", "it is full", NOW)
        connection.execute(
            tables.service_mail.update().values(state=DeliveryState.REFUSED, finished_at=NOW)
        )
        take_lease(connection, LEASE, "me", NOW, NOW + timedelta(seconds=15))
    seen = look_at(workspace)
    key = mailing.key
    assert (
        "Not running: the senders, the pages. Start: mailer run",
        f"{key} is held. Let it go: mailer release {key}",
        f"{key} has 1 in doubt. See: mailer report {key}. Settle: mailer resolve {key}",
        "The relay main is not verified: no mailing goes by it.",
        "The relay main could not be reached: login: 535 5.7.8 no",
        "1 alert mail was refused: mend addresses in [alerts].",
        "The last backup failed; see the alerts.",
    ) == seen.needs
    (one,) = seen.mailings
    assert (key, MailingState.HELD) == (one.key, one.state)
    assert seen.database_mb > 0
    assert {"seal.key": "", "service.key": ""} == seen.keys


def test_an_old_backup_and_alerts_nobody_was_told_of_are_seen(workspace, store):
    """The time of the last backup is what whoever makes backups wrote down."""
    with store.write() as connection:
        at = (NOW - timedelta(days=8)).isoformat()
        connection.execute(tables.setting.insert().values(name="backup.last_at", value=at))
        raise_alert(connection, AlertKind.MAILING_PAUSED, "s-1", NOW)
        connection.execute(tables.alert.update().values(command_failure="it ended with status 3"))
    seen = look_at(workspace)
    assert NOW - timedelta(days=8) == seen.last_backup_at
    assert "The last backup is older than a week. Make one: mailer backup" in seen.needs
    assert "The command that tells staff failed; see the alerts." in seen.needs
    (one,) = seen.alerts
    assert ("s-1 is paused", False, None) == (one.headline, one.mailed, one.commanded)


def test_what_a_restore_or_a_broken_log_put_at_risk_is_said(workspace, store, seal_keys):
    """Unsubscriptions that may be lost, and those that cannot be put on record."""
    with store.write() as connection:
        write_setting(connection, LOST_SINCE, NOW.isoformat())
        raise_alert(connection, AlertKind.MAILING_PAUSED, "s-1", NOW)
        connection.execute(tables.alert.update().values(mailed_at=NOW))
        (alert,) = connection.execute(tables.alert.select()).all()
        raise_alert(connection, AlertKind.LOG_NOT_WRITTEN, "suppressions.log", NOW, reason="full")
        backup_failed(connection, "harbor-1.backup", "full", NOW)
        backup_made(connection, NOW)
    write(store, seal_keys, request=f"alert-{alert.id}")
    seen = look_at(workspace)
    # Its mail was written and no relay has taken it.
    assert [False] == [one.mailed for one in seen.alerts if one.kind is AlertKind.MAILING_PAUSED]
    assert NOW == seen.lost_since
    first, *_ = seen.needs
    assert first.startswith("Unsubscriptions since 2026-12-01 07:00 UTC may be lost")
    assert any("suppressions.log cannot be written" in need for need in seen.needs)
    assert not any("The last backup failed" in need for need in seen.needs)
