"""What administrators do at the desk: staff, and the audit log."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from sqlalchemy import update

from mailer.app.api_tokens import ApiTokens
from mailer.desk.audit_words import ACTIONS, FLAWS, WAYS
from mailer.desk.proofs import PASSWORD_FAULTS
from mailer.desk.tokens import PURPOSES
from mailer.desk.words import ROLE_HINTS, ROLES
from mailer.model.api_token import Purpose
from mailer.model.audit import AuditAction, AuditFlaw
from mailer.model.passwords import PasswordFault
from mailer.model.staff import Actor, ActorKind, StaffRole
from mailer.store.audit import entries_before, write_audit
from mailer.store.tables_audit import audit_entry
from tests.support.desk import PASSWORD, Member
from tests.support.desk_place import desk_place

_LINK = re.compile(r'<pre class="mono">(http[^<]+)</pre>')
ADMINISTRATOR = StaffRole.ADMINISTRATOR


@pytest.fixture(scope="module")
def place(tmp_path_factory, sqlite_template):
    """A desk of a workspace with nothing in it."""
    with desk_place(tmp_path_factory.mktemp("workspace"), sqlite_template) as made:
        yield made


@pytest.fixture(scope="module")
def boss(place):
    """An administrator, and their browser."""
    member, browser = place.member("ada", ADMINISTRATOR, StaffRole.SENDER)
    with browser:
        yield member, browser


def proof(member: Member) -> dict[str, str]:
    """Return the fields by which somebody shows once more who they are."""
    if len(member.recovery_codes) < 2:
        raise AssertionError("this module uses more codes than one person has")
    return {"password": PASSWORD, "code": member.code()}


@pytest.mark.parametrize(
    ("words", "members"),
    [
        (ACTIONS, AuditAction),
        (WAYS, ActorKind),
        (FLAWS, AuditFlaw),
        (ROLES, StaffRole),
        (ROLE_HINTS, StaffRole),
        (PURPOSES, Purpose),
        (PASSWORD_FAULTS, PasswordFault),
    ],
)
def test_every_member_has_words(words, members):
    """Nobody reads a name of the code where a word should stand."""
    assert set(words) == set(members)


def test_somebody_is_invited_and_comes(place, boss):
    """The link is shown once, and leads to the account with the roles that were chosen."""
    member, browser = boss
    browser.get("/desk/staff-invite")
    page = browser.post(
        "/desk/staff-invite",
        [
            ("login", "nadia"),
            ("name", "Nadia K."),
            ("roles", "author"),
            ("roles", "translator"),
            ("languages", "ru"),
            *proof(member).items(),
        ],
    )
    link = _LINK.search(page.text)[1]
    assert link.startswith(f"{place.desk.url}/desk/welcome/")
    assert "Has not used the link yet" in browser.get("/desk/staff").text
    assert link not in browser.get("/desk/staff/nadia").text
    user = place.accounts.user("nadia")
    assert (user.roles, user.languages) == (
        {StaffRole.AUTHOR, StaffRole.TRANSLATOR},
        ("ru",),
    )
    with place.desk.browser() as other:
        assert "Nadia K." in other.get(link).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"login": "Nadia"}, "A login name has 2 to 40 characters"),
        ({"login": "ada"}, "There is somebody of this login name"),
        ({"name": ""}, "Write the name on one line"),
        ({"roles": ""}, "Choose at least one role"),
        ({"roles": "translator"}, "Choose the languages"),
        ({"languages": "ru"}, "Only translators are held to languages"),
        ({"password": "wrong"}, "do not belong together"),
    ],
)
def test_an_invitation_that_cannot_be_is_told_of(place, boss, fields, said):
    """What is wrong stands beside its field, what was typed stays, and nobody is made."""
    _, browser = boss
    before = len(place.accounts.users())
    browser.get("/desk/staff-invite")
    filled = {"login": "olha", "name": "Olha", "roles": "author", "password": PASSWORD, "code": "1"}
    page = browser.post("/desk/staff-invite", {**filled, **fields})
    assert (page.status_code, said in page.text) == (422, True)
    assert PASSWORD not in page.text
    assert len(place.accounts.users()) == before


def test_roles_are_changed_and_sessions_end(place, boss):
    """With the administrator's password only; whoever is concerned signs in again."""
    member, browser = boss
    _, other = place.member("pavel")
    with other:
        browser.get("/desk/staff/pavel/roles")
        page = browser.post("/desk/staff/pavel/roles", {"roles": "sender"})
        assert page.status_code == 422
        assert place.accounts.user("pavel").roles == {StaffRole.AUTHOR}
        browser.post("/desk/staff/pavel/roles", {"roles": "sender", **proof(member)})
        assert place.accounts.user("pavel").roles == {StaffRole.SENDER}
        assert other.get("/desk/account").url.path == "/desk/sign-in"


