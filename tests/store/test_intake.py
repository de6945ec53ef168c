"""Messages that came back get in by any way once; letters go on to Reply-To; what fails is told."""

import asyncio
import email
import hashlib
import os
import sys
import threading
from email.policy import default

import pytest
from typer.testing import CliRunner

from mailer.app import mailboxes
from mailer.app.checking import check_workspace
from mailer.app.intake import Intake
from mailer.app.letters import MOST_FROM_ONE, MOST_IN_ALL
from mailer.app.mailboxes import MAILDIR_POLL_S, build_watch
from mailer.app.status import look_at
from mailer.app.workspace import Workspace
from mailer.cli.common import WRONG_USE, set_workspace_folder
from mailer.cli.feedback import TRY_AGAIN, _fetched
from mailer.cli.main import app
from mailer.feedback.intake.handling import OCTETS_FETCHED, Handled, NotNow
from mailer.feedback.intake.maildir import PROCESSED, UNREAD
from mailer.feedback.reading.message import OCTETS_READ
from mailer.model.alerts import AlertKind
from mailer.model.faults import FaultsFound
from mailer.store import tables
from mailer.store.alerts import lasting_alerts
from mailer.store.service_mails import claim_service, open_mail
from tests.support.came_back import dsn, letter
from tests.support.clocks import NOW, FixedClock
from tests.support.databases import sqlite_copy
from tests.support.dovecot import PASSWORD, USER
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace, made_live

CONFIG = f"""{HARBOR_CONFIG}
[[senders]]
key = "lantern"
organisation = "harbor"
name = {{ en = "Lantern Network" }}
address = "letters@lantern.example.net"
return_path_domain = "bounces.lantern.example.net"
"""
#: A report that says nothing of anybody.
ODD = (
    b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: b@bounces.harbor.example.org\r\n"
    b"Subject: Delivery failure\r\n\r\nSomething could not be delivered.\r\n"
)
HARBOR, LANTERN = "b+x@bounces.harbor.example.org", "b+x@bounces.lantern.example.net"


@pytest.fixture
def workspace(tmp_path, sqlite_template):
    """A workspace on SQLite with both keys and a Maildir; it is not live."""
    for part in ("new", "cur", "tmp"):
        (tmp_path / "in" / part).mkdir(parents=True)
    lay_workspace(tmp_path, f'{CONFIG}[feedback]\nmaildir = "in"\n')
    sqlite_copy(sqlite_template, tmp_path / "data" / "mailer.db").close()
    opened = Workspace.open(tmp_path, FixedClock(NOW))
    yield opened
    if "store" in vars(opened):
        opened.store.close()
    set_workspace_folder(tmp_path)


def passed_on(workspace):
    """The letters that wait to go out: to whom, and as a mail program reads them."""
    with workspace.store.write() as connection:
        mails = claim_service(connection, "w", "sandbox", 100, workspace.clock.now())
    opened = [open_mail(workspace.seal_keys, one) for one in mails]
    return [(one.address, email.message_from_bytes(one.content, policy=default)) for one in opened]


def test_a_letter_goes_on_to_whoever_its_return_path_is_of(workspace):
    """From our own address, with Reply-To the writer; its text is read, and itself beside it."""
    intake = Intake(workspace)
    raw = letter(LANTERN, "Спасибо", "Какое письмо!")
    assert Handled.DONE is intake.handle(raw, [LANTERN])
    assert Handled.DONE is intake.handle(letter(HARBOR), [])
    (first, one), (second, two) = passed_on(workspace)
    # Where a sender names no Reply-To, its own address reads the answers.
    assert ("letters@lantern.example.net", "office@harbor.example.org") == (first, second)
    assert "letters@lantern.example.net" == one["From"].addresses[0].addr_spec
    assert "Harbor Solidarity <news@harbor.example.org>" == two["From"]
    assert "mila@example.net" == one["Reply-To"]
    assert "auto-generated" == one["Auto-Submitted"]
    assert "Fwd: Спасибо" == one["Subject"]
    text, attached = one.iter_parts()
    assert "Какое письмо!" in text.get_content()
    assert "From: Mila <mila@example.net>" in text.get_content()
    assert ("application/octet-stream", "letter.eml") == (
        attached.get_content_type(), attached.get_filename()
    )  # fmt: skip
    assert raw == attached.get_content()


def test_a_letter_goes_on_once(workspace):
    """However often it is fetched, and with whatever line ends."""
    intake, raw = Intake(workspace), letter(HARBOR)
    for copy in (raw, raw, raw.replace(b"\r\n", b"\n")):
        assert Handled.DONE is intake.handle(copy, [HARBOR])
    assert 1 == len(passed_on(workspace))


