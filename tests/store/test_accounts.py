"""Who may sign in: invitations, sign-in, sessions, second factors, rights, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailer.app.passwords import Cost
from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction, AuditFilter
from mailer.model.passwords import PasswordRefused
from mailer.model.sign_in import (
    AccountDisabled,
    InvitationGone,
    LastAdministrator,
    LoginTaken,
    MalformedAccount,
    Refusal,
    SignedIn,
    SignInRefused,
    UnknownLogin,
    WrongCode,
)
from mailer.model.staff import Actor, ActorKind, StaffRole
from mailer.store.audit import entries_in_order
from tests.support.clocks import FixedClock
from tests.support.staff import CHEAP, PASSWORD, TERMINAL, Person, cheap_accounts, new_person
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace

ADMINISTRATOR, AUTHOR, TRANSLATOR = (
    StaffRole.ADMINISTRATOR,
    StaffRole.AUTHOR,
    StaffRole.TRANSLATOR,
)
NEW_PASSWORD = "another-four-unguessed-words"


@pytest.fixture
def workspace(tmp_path, store):
    """A workspace without seal.key, which nobody needs to sign in."""
    lay_workspace(tmp_path, HARBOR_CONFIG)
    (tmp_path / "seal.key").unlink()
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
    """An administrator who has used her link, and is signed in by that."""
    return new_person(accounts, clock, "ana", ADMINISTRATOR)


def actions(workspace, login):
    """What the audit log tells of somebody, in order."""
    with workspace.store.read() as connection:
        found = list(entries_in_order(connection, AuditFilter(subject=login)))
    return [(str(one.actor), one.action) for one in found]


def test_an_invitation_becomes_an_account(accounts, workspace, clock):
    """By a link, a password and a code; the person is signed in, and the link is used up."""
    invitation = accounts.invite(TERMINAL, "ana", "Ana Munteanu", {ADMINISTRATOR, AUTHOR})
    assert not accounts.user("ana").may_sign_in
    shown = accounts.invitation(invitation.token)
    assert ("ana", "Ana Munteanu", "") == (shown.login, shown.name, shown.token)
    ana = Person(accounts, "ana", clock)
    ana.welcome(invitation.token, "Firefox on Linux")
    session = accounts.session(ana.signed_in.token)
    assert ("ana", "Firefox on Linux") == (session.user.login, session.browser)
    assert {ADMINISTRATOR, AUTHOR} == session.user.roles
    assert ana.signed_in.session.form_token == session.form_token
    assert 10 == len(set(ana.recovery_codes)) == accounts.recovery_codes_left(session.user)
    assert accounts.invitation(invitation.token) is None
    with pytest.raises(InvitationGone):
        accounts.begin(invitation.token, PASSWORD)
    assert [
        ("terminal:root", AuditAction.USER_ADDED),
        ("staff:ana", AuditAction.PASSWORD_CHANGED),
    ] == actions(workspace, "ana")


def test_what_was_half_done_can_be_begun_again(accounts, clock):
    """The last password and the last app count; before a code is given, nobody signs in."""
    token = accounts.invite(TERMINAL, "ana", "Ana", {ADMINISTRATOR}).token
    first = Person(accounts, "ana", clock, accounts.begin(token, PASSWORD).secret)
    assert isinstance(first.sign_in(), SignInRefused)
    again = Person(accounts, "ana", clock, password=NEW_PASSWORD)
    again.secret = accounts.begin(token, NEW_PASSWORD).secret
    with pytest.raises(WrongCode):
        accounts.confirm(token, first.next_code())
    accounts.confirm(token, again.next_code())
    assert isinstance(first.sign_in(), SignInRefused)
    assert isinstance(again.sign_in(), SignedIn)


def test_a_link_works_for_72_hours_and_the_newest_alone(accounts, clock):
    """Neither an old one, nor one that a newer took the place of, nor one that never was."""
    first = accounts.invite(TERMINAL, "ana", "Ana", {ADMINISTRATOR})
    second = accounts.reset(TERMINAL, "ana")
    clock.forward(hours=71)
    assert accounts.invitation(first.token) is None
    assert accounts.invitation("x" * 43) is None
    assert accounts.invitation("\ud800") is None
    assert accounts.invitation(second.token) is not None
    clock.forward(hours=1)
    assert accounts.invitation(second.token) is None
    with pytest.raises(InvitationGone):
        accounts.begin(second.token, PASSWORD)
    with pytest.raises(InvitationGone):
        accounts.confirm(second.token, "123456")


@pytest.mark.parametrize("login", ["", "a", "Ana", "аna", "ana ", "ana\n", "-ana", "a" * 41, "a_b"])
def test_a_login_that_could_be_taken_for_another_is_refused(accounts, login):
    """Cyrillic letters, capitals and blanks among them."""
    with pytest.raises(MalformedAccount) as raised:
        accounts.invite(TERMINAL, login, "Ana", {AUTHOR})
    assert "login" == raised.value.field


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "Ana\u202e"}),
        ("name", {"name": "A" * 121}),
        ("roles", {"roles": set()}),
        ("languages", {"roles": {TRANSLATOR}}),
        ("languages", {"roles": {AUTHOR}, "languages": ["ro"]}),
        ("languages", {"roles": {TRANSLATOR}, "languages": ["not a tag"]}),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(accounts, field, changes):
    """And nothing is written of it."""
    values = {"name": "Ana", "roles": {AUTHOR}, "languages": (), **changes}
    with pytest.raises(MalformedAccount) as raised:
        accounts.invite(TERMINAL, "ana", **values)
    assert field == raised.value.field
    assert [] == accounts.users()


def test_a_login_is_given_once(accounts, ana):
    """Also when its owner is shut out."""
    with pytest.raises(LoginTaken):
        accounts.invite(TERMINAL, "ana", "Another Ana", {AUTHOR})
    with pytest.raises(UnknownLogin):
        accounts.disable(TERMINAL, "bob")


def test_the_right_password_and_code_sign_in(accounts, ana, workspace):
    """Whatever the case of the login; the app's code may be half a minute old or early."""
    assert isinstance(accounts.sign_in(" Ana ", PASSWORD, ana.next_code()), SignedIn)
    ana.clock.forward(seconds=90)
    assert isinstance(accounts.sign_in("ana", PASSWORD, ana.code(-1)), SignedIn)
    spaced = f"{ana.code(1)[:3]} {ana.code(1)[3:]}"
    assert isinstance(accounts.sign_in("ana", PASSWORD, spaced), SignedIn)
    assert 3 == actions(workspace, "ana").count(("staff:ana", AuditAction.SIGNED_IN))


