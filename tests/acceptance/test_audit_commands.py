"""Every command that changes something leaves its entry in the audit log, and `mailer audit` shows it.

The table of commands is held against the commands there are: a new one is put into it, or a test fails.
"""

import csv
import getpass
import io
import json
import shutil
import sqlite3

import pytest
import typer
from alembic import command as alembic
from alembic.config import Config

from mailer.app.workspace import Workspace
from mailer.cli.main import app
from mailer.model.audit import AuditAction
from mailer.model.staff import ActorKind
from mailer.store import engine, stopping
from mailer.store.audit import entries_in_order, verify
from mailer.store.mailings import find_mailing
from tests.acceptance.conftest import SLUG

pytestmark = [pytest.mark.acceptance]

KEY = f"{SLUG}-1"
LETTERS = "harbor-letters"
PERSON = "person0@example.org\n"
#: What changes nothing in a workspace that is there, or nothing that a person did.
READS = frozenset(
    {
        "audit list", "audit verify", "check", "deliveries", "deploy",
        "domain check", "domain records", "keys list", "lists", "mailings coverage",
        "mailings list", "mailings show", "newsletters list", "newsletters preview",
        "preflight", "preview",
        "relay check", "relay limits", "report", "segments count", "segments explain",
        "segments list", "sign-up form", "statements changes", "statements check",
        "statements list", "statements show", "status", "tokens list",
        "users list", "users sessions",
    }
)  # fmt: skip
#: Of these the ones that ask the DNS, write files, or print addresses of the sender's own domain.
NOT_RUN = frozenset({"deploy", "domain check", "domain records", "preview"})
#: What makes a workspace of its own, or is no person's doing: a mail server calls `feedback`.
OTHERS = frozenset({"demo", "feedback"})
#: What needs more of a world than there is here → the test that looks for its entry.
ELSEWHERE = {
    "relay verify": ("test_live_relay.py", AuditAction.RELAY_VERIFIED),
    "resolve": ("test_resolving.py", AuditAction.DOUBTS_SETTLED),
    "run": ("../store/test_going_live.py", AuditAction.WENT_LIVE),
}


class Case:
    """A command, what comes before it, and the entries it leaves."""

    def __init__(self, *words, actions, before=(), typed="", prepare=None, status=0):
        self.words = words
        self.actions = [actions] if isinstance(actions, AuditAction) else list(actions)
        #: Commands.
        self.before = before
        self.typed = typed
        #: Called with the workspace's folder.
        self.prepare = prepare
        self.status = status


def hold(folder):
    """Put the mailing aside."""
    store = Workspace.open(folder).store
    with store.write() as connection:
        found = find_mailing(connection, KEY)
        stopping.hold(connection, found, found.state, "a test")
    store.close()


def without_backup_keys(folder):
    """Take the pair of keys for backups away."""
    (folder / "backup.key").unlink()
    (folder / "backup.pub").unlink()


def of_an_older_version(folder):
    """Put a database of before the audit log in the place of the workspace's."""
    for path in (folder / "data").glob("mailer.db*"):
        path.unlink()
    store = engine.open_store(f"sqlite:///{folder / 'data' / 'mailer.db'}")
    config = Config()
    config.set_main_option(
        "script_location", f"{engine.__file__.removesuffix('engine.py')}migrations"
    )
    with store.write() as connection:
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0015")
    store.close()


def some_people(folder):
    """Write a file to import."""
    (folder / "people.csv").write_text("email\nanna@example.net\n", encoding="utf-8")


PLAN = ("--statement", SLUG, "--list", "crowd")
SCHEDULE = ("schedule", *PLAN, "--at", "2036-12-01T09:00", "--timezone", "UTC", "--yes", "1")
LOAD_LETTERS = ("newsletters", "load", LETTERS)

ADD_TOKEN = ("tokens", "add", "website", "--for", "reports.read")
ADD_BOB = ("users", "add", "bob", "--name", "Bob Example", "--role", "author")

