"""Too many tries to sign in: who waits, how long, and what it costs the machine."""

import threading

import pytest

from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction
from mailer.model.sign_in import Refusal, SignedIn, SignInRefused
from mailer.model.staff import StaffRole
from mailer.store.audit import entries_in_order
from tests.support.clocks import FixedClock
from tests.support.staff import PASSWORD, TERMINAL, cheap_accounts, new_person
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace

NETWORK = "203.0.113.0/24"


@pytest.fixture
def workspace(tmp_path, store):
    """A workspace whose clock a test moves."""
    lay_workspace(tmp_path, HARBOR_CONFIG)
    opened = Workspace.open(tmp_path, FixedClock())
    opened.__dict__["store"] = store
    return opened


@pytest.fixture
def clock(workspace):
    """The workspace's clock."""
    return workspace.clock


@pytest.fixture
def accounts(workspace):
    """Its accounts."""
    return cheap_accounts(workspace)


@pytest.fixture
def ana(accounts, clock):
    """Somebody who can sign in."""
    return new_person(accounts, clock, "ana", StaffRole.ADMINISTRATOR)


def waits(accounts, clock, login, count, network=""):
    """Try so often, each time as soon as it may be; return how long each one made them wait."""
    told = []
    for _ in range(count):
        answer = accounts.sign_in(login, "wrong", "000000", network)
        assert Refusal.WRONG is answer.reason
        told.append(answer.retry_after_s)
        clock.forward(seconds=answer.retry_after_s)
    return told


@pytest.mark.parametrize("login", ["ana", "nobody", "ANA@example.org"])
def test_waits_grow_and_are_the_same_whoever_it_is(accounts, ana, clock, login):
    """Four are free; then 15 s, twice as long each time, a quarter of an hour at most."""
    wanted = [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900]
    assert wanted == waits(accounts, clock, login, 12)


def test_while_somebody_waits_nothing_is_tried(accounts, ana, clock):
    """Not even the right password, which is told how long it takes; then it signs in."""
    waits(accounts, clock, "ana", 4)
    assert 15 == accounts.sign_in("ana", "wrong", "000000").retry_after_s
    clock.forward(seconds=10)
    for _ in range(3):
        assert SignInRefused(Refusal.TOO_OFTEN, 5) == accounts.sign_in("ana", PASSWORD, ana.code(1))
    clock.forward(seconds=5)
    assert isinstance(accounts.sign_in("ana", PASSWORD, ana.code(1)), SignedIn)
    assert [0, 0, 0, 0, 15] == waits(accounts, clock, "ana", 5)


def test_tries_are_counted_also_when_they_come_together(accounts, ana, clock):
    """And by another process: the count is in the database."""
    waits(accounts, clock, "ana", 3)
    another = cheap_accounts(accounts._workspace)
    assert [0, 15] == waits(another, clock, "ana", 2)


def test_tries_of_half_a_day_ago_count_no_more(accounts, ana, clock, workspace):
    """Their rows go, too: those of logins that nobody has among them."""
    waits(accounts, clock, "ana", 4)
    for number in range(20):
        accounts.sign_in(f"nobody-{number}", "wrong", "000000")
    clock.forward(hours=12, seconds=1)
    assert [0, 0, 0, 0, 15] == waits(accounts, clock, "ana", 5)
    with workspace.store.read() as connection:
        assert 1 == connection.exec_driver_sql("SELECT count(*) FROM sign_in_try").scalar_one()


def test_a_network_waits_that_tries_one_login_after_another(accounts, ana, clock):
    """From the twentieth on; other networks do not, and who signs in there uses none up."""
    for number in range(19):
        assert [0] == waits(accounts, clock, f"nobody-{number}", 1, NETWORK)
    assert isinstance(ana.sign_in(NETWORK), SignedIn)
    assert [15] == waits(accounts, clock, "nobody-19", 1, NETWORK)
    assert [30] == waits(accounts, clock, "nobody-20", 1, NETWORK)
    accounts.sign_in("nobody-21", "wrong", "000000", NETWORK)
    assert Refusal.TOO_OFTEN is ana.sign_in(NETWORK).reason
    assert isinstance(ana.sign_in("198.51.100.0/24"), SignedIn)


def test_an_administrator_lets_somebody_try_again(accounts, ana, clock):
    """By enabling an account that is enabled, or by a new link."""
    for help_them in (accounts.enable, accounts.reset):
        waits(accounts, clock, "ana", 4)
        accounts.sign_in("ana", "wrong", "000000")
        help_them(TERMINAL, "ana")
        assert Refusal.WRONG is accounts.sign_in("ana", "wrong", "000000").reason
        clock.forward(hours=13)


def test_the_log_tells_when_waits_begin_and_not_what_was_typed(accounts, ana, clock, workspace):
    """Once for each row of tries: what is no login may be a password typed in its place."""
    waits(accounts, clock, "ana", 8)
    waits(accounts, clock, "my-secret-pass", 8)
    with workspace.store.read() as connection:
        found = list(entries_in_order(connection))
    throttled = [one for one in found if one.action is AuditAction.SIGN_IN_THROTTLED]
    assert ["ana", "unknown login"] == [one.subject for one in throttled]


def test_a_flood_is_sent_away_before_a_hash_is_computed(accounts, ana, clock):
    """One password is looked at and one waits; the next is told to come back, and not counted."""
    with accounts._hashing.slot(), accounts._hashing.slot():
        for _ in range(30):
            assert SignInRefused(Refusal.BUSY, 1) == accounts.sign_in("ana", "x", "y", NETWORK)
    assert isinstance(ana.sign_in(NETWORK), SignedIn)


def test_many_at_once_leave_every_place_free_again(accounts, ana):
    """Whatever came of each."""
    threads = [
        threading.Thread(target=accounts.sign_in, args=(f"nobody-{number}", "x", "y"))
        for number in range(12)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert isinstance(ana.sign_in(), SignedIn)