def test_whatever_is_wrong_the_answer_is_the_same(accounts, ana, clock):
    """Password, code, login, a shut account, an invited one: one refusal."""
    bob = new_person(accounts, clock, "bob", AUTHOR)
    accounts.disable(TERMINAL, "bob")
    accounts.invite(TERMINAL, "cyd", "Cyd", {AUTHOR})
    code = ana.next_code()
    refusals = [
        accounts.sign_in("ana", "wrong", code),
        accounts.sign_in("ana", PASSWORD, "000000"),
        accounts.sign_in("ana", PASSWORD, ana.code(-2)),
        accounts.sign_in("ana", PASSWORD, ana.code(2)),
        accounts.sign_in("nobody", PASSWORD, code),
        accounts.sign_in("аna", PASSWORD, code),
        accounts.sign_in("", "", ""),
        accounts.sign_in("\ud800", "\ud800", "\ud800"),
        accounts.sign_in("cyd", "", code),
        accounts.sign_in("nobody", "x" * 100_000, "y" * 100_000),
        bob.sign_in(),
    ]
    assert {SignInRefused(Refusal.WRONG)} == set(refusals)


def test_a_code_is_taken_once(accounts, ana):
    """Not again, and not an older one after a newer: also not by somebody who looked on."""
    code, later = ana.next_code(), ana.code(1)
    assert isinstance(accounts.sign_in("ana", PASSWORD, code), SignedIn)
    assert SignInRefused(Refusal.WRONG) == accounts.sign_in("ana", PASSWORD, code)
    assert isinstance(accounts.sign_in("ana", PASSWORD, later), SignedIn)
    assert SignInRefused(Refusal.WRONG) == accounts.sign_in("ana", PASSWORD, code)
    assert SignInRefused(Refusal.WRONG) == accounts.sign_in("ana", PASSWORD, later)