CASES = {
    "audit export": Case("audit", "export", actions=AuditAction.AUDIT_EXPORTED),
    "backup": Case("backup", actions=AuditAction.BACKUP_MADE),
    "cancel": Case("cancel", KEY, before=[SCHEDULE], actions=AuditAction.MAILING_CANCELLED),
    "domain key": Case(
        "domain", "key", "harbor", "--selector", "mail2026", actions=AuditAction.KEY_MADE
    ),
    "export": Case(
        "export", "--list", "crowd", "--out", "out.csv", actions=AuditAction.SUPPORTERS_EXPORTED
    ),
    "import": Case(
        "import", "people.csv", "--list", "crowd",
        prepare=some_people, actions=AuditAction.IMPORT_DONE,
    ),
    "import --undo": Case(
        "import", "--undo", "4", actions=AuditAction.IMPORT_UNDONE
    ),
    "keys make": Case(
        "keys", "make", "backup", prepare=without_backup_keys, actions=AuditAction.KEY_MADE
    ),
    "keys reseal": Case("keys", "reseal", actions=AuditAction.RESEALED),
    "keys retire": Case(
        "keys", "retire", "seal", "1",
        before=[("keys", "rotate", "seal")], actions=AuditAction.KEY_RETIRED,
    ),
    "keys rotate": Case(
        "keys", "rotate", "seal", actions=[AuditAction.KEY_ROTATED, AuditAction.RESEALED]
    ),
    "keys rotate tokens": Case("keys", "rotate", "tokens", actions=AuditAction.KEY_ROTATED),
    "newsletters draft": Case(
        "newsletters", "draft", LETTERS,
        before=[LOAD_LETTERS, ("statements", "publish", SLUG)],
        actions=AuditAction.MAILING_DRAFTED,
    ),
    "newsletters load": Case(*LOAD_LETTERS, actions=AuditAction.NEWSLETTER_LOADED),
    "newsletters stop": Case(
        "newsletters", "stop", LETTERS,
        before=[LOAD_LETTERS], actions=AuditAction.NEWSLETTER_STOPPED,
    ),
    "pause": Case("pause", KEY, before=[SCHEDULE], actions=AuditAction.MAILING_PAUSED),
    "release": Case(
        "release", KEY, before=[SCHEDULE], prepare=hold, actions=AuditAction.MAILING_RELEASED
    ),
    # Nobody is told in this workspace, and it says so.
    "release --ask": Case(
        "release", KEY, "--ask", before=[SCHEDULE], prepare=hold, status=1,
        actions=AuditAction.RELEASE_ASKED,
    ),
    "resume": Case(
        "resume", KEY, before=[SCHEDULE, ("pause", KEY)], actions=AuditAction.MAILING_RESUMED
    ),
    "schedule": Case(*SCHEDULE, actions=AuditAction.MAILING_SCHEDULED),
    "send": Case(
        "send", *PLAN, "--yes", "1",
        actions=[AuditAction.MAILING_SCHEDULED, AuditAction.MAILING_FINISHED],
    ),
    "sign-up allow": Case("sign-up", "allow", typed=PERSON, actions=AuditAction.SIGN_UP_ALLOWED),
    "statements load": Case("statements", "load", SLUG, actions=AuditAction.STATEMENT_REVISED),
    "statements publish": Case(
        "statements", "publish", SLUG, actions=AuditAction.STATEMENT_PUBLISHED
    ),
    "statements relist": Case(
        "statements", "relist", SLUG, "--yes",
        before=[("statements", "unlist", SLUG, "--yes")], actions=AuditAction.STATEMENT_RELISTED,
    ),
    "statements unlist": Case(
        "statements", "unlist", SLUG, "--yes", actions=AuditAction.STATEMENT_UNLISTED
    ),
    "statements withdraw": Case(
        "statements", "withdraw", SLUG, "--yes", actions=AuditAction.STATEMENT_WITHDRAWN
    ),
    "supporters erase": Case(
        "supporters", "erase", "--yes", typed=PERSON, actions=AuditAction.SUPPORTER_ERASED
    ),
    "supporters lift": Case(
        "supporters", "lift", "--yes", typed=PERSON,
        before=[("supporters", "suppress")], actions=AuditAction.SUPPRESSION_LIFTED,
    ),
    "supporters show": Case(
        "supporters", "show", typed=PERSON, actions=AuditAction.SUPPORTER_SHOWN
    ),
    "supporters suppress": Case(
        "supporters", "suppress", typed=PERSON, actions=AuditAction.SUPPRESSION_MADE
    ),
    # Its relay is nowhere: that it was tried is on record.
    "test-send": Case("test-send", "--statement", SLUG, status=1, actions=AuditAction.TEST_SENT),
    "tokens add": Case(*ADD_TOKEN, actions=AuditAction.TOKEN_MADE),
    "tokens revoke": Case(
        "tokens", "revoke", "website", before=[ADD_TOKEN], actions=AuditAction.TOKEN_ENDED
    ),
    "upgrade": Case(
        "upgrade", "--no-backup", prepare=of_an_older_version, actions=AuditAction.UPGRADED
    ),
    "users add": Case(*ADD_BOB, actions=AuditAction.USER_ADDED),
    "users disable": Case(
        "users", "disable", "bob", before=[ADD_BOB], actions=AuditAction.USER_DISABLED
    ),
    "users enable": Case(
        "users", "enable", "bob",
        before=[ADD_BOB, ("users", "disable", "bob")], actions=AuditAction.USER_ENABLED,
    ),
    # Nobody is signed in: nothing ends, and nothing is on record.
    "users end-sessions": Case("users", "end-sessions", "bob", before=[ADD_BOB], actions=()),
    "users reset": Case(
        "users", "reset", "bob", "--yes", before=[ADD_BOB], actions=AuditAction.PASSWORD_CHANGED
    ),
    "users roles": Case(
        "users", "roles", "bob", "--role", "sender",
        before=[ADD_BOB], actions=AuditAction.USER_CHANGED,
    ),
}  # fmt: skip
#: Tested apart: they make the workspace in which their entry is.
ALONE = frozenset({"init", "restore"})