def test_the_last_administrator_is_safe(place, boss):
    """From losing the role, from being shut out and from being locked out, which is told in words."""
    member, browser = boss
    for part, fields in (
        ("roles", {"roles": "author", **proof(member)}),
        ("disable", {}),
        ("reset", proof(member)),
    ):
        browser.get("/desk/staff/ada")
        page = browser.post(f"/desk/staff/ada/{part}", fields)
        assert page.status_code == 422, part
        assert "This is the last administrator who can sign in" in page.text
    assert browser.get("/desk/staff").status_code == 200


def test_whoever_is_shut_out_is_out_at_once(place, boss):
    """The session ends, signing in is refused, until they are let in again."""
    _, browser = boss
    member, other = place.member("rita")
    with other:
        browser.get("/desk/staff/rita")
        page = browser.post("/desk/staff/rita/disable")
        assert "Shut out" in page.text
        assert other.get("/desk/account").url.path == "/desk/sign-in"
        assert other.sign_in(member).status_code == 403
        browser.post("/desk/staff/rita/enable")
        assert other.sign_in(member).status_code == 200


def test_a_new_link_takes_everything_away(place, boss):
    """Password, app, codes and sessions; the link begins anew."""
    boss_member, browser = boss
    member, other = place.member("sofia")
    with other:
        browser.get("/desk/staff/sofia/reset")
        page = browser.post("/desk/staff/sofia/reset", proof(boss_member))
        link = _LINK.search(page.text)[1]
        assert other.get("/desk/account").url.path == "/desk/sign-in"
        assert other.sign_in(member).status_code == 403
        assert "Step 1 of 3" in other.get(link).text


def test_sessions_of_others_are_seen_and_ended(place, boss):
    """One, or all of them."""
    _, browser = boss
    member, other = place.member("tomas")
    with other:
        page = browser.get("/desk/staff/tomas")
        ids = re.findall(r"/desk/staff/tomas/sessions/(\d+)/end", page.text)
        browser.post(f"/desk/staff/tomas/sessions/{max(ids, key=int)}/end")
        assert other.get("/desk/account").url.path == "/desk/sign-in"
        other.sign_in(member)
        browser.get("/desk/staff/tomas")
        browser.post("/desk/staff/tomas/sessions/end")
        assert other.get("/desk/account").url.path == "/desk/sign-in"
        assert "Nowhere at the moment" in browser.get("/desk/staff/tomas").text


def test_nobody_of_this_login_is_not_found(boss):
    """Whatever is asked of them."""
    _, browser = boss
    for path in ("nobody", "nobody/roles", "nobody/reset", "%2e%2e"):
        assert browser.get(f"/desk/staff/{path}").status_code == 404


def test_the_log_is_read_by_who_what_and_day(place, boss):
    """Filters narrow it, and stay in the fields."""
    _, browser = boss
    page = browser.get("/desk/audit")
    assert "Account: made" in page.text
    page = browser.get("/desk/audit?who=ada&action=user_added")
    assert "nadia" in page.text
    assert "Signed in" not in page.text.partition("<tbody>")[2]
    day = place.clock.now().date().isoformat()
    assert "<tbody>" in browser.get(f"/desk/audit?since={day}&until={day}").text
    assert "Nothing is on record" in browser.get("/desk/audit?until=2020-01-01").text
    for wrong in ("since=yesterday", "until=9999-12-31", "since=0001-01-01", "action=nothing"):
        assert browser.get(f"/desk/audit?{wrong}").status_code in (200, 422), wrong
    for odd in ("before=" + "9" * 400, "before=x", "who=%00", "about=%ff"):
        assert browser.get(f"/desk/audit?{odd}").status_code == 200, odd


def test_older_entries_are_a_page_away(place, boss):
    """With the same filters, and no entry is left out or told twice."""
    _, browser = boss
    with place.desk.workspace.store.write() as connection:
        for at in range(120):
            write_audit(
                connection,
                Actor(ActorKind.STAFF, "ada"),
                AuditAction.TEST_SENT,
                f"her-rights-{at}",
                place.clock.now(),
            )
    numbers, path = [], "/desk/audit?who=ada"
    while path:
        page = browser.get(path).text
        numbers += [int(one) for one in re.findall(r"№ (\d+)", page)]
        found = re.search(r'href="([^"]+before=\d+)">', page)
        path = found[1].replace("&amp;", "&") if found else ""
    with place.desk.workspace.store.read() as connection:
        total = [
            one.entry_id
            for one in entries_before(connection, None, 10_000)
            if one.actor.name == "ada"
        ]
    assert numbers == total