def test_a_code_is_taken_once_by_many_at_the_same_time(accounts, ana):
    """Of those who come together with one code, one is signed in."""
    code = ana.next_code()
    together = threading.Barrier(4)

    def come(_number):
        together.wait()
        while True:
            answer = accounts.sign_in("ana", PASSWORD, code)
            if not isinstance(answer, SignInRefused) or answer.reason is not Refusal.BUSY:
                return answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(come, range(4)))
    assert 1 == sum(isinstance(one, SignedIn) for one in answers)


def test_a_recovery_code_takes_the_place_of_a_code_once(accounts, ana, clock):
    """However it is typed; another person's is good for nothing."""
    bob = new_person(accounts, clock, "bob", AUTHOR)
    code = ana.recovery_codes[0]
    typed = f" {code.upper().replace('-', ' ')} "
    assert isinstance(accounts.sign_in("bob", PASSWORD, code), SignInRefused)
    assert isinstance(accounts.sign_in("ana", PASSWORD, typed), SignedIn)
    assert isinstance(accounts.sign_in("ana", PASSWORD, code), SignInRefused)
    assert 9 == accounts.recovery_codes_left(ana.signed_in.session.user)
    assert isinstance(accounts.sign_in("bob", PASSWORD, bob.recovery_codes[9]), SignedIn)


def test_every_sign_in_has_a_token_of_its_own(accounts, ana):
    """None that was there before becomes a session, so that nobody can be given one to use."""
    fixed = "f" * 43
    first = ana.sign_in()
    second = ana.sign_in()
    assert 3 == len({ana.signed_in.token, first.token, second.token})
    assert accounts.session(fixed) is None
    assert accounts.session("") is None
    assert accounts.session(first.token + "a") is None
    assert accounts.session("\ud800" * 43) is None


def test_a_password_changed_in_one_browser_ends_the_other(accounts, ana):
    """The one it was changed in goes on with a new token; the old password is good for nothing."""
    here, there = ana.sign_in(), ana.sign_in()
    changed = accounts.change_password(here.session, PASSWORD, NEW_PASSWORD, ana.next_code())
    assert accounts.session(there.token) is None
    assert accounts.session(here.token) is None
    assert accounts.session(changed.token).user.login == "ana"
    assert changed.session.form_token != here.session.form_token
    assert isinstance(ana.sign_in(), SignInRefused)
    ana.password = NEW_PASSWORD
    assert isinstance(ana.sign_in(), SignedIn)


def test_a_password_is_changed_by_whoever_knows_the_old_one(accounts, ana):
    """A stolen browser alone changes nothing, nor does a password that is refused."""
    here = ana.sign_in()
    wrong = accounts.change_password(here.session, "wrong", NEW_PASSWORD, ana.next_code())
    assert Refusal.WRONG is wrong.reason
    with pytest.raises(PasswordRefused):
        accounts.change_password(here.session, PASSWORD, "short", ana.next_code())
    assert accounts.session(here.token) is not None


def test_a_new_app_counts_once_it_is_confirmed_and_ends_all_sessions(accounts, ana):
    """Until then the old one does; afterwards it is good for nothing."""
    here, there = ana.sign_in(), ana.sign_in()
    setup = accounts.new_totp(here.session, PASSWORD, ana.next_code())
    assert isinstance(ana.sign_in(), SignedIn)
    with pytest.raises(WrongCode):
        accounts.confirm_totp(here.session, ana.next_code())
    with pytest.raises(WrongCode):
        accounts.confirm_totp(there.session, ana.next_code())
    old, ana.secret = ana.secret, setup.secret
    confirmed = accounts.confirm_totp(here.session, ana.next_code())
    assert accounts.session(there.token) is None
    assert accounts.session(confirmed.token) is not None
    assert isinstance(ana.sign_in(), SignedIn)
    ana.secret = old
    assert isinstance(ana.sign_in(), SignInRefused)