def commands():
    """Return the names of all commands there are: "backup", "keys rotate"."""
    group = typer.main.get_command(app)
    names = set()
    for name in group.list_commands(None):
        one = group.get_command(None, name)
        names |= {f"{name} {inner}" for inner in getattr(one, "commands", {})} or {name}
    return names


def entries(folder):
    """Return the whole log, which holds."""
    store = Workspace.open(folder).store
    with store.read() as connection:
        found = list(entries_in_order(connection))
        assert verify(connection).flaw is None
    store.close()
    return found


@pytest.fixture
def place(crowd, relay):
    """A workspace with a list of one person and a server in place of its sandbox."""
    workspace = crowd(1)
    relay()
    return workspace


def test_every_command_is_in_the_table():
    """Each either changes nothing or has a test that looks for its entry."""
    tested = {name for name in commands() if any(f"{one} ".startswith(f"{name} ") for one in CASES)}
    assert commands() == tested | READS | OTHERS | ALONE | set(ELSEWHERE)


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_what_is_tested_elsewhere_is_tested_there(name, request):
    """The test that has the world for it looks for the entry."""
    file, action = ELSEWHERE[name]
    assert f"AuditAction.{action.name}" in (request.path.parent / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_a_command_changes_is_on_record(mailer, place, name):
    """Who did it, and what; nobody's address; and the log holds."""
    case = CASES[name]
    for words in case.before:
        ended = mailer(place, *words, typed=PERSON)
        assert 0 == ended.status, ended.text
    if case.prepare is not None:
        case.prepare(place)
    before = len(entries(place)) if name != "upgrade" else 0
    ended = mailer(place, *case.words, typed=case.typed)
    assert case.status == ended.status, ended.text
    new = entries(place)[before:]
    assert case.actions == [one.action for one in new]
    by_people = [one for one in new if one.actor.kind is not ActorKind.PROGRAM]
    assert {one.actor.name for one in by_people} == ({getpass.getuser()} if case.actions else set())
    assert "@" not in repr(new)


@pytest.mark.parametrize("name", sorted(READS - NOT_RUN))
def test_what_only_reads_leaves_nothing(mailer, place, name):
    """Looking at things is not doing them, whatever comes of it."""
    before = len(entries(place))
    words = {"statements changes": [SLUG, "ru"], "segments count": ["country = MD"],
             "segments explain": ["country = MD"]}.get(name, [])  # fmt: skip
    mailer(place, *name.split(), *words, typed=PERSON)
    assert before == len(entries(place))


def test_a_new_workspace_begins_its_log(mailer, tmp_path):
    """The first entry says who made it."""
    assert 0 == mailer(tmp_path, "init", "campaign").status
    (entry,) = entries(tmp_path / "campaign")
    assert (1, AuditAction.WORKSPACE_MADE) == (entry.entry_id, entry.action)


def test_a_restored_log_goes_on_from_the_backup(mailer, place, tmp_path):
    """What came after the backup is gone, and the next entry says so; the log holds."""
    assert 0 == mailer(place, *SCHEDULE).status
    assert 0 == mailer(place, "backup", "--out", tmp_path / "x.backup").status
    until_then = [one for one in entries(place) if one.action is not AuditAction.BACKUP_MADE]
    assert 0 == mailer(place, "pause", KEY).status
    noted = mailer(place, "audit", "verify", "--json").json()["head"]
    folder = tmp_path / "again"
    folder.mkdir()
    for name in ("seal.key", "service.key"):
        shutil.copy(place / name, folder / name)
    ended = mailer(
        tmp_path, "restore", "x.backup", folder, "--key", place / "backup.key",
        "--accept-lost-unsubscribes",
    )  # fmt: skip
    assert 0 == ended.status, ended.text
    found = entries(folder)
    assert until_then == found[: len(until_then)]
    assert [AuditAction.RESTORED, AuditAction.LOSS_ACCEPTED] == [
        one.action for one in found[len(until_then) :]
    ]
    assert 1 == found[len(until_then)].facts["held"]
    ended = mailer(folder, "audit", "verify", "--noted", noted)
    assert 1 == ended.status
    assert "after a restore" in ended.err


def test_the_log_is_listed_narrowed_and_written_out(mailer, place):
    """For people, as JSON, as CSV that no spreadsheet runs, and as lines of JSON."""
    mailer(place, *SCHEDULE)
    mailer(place, "pause", KEY)
    listed = mailer(place, "audit", "list", "--about", KEY)
    assert "mailing paused" in listed.out
    assert f"terminal:{getpass.getuser()}" in listed.out
    told = mailer(place, "audit", "list", "--action", "mailing_paused", "--json").json()
    assert [KEY] == [one["subject"] for one in told]
    assert [] == mailer(place, "audit", "list", "--who", "nobody", "--json").json()
    last = mailer(place, "audit", "list", "--limit", 2)
    assert "Earlier ones: mailer audit list --before" in last.err
    ended = mailer(place, "audit", "export", "--out", "audit.csv")
    assert 0 == ended.status, ended.text
    rows = list(csv.DictReader(io.StringIO((place / "audit.csv").read_text(encoding="utf-8"))))
    assert len(entries(place)) == len(rows)
    assert 0o600 == (place / "audit.csv").stat().st_mode & 0o777
    assert 1 == mailer(place, "audit", "export", "--out", "audit.csv").status
    lines = mailer(place, "audit", "export", "--format", "jsonl", "--about", KEY).out.splitlines()
    assert ["mailing_scheduled", "mailing_paused"] == [json.loads(one)["action"] for one in lines]
    assert 2 == mailer(place, "audit", "list", "--since", "yesterday").status
    assert [] == mailer(place, "audit", "list", "--since", "2036-01-01", "--json").json()


def test_a_changed_log_is_told(mailer, place):
    """Whole: what to keep elsewhere. Changed: which entry, how many before it hold, status 1."""
    ended = mailer(place, "audit", "verify")
    assert 0 == ended.status
    head = ended.out.split()[-1]
    assert 0 == mailer(place, "audit", "verify", "--noted", head).status
    assert 2 == mailer(place, "audit", "verify", "--noted", "17").status
    database = sqlite3.connect(place / "data" / "mailer.db")
    database.execute("UPDATE audit_entry SET subject = 'other' WHERE id = 2")
    database.commit()
    database.close()
    ended = mailer(place, "audit", "verify")
    assert 1 == ended.status
    assert "Entry 2 is not what was written" in ended.err
    assert "The 1 entries before that hold." in ended.err
    assert "changed" == mailer(place, "audit", "verify", "--json").json()["flaw"]