@pytest.mark.parametrize(
    "field",
    [
        b"Auto-Submitted: auto-generated\r\n", b"Auto-Submitted: auto-replied (vacation)\r\n",
        b"Precedence: bulk\r\n", b"List-Id: <news.example.com>\r\n",
    ],
)  # fmt: skip
def test_what_a_program_wrote_is_not_passed_on(workspace, field):
    """RFC 3834: else two programs would write to each other for ever."""
    assert Handled.DONE is Intake(workspace).handle(field + letter(HARBOR), [HARBOR])
    assert [] == passed_on(workspace)


def test_what_we_passed_on_does_not_come_back_to_be_passed_on(workspace):
    """Neither as it is, nor with the field taken out that says that a program wrote it."""
    intake = Intake(workspace)
    intake.handle(letter(HARBOR), [HARBOR])
    ((_, sent),) = passed_on(workspace)
    again = sent.as_bytes()
    without = again.replace(b"Auto-Submitted: auto-generated", b"X-Other: x")
    for raw in (again, without):
        intake.handle(raw, [HARBOR])
    assert [] == passed_on(workspace)


@pytest.mark.parametrize("own", ["office@harbor.example.org", "News@harbor.example.org", HARBOR])
def test_what_comes_from_our_own_address_is_kept_for_a_person(workspace, own):
    """Whoever reads the answers would get their own letter."""
    raw = letter(HARBOR).replace(b"mila@example.net", own.encode())
    assert Handled.UNREAD is Intake(workspace).handle(raw, [HARBOR])
    assert [] == passed_on(workspace)


def test_nobody_floods_a_mailbox_by_way_of_us(workspace):
    """Of one writer some letters an hour go on, of all a few more; the rest is kept, not lost."""
    intake, clock = Intake(workspace), workspace.clock

    def write(writer, number):
        raw = letter(HARBOR, f"letter {number}").replace(b"mila@", writer.encode() + b"@")
        return intake.handle(raw, [HARBOR])

    told = [write("mila", number) for number in range(MOST_FROM_ONE + 2)]
    assert [Handled.DONE] * MOST_FROM_ONE + [Handled.UNREAD] * 2 == told
    others = [write(f"writer{number}", number) for number in range(MOST_IN_ALL)]
    assert MOST_IN_ALL - MOST_FROM_ONE == others.count(Handled.DONE)
    clock.forward(hours=1, seconds=1)
    assert Handled.DONE is write("mila", 99)


def test_of_a_long_letter_the_text_alone_goes_on_and_says_so(workspace):
    """What is attached to it would fill mailboxes."""
    raw = letter(HARBOR, body="Hello.\r\n" + "x" * OCTETS_READ)[:OCTETS_FETCHED]
    assert Handled.DONE is Intake(workspace).handle(raw, [HARBOR])
    ((_, mail),) = passed_on(workspace)
    assert "text/plain" == mail.get_content_type()
    assert "longer than 256 kB" in mail.get_content()
    assert "Hello." in mail.get_content()


def test_nothing_in_a_letter_comes_alive(workspace):
    """Its HTML is read as words; neither its fields nor its text can add a field or turn a line."""
    raw = (
        "From: =?utf-8?q?Mila=0D=0ABcc=3A_x=40example=2Ecom?= <mila@example.net>\r\n"
        f"To: {HARBOR}\r\nSubject: =?utf-8?q?hello=0D=0ABcc=3A_y=40example=2Ecom=E2=80=AE?=\r\n"
        "Content-Type: text/html; charset=utf-8\r\n\r\n"
        "<script>alert(1)</script><p>Hello\u202e <img src='http://example.com/x'>there</p>\x1b[2J\r\n"
    ).encode()
    assert Handled.DONE is Intake(workspace).handle(raw, [HARBOR])
    ((_, mail),) = passed_on(workspace)
    assert mail["Bcc"] is None
    text = next(mail.iter_parts()).get_content()
    assert "Hello" in text
    assert "there" in text
    assert not [one for one in ("<script", "<img", "\x1b", "\u202e") if one in text]


def test_a_letter_waits_for_the_key_that_seals_it_and_a_bounce_does_not(workspace):
    """Nothing of it is written before; then it goes on."""
    key = workspace.config.seal_key_path
    hidden = key.rename(key.with_name("elsewhere"))
    intake = Intake(workspace)
    with pytest.raises(NotNow, match=r"seal\.key"):
        intake.handle(letter(HARBOR), [HARBOR])
    assert Handled.DONE is intake.handle(dsn("", "anna@example.org"), [HARBOR])
    hidden.rename(key)
    assert Handled.DONE is intake.handle(letter(HARBOR), [HARBOR])
    assert 1 == len(passed_on(workspace))