def test_new_recovery_codes_take_the_place_of_the_old(accounts, ana):
    """All of them, also those that were not used."""
    new = accounts.new_recovery_codes(ana.signed_in.session, PASSWORD, ana.next_code())
    assert 10 == len(set(new))
    assert isinstance(accounts.sign_in("ana", PASSWORD, ana.recovery_codes[0]), SignInRefused)
    assert isinstance(accounts.sign_in("ana", PASSWORD, new[0]), SignedIn)


def test_somebody_signed_in_is_asked_again_before_something_grave(accounts, ana):
    """By password and code; a code that signed them in does not count again."""
    code = ana.next_code()
    session = accounts.sign_in("ana", PASSWORD, code).session
    assert SignInRefused(Refusal.WRONG) == accounts.reauthenticated(session, PASSWORD, code)
    assert "ana" == accounts.reauthenticated(session, PASSWORD, ana.next_code()).login


def test_who_does_nothing_is_signed_out(accounts, ana, clock):
    """After 60 minutes; who is there within the hour stays, 12 hours long and no longer."""
    idle, busy = ana.sign_in(), ana.sign_in()
    clock.forward(minutes=59)
    assert accounts.session(busy.token) is not None
    clock.forward(minutes=1)
    assert accounts.session(idle.token) is None
    for _ in range(12):
        clock.forward(minutes=50)
        assert accounts.session(busy.token) is not None
    clock.forward(minutes=59)
    assert accounts.session(busy.token) is not None
    clock.forward(minutes=1)
    assert accounts.session(busy.token) is None


def test_when_a_session_was_seen_is_written_once_a_minute(accounts, ana, clock):
    """A page costs no write."""
    token = ana.sign_in().token
    began = clock.now()
    clock.forward(seconds=59)
    accounts.session(token)
    assert began == accounts.session(token).seen_at
    clock.forward(seconds=1)
    accounts.session(token)
    assert clock.now() == accounts.session(token).seen_at


def test_sessions_are_seen_and_ended_one_by_one_or_all(accounts, ana, clock):
    """Each person's own: with another's login nothing is ended."""
    bob = new_person(accounts, clock, "bob", AUTHOR)
    phone = ana.sign_in(browser="Safari, iPhone")
    shown = accounts.sessions_of(phone.session.user)
    assert ["Safari, iPhone", "Unknown browser"] == [one.browser for one in shown]
    assert {""} == {one.form_token for one in shown}
    assert not accounts.end_session(TERMINAL, "bob", phone.session.session_id)
    assert accounts.end_session(TERMINAL, "ana", phone.session.session_id)
    assert accounts.session(phone.token) is None
    assert 1 == accounts.end_all(TERMINAL, "ana")
    assert accounts.session(ana.signed_in.token) is None
    assert accounts.session(bob.signed_in.token) is not None
    accounts.sign_out(bob.signed_in.session)
    assert accounts.session(bob.signed_in.token) is None


def test_changed_rights_end_all_sessions(accounts, ana, clock):
    """And count from the next sign-in on."""
    bob = new_person(accounts, clock, "bob", AUTHOR)
    accounts.set_roles(ana.signed_in.session.user.actor, "bob", {TRANSLATOR}, ["RO", "sr_latn"])
    assert accounts.session(bob.signed_in.token) is None
    user = bob.sign_in().session.user
    assert ({TRANSLATOR}, ("ro", "sr-Latn")) == (user.roles, user.languages)