def test_the_log_is_taken_as_a_file_with_a_password(place, boss):
    """As CSV and as lines of JSON, whole; that it was taken is the last entry."""
    member, browser = boss
    browser.get("/desk/audit/file")
    assert browser.post("/desk/audit/file", {"format": "csv"}).status_code == 422
    taken = browser.post("/desk/audit/file", {"format": "csv", **proof(member)}, follow=False)
    assert taken.headers["content-disposition"].startswith("attachment; ")
    rows = list(csv.DictReader(io.StringIO(taken.text)))
    assert [row["entry"] for row in rows] == [str(1 + at) for at in range(len(rows))]
    assert (rows[-1]["actor"], rows[-1]["action"]) == ("ada", "audit_exported")
    taken = browser.post("/desk/audit/file", {"format": "jsonl", **proof(member)}, follow=False)
    entries = [json.loads(line) for line in taken.text.splitlines()]
    assert entries[-1]["facts"] == {"format": "jsonl"}
    assert len(entries) > len(rows)


def test_a_token_is_made_shown_once_and_ended(place):
    """An administrator makes it with password and code; it opens what it is for until it is ended."""
    member, browser = place.member("tess", ADMINISTRATOR)
    with browser:
        assert "No token yet" in browser.get("/desk/tokens").text
        browser.get("/desk/tokens-new")
        asked = {"name": "website", "purposes": Purpose.REPORTS_READ.value, "days": "30"}
        page = browser.post("/desk/tokens-new", {**asked, **proof(member)})
        secret = re.search(r'<pre class="mono">(mailer_[^<]+)</pre>', page.text)[1]
        tokens = ApiTokens(place.desk.workspace)
        found = tokens.whose(secret)
        assert found is not None
        assert (frozenset({Purpose.REPORTS_READ}), "staff:tess") == (found.purposes, found.made_by)
        page = browser.get("/desk/tokens")
        assert secret not in page.text
        assert "See reports" in page.text
        page = browser.post("/desk/tokens/website/end")
        assert "The token opens nothing any more" in page.text
        assert tokens.whose(secret) is None
        assert browser.post("/desk/tokens/nothing/end", follow=False).status_code == 404
    with place.desk.workspace.store.read() as connection:
        did = [
            one.action
            for one in entries_before(connection, None, 10_000)
            if one.subject == "website"
        ]
    assert {AuditAction.TOKEN_MADE, AuditAction.TOKEN_ENDED} == set(did)


def test_what_a_token_cannot_be_is_told_beside_the_field(place):
    """Nothing is made of a wrong name, no purpose, a wrong number of days, or without a password."""
    _, browser = place.member("theo", ADMINISTRATOR)
    good = {"name": "partner", "purposes": Purpose.REPORTS_READ.value, "days": "30"}
    with browser:
        browser.get("/desk/tokens-new")
        for wrong, field in (
            ({"name": "Not a name"}, "name"), ({"name": ""}, "name"), ({"purposes": "x"}, "purposes"),
            ({"days": "0"}, "days"), ({"days": "366"}, "days"), ({"days": "10000000000"}, "days"),
            ({"days": "½"}, "days"), ({"password": "wrong"}, "password"),
        ):  # fmt: skip
            page = browser.post("/desk/tokens-new", {**good, "code": "000000", **wrong})
            assert page.status_code == 422, wrong
            assert f'id="{field}-problem"' in page.text, wrong
        assert [] == [
            one for one in ApiTokens(place.desk.workspace).list() if one.name == "partner"
        ]


def test_a_whole_log_is_told_from_one_that_was_changed(place, boss):
    """By going through it, and by what was noted another day."""
    _, browser = boss
    page = browser.get("/desk/audit/check")
    assert "It is whole" in page.text
    noted = re.search(r"<pre class=\"mono\">([^<]+)</pre>", page.text)[1]
    assert "It is whole" in browser.get(f"/desk/audit/check?noted={noted}").text
    wrong = browser.get(f"/desk/audit/check?noted=1:{'0' * 64}")
    assert "does not go on from what was noted" in wrong.text
    assert browser.get("/desk/audit/check?noted=x").status_code == 422
    store = place.desk.workspace.store
    with store.write() as connection:
        connection.execute(update(audit_entry).where(audit_entry.c.id == 2).values(facts="["))
    assert "Entry 2 is not what was written" in browser.get("/desk/audit/check").text
    assert (
        "Entry 2 cannot be read"
        in browser.get("/desk/audit?action=password_changed&about=ada").text
    )
