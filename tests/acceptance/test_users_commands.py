"""`mailer users`: from nobody to people who sign in, by commands and by what they print."""

import re
import shutil

import pytest

from mailer.app.workspace import Workspace
from mailer.model.staff import StaffRole
from tests.support.staff import Person, cheap_accounts

pytestmark = [pytest.mark.acceptance]

ANA = ("users", "add", "ana", "--name", "Ana [Munteanu]", "--role", "administrator")


@pytest.fixture
def folder(prepared, tmp_path):
    """A workspace in which nobody may sign in yet, and in which things may change."""
    return shutil.copytree(prepared, tmp_path / "campaign")


def token_in(ended):
    """The token of the link that a command printed, which is all that it prints for programs."""
    return re.fullmatch(r"http://127\.0\.0\.1:8029/desk/welcome/(\S{43})\n", ended.out)[1]


def refused(ended, status):
    """What a command said that was not done."""
    assert status == ended.status
    return ended.err


class SystemPerson(Person):
    """Somebody whose app goes by the machine's clock; a test does not wait for the next code."""

    def next_code(self):
        """Return what the app shows now."""
        return self.code()


def arrived(folder, login, token):
    """Use a link as its owner does."""
    workspace = Workspace.open(folder)
    person = SystemPerson(cheap_accounts(workspace), login, workspace.clock)
    person.welcome(token, "Firefox on Linux")
    return person


def test_the_first_administrator_gets_a_link_and_uses_it(mailer, folder):
    """The list says who was invited, and who arrived."""
    assert "There is nobody yet" in mailer(folder, "users", "list").out
    ended = mailer(folder, *ANA)
    assert "Ana [Munteanu]" in ended.err
    assert "authenticator app" in ended.err
    assert "link not used yet" in mailer(folder, "users", "list").out
    arrived(folder, "ana", token_in(ended))
    shown = mailer(folder, "users", "list").out
    assert "Ana [Munteanu]" in shown
    assert "link not used yet" not in shown
    (ana,) = mailer(folder, "users", "list", "--json").json()
    assert ("ana", ["administrator"], [], None) == (
        ana["login"], ana["roles"], ana["languages"], ana["disabled_at"]
    )  # fmt: skip
    assert ana["confirmed_at"]


def test_sessions_are_listed_and_ended(mailer, folder):
    """One by its number, or all."""
    ana = arrived(folder, "ana", token_in(mailer(folder, *ANA)))
    assert "Firefox on Linux" in mailer(folder, "users", "sessions", "ana").out
    (one,) = mailer(folder, "users", "sessions", "ana", "--json").json()
    number = str(one["session"])
    wrong = mailer(folder, "users", "end-sessions", "ana", "--session", "999")
    assert "no session 999" in refused(wrong, 1)
    ended = mailer(folder, "users", "end-sessions", "ana", "--session", number)
    assert "Sessions ended: 1" in ended.out
    assert ana.accounts.session(ana.signed_in.token) is None
    assert "signed in nowhere" in mailer(folder, "users", "sessions", "ana").out
    assert "Sessions ended: 0" in mailer(folder, "users", "end-sessions", "ana").out


def test_rights_change_and_people_are_shut_out_and_let_in(mailer, folder):
    """The last administrator is not."""
    arrived(folder, "ana", token_in(mailer(folder, *ANA)))
    add_bob = ("users", "add", "bob", "--name", "Bob", "--role", "author")
    bob = arrived(folder, "bob", token_in(mailer(folder, *add_bob)))
    roles = ("users", "roles", "bob", "--role", "author", "--role", "translator")
    assert "languages" in refused(mailer(folder, *roles), 2)
    assert "author, translator" in mailer(folder, *roles, "--language", "ro").out
    user = bob.accounts.user("bob")
    assert ({StaffRole.AUTHOR, StaffRole.TRANSLATOR}, ("ro",)) == (user.roles, user.languages)
    assert "shut out" in mailer(folder, "users", "disable", "bob").out
    assert "disabled 20" in mailer(folder, "users", "list").out
    assert "may sign in" in mailer(folder, "users", "enable", "bob").out
    assert "last administrator" in refused(mailer(folder, "users", "disable", "ana"), 1)
    assert "nobody of the login" in refused(mailer(folder, "users", "disable", "cyd"), 1)


def test_a_reset_is_asked_for_and_gives_a_new_link(mailer, folder):
    """Also to the last administrator; without a yes nothing changes."""
    ana = arrived(folder, "ana", token_in(mailer(folder, *ANA)))
    assert "--yes" in refused(mailer(folder, "users", "reset", "ana"), 1)
    assert ana.accounts.session(ana.signed_in.token) is not None
    token = token_in(mailer(folder, "users", "reset", "ana", "--yes"))
    assert ana.accounts.session(ana.signed_in.token) is None
    arrived(folder, "ana", token)


def test_a_login_that_cannot_be_and_one_that_is_there_are_refused(mailer, folder):
    """As wrong use, and as not done."""
    mailer(folder, *ANA)
    assert "There is somebody" in refused(mailer(folder, *ANA), 1)
    for login in ("Ana", "аna", "a"):
        words = ("users", "add", login, "--name", "Ana", "--role", "author")
        assert "a to z" in refused(mailer(folder, *words), 2)
    queen = mailer(folder, "users", "add", "bob", "--name", "Bob", "--role", "queen")
    assert "queen" in refused(queen, 2)
