"""The main job in one go, on loopback: a workspace, a statement, lists, a mailing, its report.

In: a folder for the workspace. Out: steps that the command line shows as they happen. Everything
is real: the same commands' code, the same processes, SMTP to the sandbox, pages over HTTP.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyotp

from mailer.app.accounts import Accounts as StaffAccounts
from mailer.app.planning import Plan, Wish, make_plan
from mailer.app.scheduling import schedule
from mailer.app.supervisor import SUPERVISED
from mailer.app.workspace import Workspace
from mailer.audience.imports import import_csv
from mailer.audience.results import ImportResult
from mailer.config import CONFIG_FILE
from mailer.feedback.preferences import pause_end
from mailer.model.mailing import Mailing
from mailer.model.staff import BY_ITSELF, Actor, ActorKind, StaffRole
from mailer.model.states import MailingState
from mailer.statements.source import read_statement
from mailer.store.engine import StoreUnavailable
from mailer.store.exports import members_after
from mailer.store.imports import find_list
from mailer.store.mailings import load_mailing
from mailer.store.preferences import pause, want_only_urgent
from mailer.store.reports import Progress, Report, example_delivery, on_lists, progress, report
from mailer.store.statements import publish, save_revision
from mailer.store.topics import topics_of_all
from mailer.tokens import Purpose

SLUG = "her-rights"
#: What the sample is about in the demo; the first list declares it.
TOPIC = "women"
#: One of so many people of the first list pauses, and one wants urgent appeals only.
_EVERY = 25
#: More than the first list has.
_MOST_PEOPLE = 1_000
LISTS = ("harbor-news", "harbor-volunteers", "lantern-friends")
#: Written into the demo's folder, so that only such a folder is ever removed.
MARK = ".mailer-demo"
#: What the scheduler is given to notice and freeze.
AHEAD_S = 3
#: The longest it waits for its processes to answer: a busy machine starts four of them slowly.
STARTING_S = 60.0
#: The longest a demo waits for its mailing.
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Links:
    """What to open in a browser."""

    inbox: str
    web_view: str
    archive: str
    unsubscribe: str


@dataclass(frozen=True, repr=False)
class DemoUser:
    """Somebody who can sign in to the demo's desk."""

    login: str
    password: str
    roles: tuple[StaffRole, ...]
    #: Each takes the place of an app's code once.
    codes: tuple[str, ...]


#: Who is on the demo's staff: one writes and sends, another approves and manages.
STAFF = (
    ("ana", "Ana Munteanu", (StaffRole.AUTHOR, StaffRole.SENDER)),
    ("bohdan", "Bohdan Kovalenko", (StaffRole.APPROVER, StaffRole.ADMINISTRATOR)),
)


@dataclass(frozen=True)
class Choices:
    """How many people of the first list chose what."""

    topics: int
    text_only: int
    paused: int
    only_urgent: int


@dataclass(frozen=True)
class Accounts:
    """The report held against who is on the lists, counted apart."""

    mailing: Mailing
    report: Report
    memberships_on_lists: int
    addresses_on_lists: int

    @property
    def complete(self) -> bool:
        """Whether everyone on the lists has exactly one delivery, and each its outcome or reason."""
        return (
            self.mailing.state is MailingState.FINISHED
            and self.report.open == 0
            and self.report.people == self.addresses_on_lists
            and self.report.memberships == self.memberships_on_lists
        )


class FolderInUse(Exception):
    """The folder holds something that is not a demo, or a demo that is running."""

    def __init__(self, folder: Path, problem: str) -> None:
        self.folder = folder
        super().__init__(f"{folder} {problem}. Name another folder: mailer demo --dir NAME")


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Empty the folder of an earlier demo, and keep others out of it while the block runs.

    Raises:
        FolderInUse: when the folder holds anything else, or another demo; it is left alone.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FolderInUse(folder, "is there and is no folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise FolderInUse(folder, "is there and is no demo")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a") as mark:
        try:
            # Given back by the system however this process ends.
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderInUse(folder, "has a demo that is running") from error
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != MARK:
                path.unlink()
        yield