def test_a_live_workspace_passes_letters_on_by_a_verified_relay_only(workspace):
    """Until there is one they wait."""
    path = workspace.config.root / "config.toml"
    live = made_live(path.read_text())
    live += (
        '[web]\nbase_url = "https://example.org"\n[[relays]]\nkey = "main"\nhost = "example.org"\n'
    )
    path.write_text(live)
    with pytest.raises(NotNow, match="has not been verified"):
        Intake(workspace.reread()).handle(letter(HARBOR), [HARBOR])


# ------------------------------------------------------------------------------------- the pipe


def piped(workspace, raw, *more, **environment):
    """Call the command as a mail server does."""
    folder = str(workspace.config.root)
    return CliRunner(env=environment).invoke(
        app, ["--workspace", folder, "feedback", *more], input=raw
    )


def findings(workspace):
    """What is on record."""
    with workspace.store.read() as connection:
        return connection.execute(tables.feedback_finding.select()).all()


def test_a_mail_server_hears_nothing_when_all_is_well(workspace):
    """A bounce, the same once more, a letter, a vacation notice: 0, and not a word."""
    for raw in (dsn("", "anna@example.org"), dsn("", "anna@example.org"), letter(HARBOR)):
        ended = piped(workspace, raw, "--recipient", HARBOR)
        assert (0, "", "") == (ended.exit_code, ended.stdout, ended.stderr)
    assert 1 == len(findings(workspace))
    assert 1 == len(passed_on(workspace))


def test_what_nobody_can_read_is_kept_once(workspace):
    """As it came, for its owner alone; the mail server need not keep it."""
    for _ in range(2):
        assert 0 == piped(workspace, ODD).exit_code
    (path,) = workspace.config.unread_dir.iterdir()
    assert ODD == path.read_bytes()
    assert f"{hashlib.sha256(ODD).hexdigest()}.eml" == path.name
    assert 0o600 == path.stat().st_mode & 0o777
    (told,) = [one for one in look_at(workspace).intake if one.place == "pipe"]
    assert 1 == told.unread


def test_recipients_come_as_options_or_in_the_environment(workspace):
    """As pipe(8) and local(8) have them: they choose who reads a letter."""
    raw = letter("undisclosed@example.com")
    assert 0 == piped(workspace, raw, ORIGINAL_RECIPIENT=LANTERN).exit_code
    assert 0 == piped(workspace, raw + b"\r\n2", "--recipient", HARBOR).exit_code
    assert ["letters@lantern.example.net", "office@harbor.example.org"] == [
        address for address, _ in passed_on(workspace)
    ]


@pytest.mark.parametrize("lost", ["config.toml", "service.key", "data/mailer.db", "seal.key"])
def test_what_cannot_be_done_now_is_asked_for_again(workspace, lost):
    """Status 75 and a reason that begins as mail servers have it; no address, no traceback."""
    (workspace.config.root / lost).unlink()
    ended = piped(workspace, letter(HARBOR), "--recipient", HARBOR)
    assert TRY_AGAIN == ended.exit_code
    assert ended.stderr.startswith("4.3.0 ")
    assert "@" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_all_of_a_message_is_read_though_only_its_beginning_counts(monkeypatch):
    """A mail server that cannot write to the end takes the program for broken."""
    read, write = os.pipe()
    written = []

    def feed():
        with os.fdopen(write, "wb") as file:
            file.write(dsn("", "anna@example.org") + b"x" * 3_000_000)
            written.append(True)

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(read) as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert OCTETS_FETCHED == len(_fetched())
    thread.join(20)
    assert [True] == written


# ----------------------------------------------------------------------------- what is watched


def watch(workspace, until, monkeypatch):
    """Run the role until `until()` is true."""
    monkeypatch.setattr(mailboxes, "MAILDIR_POLL_S", 0.02)
    serve = build_watch(workspace)

    async def run():
        stop = asyncio.Event()
        running = asyncio.create_task(serve(stop))
        for _ in range(1_000):
            if running.done() or until():
                break
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(running, 20)

    asyncio.run(run())
    assert until()