def test_who_is_shut_out_is_out_at_once_and_can_be_let_in_again(accounts, ana, clock, workspace):
    """Sessions and links end; the password they had goes on working once they are let in."""
    bob = new_person(accounts, clock, "bob", AUTHOR)
    cyd = accounts.invite(TERMINAL, "cyd", "Cyd", {AUTHOR})
    for login in ("bob", "cyd"):
        accounts.disable(TERMINAL, login)
    assert accounts.session(bob.signed_in.token) is None
    assert accounts.invitation(cyd.token) is None
    with pytest.raises(AccountDisabled):
        accounts.reset(TERMINAL, "bob")
    assert isinstance(bob.sign_in(), SignInRefused)
    accounts.enable(TERMINAL, "bob")
    assert isinstance(bob.sign_in(), SignedIn)
    assert ("terminal:root", AuditAction.USER_DISABLED) in actions(workspace, "bob")


def test_a_reset_takes_everything_away_and_gives_a_link(accounts, ana, clock):
    """Password, app, recovery codes and sessions of before are good for nothing."""
    bob = new_person(accounts, clock, "bob", AUTHOR)
    invitation = accounts.reset(ana.signed_in.session.user.actor, "bob")
    assert accounts.session(bob.signed_in.token) is None
    assert isinstance(bob.sign_in(), SignInRefused)
    old = bob.recovery_codes[0]
    assert isinstance(accounts.sign_in("bob", PASSWORD, old), SignInRefused)
    bob.welcome(invitation.token)
    assert isinstance(bob.sign_in(), SignedIn)
    assert isinstance(accounts.sign_in("bob", PASSWORD, old), SignInRefused)


def test_one_administrator_remains(accounts, ana, clock):
    """Invited or shut out ones do not count; whoever has the machine may give her a new link."""
    accounts.invite(TERMINAL, "bob", "Bob", {ADMINISTRATOR})
    new_person(accounts, clock, "cyd", ADMINISTRATOR)
    accounts.disable(TERMINAL, "cyd")
    desk = Actor(ActorKind.STAFF, "ana")
    for change in (
        lambda: accounts.disable(TERMINAL, "ana"),
        lambda: accounts.set_roles(TERMINAL, "ana", {AUTHOR}),
        lambda: accounts.reset(desk, "ana"),
    ):
        with pytest.raises(LastAdministrator):
            change()
    assert accounts.session(ana.signed_in.token) is not None
    accounts.set_roles(TERMINAL, "ana", {AUTHOR, ADMINISTRATOR})
    accounts.enable(TERMINAL, "cyd")
    accounts.disable(TERMINAL, "ana")
    accounts.reset(TERMINAL, "cyd")


def test_of_two_administrators_who_shut_each_other_out_one_remains(accounts, ana, clock):
    """Whoever comes second is refused, on whichever database."""
    new_person(accounts, clock, "bob", ADMINISTRATOR)
    together = threading.Barrier(2)

    def shut(login):
        together.wait()
        try:
            accounts.disable(TERMINAL, login)
        except LastAdministrator:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert [False, True] == sorted(pool.map(shut, ("ana", "bob")))


def test_a_password_hashed_at_an_older_cost_is_hashed_anew(accounts, ana, workspace):
    """At the next sign-in, without anybody's doing."""
    dearer = cheap_accounts(workspace, Cost(CHEAP.passes + 1, CHEAP.memory_kib, CHEAP.lanes))
    ana.accounts = dearer
    assert isinstance(ana.sign_in(), SignedIn)
    with workspace.store.read() as connection:
        hashed = connection.exec_driver_sql("SELECT password_hash FROM staff_user").scalar_one()
    assert f"t={CHEAP.passes + 1}," in hashed
    assert isinstance(ana.sign_in(), SignedIn)


def test_a_password_fits_whatever_keyboard_composed_it(accounts, clock):
    """RFC 8265 §4.2.2: NFC, so that é in one character and in two are one password."""
    token = accounts.invite(TERMINAL, "ana", "Ana", {ADMINISTRATOR}).token
    ana = Person(accounts, "ana", clock, password="o cafene\u0301a de noapte")
    ana.welcome(token)
    ana.password = "o cafen\u00e9a de noapte"
    assert isinstance(ana.sign_in(), SignedIn)