def _free_ports(count: int) -> list[int]:
    """Return loopback ports nobody listens on.

    The system picks them: two demos begun at the same moment would both find fixed ones free.
    """
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def adapt_config(folder: Path, *, desk: bool = True) -> None:
    """Give the workspace free ports, a sandbox that misbehaves for some, and short pauses.

    Args:
        folder: Of the workspace.
        desk: Run the staff's desk, too.
    """
    web, smtp, inbox, staff = _free_ports(4)
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    changes = {
        'base_url = "http://127.0.0.1:8025"': f'base_url = "http://127.0.0.1:{web}"',
        "\nport = 8025\n": f"\nport = {web}\n",
        "smtp_port = 8026": f"smtp_port = {smtp}",
        "inbox_port = 8027": f"inbox_port = {inbox}",
        "\nport = 8029\n": f"\nport = {staff}\n",
        "\nenabled = true\n": f"\nenabled = {str(desk).lower()}\n",
        "misbehave = false": "misbehave = true",
        # It refuses some on purpose, and they may all come first.
        "refused_percent = 10.0": "refused_percent = 100.0",
        "first_retry_s = 600.0": "first_retry_s = 2.0",
        "longest_retry_s = 21600.0": "longest_retry_s = 4.0",
        "shutdown_grace_s = 20.0": "shutdown_grace_s = 5.0",
    }
    for old, new in changes.items():
        if text.count(old) != 1:
            raise ValueError(f"config.example.toml has no single line {old.strip()!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def give_topic(folder: Path) -> None:
    """Let the sample statement be about a topic, so that it misses who chose others alone."""
    path = folder / "templates" / "statements" / SLUG / "statement.toml"
    text, line = path.read_text(encoding="utf-8"), f'slug = "{SLUG}"\n'
    if text.count(line) != 1:
        raise ValueError(f"the sample statement has no single line {line.strip()!r}")
    path.write_text(text.replace(line, f'{line}topics = ["{TOPIC}"]\n'), encoding="utf-8")


def load_sample(workspace: Workspace) -> int:
    """Load the sample statement, publish it, and return its revision's number."""
    folder = workspace.config.templates_dir / "statements" / SLUG
    revision, _ = read_statement(folder, workspace.config.root)
    if revision is None:
        raise ValueError("the sample statement has faults; see: mailer statements check")
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        stored = save_revision(connection, revision, now)
        # A mailing in the sandbox lists nothing by itself.
        publish(connection, SLUG, stored.revision_id, now)
    return stored.number


def import_samples(workspace: Workspace) -> Iterator[tuple[str, ImportResult]]:
    """Import the example lists one after the other; yield each list's key and counts."""
    config = workspace.config
    definitions, _ = workspace.lists
    for key in LISTS:
        yield (
            key,
            import_csv(
                workspace.store,
                workspace.seal_keys,
                workspace.service_keys,
                config.lists_dir / f"example-{key}.csv",
                definitions[key],
                rejects_dir=config.data_dir / "rejects",
                now=workspace.clock.now(),
                log=workspace.suppression_log,
            ),
        )


def make_choices(workspace: Workspace) -> Choices:
    """Let some people of the first list choose what no file can say; count all who chose.

    It is written as their preferences page writes it.
    """
    definition = workspace.lists[0][LISTS[0]]
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        list_id, _ = find_list(connection, definition.key, definition.owner)
        members = members_after(connection, list_id, 0, _MOST_PEOPLE)
        # Of those whom nothing else keeps from being mailed, so that the report has them all.
        free = [one.id for one in members if one.consent_basis and not (one.discreet or one.never)]
        for one in free[::_EVERY]:
            pause(connection, one, pause_end(now), now)
        for one in free[_EVERY // 2 :: _EVERY]:
            want_only_urgent(connection, one, now, wanted=True)
        members = members_after(connection, list_id, 0, _MOST_PEOPLE)
        topics = topics_of_all(connection, list_id, [one.id for one in members])
    return Choices(
        topics=sum(bool(chosen) for chosen in topics.values()),
        text_only=sum(one.text_only for one in members),
        paused=sum(one.paused_until is not None for one in members),
        only_urgent=sum(one.only_urgent for one in members),
    )


def make_staff(workspace: Workspace) -> list[DemoUser]:
    """Make accounts whose passwords and codes are drawn anew for each demo."""
    accounts = StaffAccounts(workspace)
    made = []
    for login, name, roles in STAFF:
        password = f"demo-{secrets.token_hex(5)}"
        invitation = accounts.invite(BY_ITSELF, login, name, roles, ())
        setup = accounts.begin(invitation.token, password)
        code = pyotp.TOTP(setup.secret).at(workspace.clock.now())
        codes = accounts.confirm(invitation.token, code).recovery_codes
        made.append(DemoUser(login, password, roles, codes))
    return made


def plan_mailing(workspace: Workspace) -> Plan:
    """Work out the demo's mailing: the sample to all three lists."""
    return make_plan(workspace, Wish(SLUG, LISTS, sender="harbor"))


def schedule_mailing(workspace: Workspace, plan: Plan) -> Mailing:
    """Schedule it a few seconds ahead."""
    return schedule(
        workspace,
        Actor(ActorKind.TERMINAL, "demo"),
        plan,
        due_at=workspace.clock.now() + timedelta(seconds=AHEAD_S),
        time_zone=workspace.config.workspace.time_zone,
        grace_s=workspace.config.schedule.grace_s,
    )


@contextlib.contextmanager
def running(workspace: Workspace, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `mailer run` on the workspace until the block ends; its log goes to a file."""
    command = [sys.executable, "-m", "mailer", "--workspace", str(workspace.config.root), "run"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  (Our own program, with our own arguments.)
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            # It ends by itself when this pipe closes: nothing goes on serving after a killed demo.
            stdin=subprocess.PIPE, env={**os.environ, SUPERVISED: "1"},
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(workspace.config.delivery.shutdown_grace_s + 15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def await_listening(workspace: Workspace, process: subprocess.Popen[bytes]) -> bool:
    """Wait until sandbox and pages answer; False when the process ended or took too long."""
    sandbox, web = workspace.config.sandbox, workspace.config.web
    deadline = time.monotonic() + STARTING_S
    ports = [sandbox.smtp_port, sandbox.inbox_port, web.port]
    if workspace.config.desk.enabled:
        ports.append(workspace.config.desk.port)
    for port in ports:
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
    return True


def watch(workspace: Workspace, mailing: Mailing) -> Iterator[tuple[Mailing, Progress]]:
    """Yield where the mailing stands, several times a second, until it ended or patience did."""
    deadline = time.monotonic() + PATIENCE_S
    ended = (MailingState.FINISHED, MailingState.CANCELLED, MailingState.HELD)
    while time.monotonic() < deadline:
        with contextlib.suppress(StoreUnavailable), workspace.store.read() as connection:
            mailing = load_mailing(connection, mailing.row_id)
            yield mailing, progress(connection, mailing.row_id)
            if mailing.state in ended:
                return
        time.sleep(0.1)


def accounts(workspace: Workspace, mailing: Mailing) -> Accounts:
    """Count the mailing's deliveries, and apart from them who is on its lists."""
    with workspace.store.read() as connection:
        people = on_lists(connection, mailing.row_id)
        return Accounts(
            load_mailing(connection, mailing.row_id),
            report(connection, mailing.row_id),
            people.memberships,
            people.addresses,
        )


def links(workspace: Workspace, mailing: Mailing) -> Links:
    """Return the addresses to look at: inbox, web view, one person's unsubscribe page."""
    config = workspace.config
    with workspace.store.read() as connection:
        example = example_delivery(connection, mailing.row_id)
    token = workspace.tokens.person(Purpose.UNSUBSCRIBE, *example) if example else ""
    return Links(
        inbox=f"http://127.0.0.1:{config.sandbox.inbox_port}/",
        web_view=f"{config.web.base_url}/w/{SLUG}/ru",
        archive=f"{config.web.base_url}/",
        unsubscribe=f"{config.web.base_url}/u/{token}",
    )