def files(folder):
    """The names of the messages of a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_the_role_empties_a_maildir_and_says_how_that_goes(workspace, monkeypatch):
    """Without `seal.key` letters wait and all else goes on; `mailer status` tells both."""
    inbox = workspace.config.maildir
    workspace.config.seal_key_path.rename(workspace.config.root / "elsewhere")
    (inbox / "new" / "1.a").write_bytes(dsn("", "anna@example.org"))
    (inbox / "new" / "2.b").write_bytes(ODD)
    (inbox / "new" / "3.c").write_bytes(letter(HARBOR))
    watch(
        workspace,
        lambda: files(inbox / UNREAD / "cur") and look_at(workspace).intake[0].read_at,
        monkeypatch,
    )
    assert ["1.a:2,S"] == files(inbox / PROCESSED / "cur")
    assert ["3.c"] == files(inbox / "new")
    assert 2 == len(findings(workspace))
    seen = look_at(workspace)
    (place,) = seen.intake
    assert ("Maildir", NOW, 1, 1, "") == (
        place.place, place.read_at, place.unread, place.waiting, place.failure
    )  # fmt: skip
    assert [need for need in seen.needs if "wait to be passed on" in need]


def test_a_maildir_that_is_gone_is_told_and_comes_back(workspace, monkeypatch):
    """To staff at once, since it does not mend itself; over when it can be read again."""
    inbox = workspace.config.maildir

    def lasting():
        with workspace.store.read() as connection:
            return lasting_alerts(connection, [AlertKind.MAILBOX_NOT_READ])

    inbox.rename(inbox.with_name("away"))
    watch(workspace, lasting, monkeypatch)
    (need,) = [one for one in look_at(workspace).needs if "Maildir" in one]
    assert "No such file" in need
    assert str(inbox.parent) not in need
    inbox.with_name("away").rename(inbox)
    watch(workspace, lambda: not lasting(), monkeypatch)
    assert not [one for one in look_at(workspace).needs if "Maildir" in one]


def test_one_process_watches_and_the_next_takes_over(workspace, monkeypatch):
    """Of two at once the second waits for the first to end."""
    inbox = workspace.config.maildir
    with mailboxes._lock(workspace.config.data_dir) as is_mine:
        assert is_mine()
        (inbox / "new" / "1.a").write_bytes(ODD)
        ticks = []
        watch(workspace, lambda: ticks.append(1) or len(ticks) > 20, monkeypatch)
        assert ["1.a"] == files(inbox / "new")
    watch(workspace, lambda: not files(inbox / "new"), monkeypatch)


def test_the_role_empties_a_mailbox_and_tells_of_a_refused_login(workspace, dovecot, monkeypatch):
    """Staff are alerted at once, it goes on trying, and it is over when the login is right again."""
    server, path = dovecot(), workspace.config.root / "config.toml"
    server.deliver(dsn("", "anna@example.org"), ODD)
    path.write_text(
        f'{CONFIG}[feedback.imap]\nhost = "localhost"\nport = {server.port}\ntls = "none"\n'
        f'username = "{USER}"\npassword_env = "MAILBOX_PASSWORD"\n'
    )

    def lasting():
        with workspace.store.read() as connection:
            return lasting_alerts(connection, [AlertKind.MAILBOX_NOT_READ])

    monkeypatch.setenv("MAILBOX_PASSWORD", "guess")
    watch(workspace.reread(), lasting, monkeypatch)
    assert "refuses our login" in lasting()[0].facts["reason"]
    assert 2 == len(server.messages("INBOX"))
    monkeypatch.setenv("MAILBOX_PASSWORD", PASSWORD)
    watch(workspace.reread(), lambda: not lasting(), monkeypatch)
    assert ([], 1, 1) == (
        server.messages("INBOX"), len(server.messages("Processed")), len(server.messages("Unread"))
    )  # fmt: skip
    (place,) = look_at(workspace.reread()).intake
    assert ("mailbox", 1, "") == (place.place, place.unread, place.failure)


def test_nothing_to_watch_is_a_fault(workspace):
    """Told with what to write."""
    path = workspace.config.root / "config.toml"
    path.write_text(CONFIG)
    with pytest.raises(FaultsFound) as raised:
        build_watch(workspace.reread())
    (fault,) = raised.value.faults
    assert ("feedback", "no Maildir and no mailbox is configured") == (fault.field, fault.problem)
    assert MAILDIR_POLL_S < 10


def test_the_check_finds_what_the_role_could_not_use(workspace):
    """A folder that is no Maildir, a password that is not there."""
    path = workspace.config.root / "config.toml"
    imap = '[feedback.imap]\nhost = "imap.example.org"\nusername = "b"\npassword_file = "p"\n'
    path.write_text(f'{CONFIG}[feedback]\nmaildir = "data"\n{imap}')
    found = {fault.field: fault.problem for fault in check_workspace(workspace.reread())}
    assert found["feedback.maildir"].startswith("it is no Maildir")
    assert "the file cannot be read" == found["feedback.imap.password_file"]


def test_at_a_terminal_it_explains_itself(workspace, monkeypatch):
    """Nobody waits for a message that nobody types."""
    monkeypatch.setattr("mailer.cli.feedback._is_typed", lambda: True)
    ended = piped(workspace, b"")
    assert WRONG_USE == ended.exit_code
    assert "mailer feedback --explain < message" in ended.stderr
