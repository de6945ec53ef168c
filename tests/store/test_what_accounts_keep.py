"""What the database has of accounts is good for nothing to whoever takes it; timing tells nothing."""

import random
import re
import time

import pytest

from mailer.app.passwords import Cost, PasswordHashing
from mailer.app.workspace import Workspace
from mailer.keys import WrongSealKey
from mailer.model.sign_in import SignedIn, SignInRefused
from mailer.model.staff import StaffRole
from tests.support.clocks import FixedClock
from tests.support.ranks import rank_sum_p
from tests.support.staff import PASSWORD, TERMINAL, cheap_accounts, new_person
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace


@pytest.fixture
def workspace(tmp_path, sqlite_store):
    """A workspace on a database that is one file."""
    lay_workspace(tmp_path, HARBOR_CONFIG)
    opened = Workspace.open(tmp_path, FixedClock())
    opened.__dict__["store"] = sqlite_store
    return opened


@pytest.fixture
def accounts(workspace):
    """Its accounts."""
    return cheap_accounts(workspace)


@pytest.fixture
def ana(accounts, workspace):
    """Somebody who can sign in."""
    return new_person(accounts, workspace.clock, "ana", StaffRole.ADMINISTRATOR)


def test_the_database_holds_no_token_password_secret_or_code(accounts, ana, workspace, tmp_path):
    """Neither as such nor in other letters; networks are in no form there that tells one."""
    invited = accounts.invite(TERMINAL, "bob", "Bob", {StaffRole.AUTHOR})
    half_done = accounts.begin(invited.token, "a-password-half-chosen")
    signed_in = ana.sign_in("203.0.113.0/24")
    setup = accounts.new_totp(signed_in.session, PASSWORD, ana.next_code())
    code = ana.next_code()
    accounts.sign_in("ana", "a-wrong-password-typed", code, "203.0.113.0/24")
    accounts.sign_in("a-password-as-login", "x", "y")
    told = [
        PASSWORD, "a-password-half-chosen", "a-wrong-password-typed", "a-password-as-login", code,
        ana.secret, half_done.secret, setup.secret, invited.token, signed_in.token,
        ana.signed_in.token, signed_in.session.form_token, *ana.recovery_codes,
        *(one.replace("-", "") for one in ana.recovery_codes), "203.0.113",
    ]  # fmt: skip
    workspace.store.close()
    octets = b"".join(one.read_bytes() for one in tmp_path.glob("test.db*"))
    assert b"ana" in octets
    assert [] == [one for one in told if one.lower().encode() in octets.lower()]


def test_a_secret_opens_in_its_own_row_only(accounts, ana, workspace):
    """Who can write into the database cannot give somebody's account the app of another's."""
    bob = new_person(accounts, workspace.clock, "bob", StaffRole.AUTHOR)
    with workspace.store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE staff_user SET (totp_box, password_hash) = "
            "(SELECT totp_box, password_hash FROM staff_user WHERE login = 'bob') "
            "WHERE login = 'ana'"
        )
    ana.secret = bob.secret
    assert isinstance(ana.sign_in(), SignInRefused)
    assert isinstance(bob.sign_in(), SignedIn)
    with pytest.raises(WrongSealKey):
        accounts._keys.open_secret(b"\x01" + b"a" * 40, "staff_user", 1)


def test_passwords_are_hashed_as_the_standard_recommends():
    """RFC 9106 §4, the second option; with a salt of its own for each."""
    hashing = PasswordHashing()
    with hashing.slot():
        first, second = hashing.make(PASSWORD), hashing.make(PASSWORD)
        assert hashing.fits(PASSWORD, first)
        assert not hashing.fits(PASSWORD + "x", first)
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not hashing.is_outdated(first)


def test_answers_show_no_secret_when_they_are_printed(accounts, ana):
    """So that no log and no error page has one."""
    invited = accounts.invite(TERMINAL, "bob", "Bob", {StaffRole.AUTHOR})
    signed_in = ana.sign_in()
    setup = accounts.new_totp(signed_in.session, PASSWORD, ana.next_code())
    shown = repr((invited, signed_in, setup))
    assert re.search("|".join((invited.token, signed_in.token, setup.secret)), shown) is None


def test_known_and_unknown_logins_take_the_same_time(workspace):
    """Wrong password, right password and wrong code, shut out, nobody: by rank none stands out.

    What is measured is the time of the processor, which does not know what else the machine does.
    """
    accounts = cheap_accounts(workspace, Cost(passes=1, memory_kib=8_192, lanes=1))
    for login in ("ana", "bob"):
        new_person(accounts, workspace.clock, login, StaffRole.ADMINISTRATOR)
    accounts.disable(TERMINAL, "bob")
    nobody = ("nobody", "wrong")
    cases = [nobody, ("ana", "wrong"), ("ana", PASSWORD), ("bob", PASSWORD)]

    def likeliness():
        took = {case: [] for case in cases}
        for _ in range(40):
            for case in random.sample(cases, len(cases)):
                # Nobody waits for having tried before.
                workspace.clock.forward(hours=13)
                began = time.thread_time()
                assert isinstance(accounts.sign_in(*case, "000000"), SignInRefused)
                took[case].append(time.thread_time() - began)
        return min(rank_sum_p(took[case], took[nobody]) for case in cases[1:])

    # What differs by chance does not three times over.
    assert any(likeliness() > 0.01 for _ in range(3))
