"""docs/first-mailing.md is done as it stands, on a real Postfix, by the program from its wheel.

To write into the guide what the commands print by now:
MAILER_FILL_GUIDE=1 python -m pytest tests/acceptance/test_first_mailing.py
"""

import base64
import contextlib
import email
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tomllib
from dataclasses import dataclass

import dkim
import pytest
import typer
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from mailer.cli.main import app
from mailer.config.imap import ImapSection
from mailer.config.sections import RelaySection
from tests.acceptance.processes import Nursery, background, until
from tests.support import postfix as postfix_support
from tests.support.certificates import Authority
from tests.support.guide import blocks
from tests.support.guided import GUIDE, Server, filled, open_folder
from tests.support.installed import build_wheel, install
from tests.support.smtp_server import Misbehaviour, SmtpServer, smtp_servers

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
]

#: Of the people in the guide, whom the world does not know.
UNKNOWN = {"boris@inbox.example.net"}
KNOWN = {"anna@inbox.example.net", "corina@inbox.example.net"}
RETURN_PATH = "b@bounces.harbor.example.org"
REPLY_TO = "office@harbor.example.org"


@dataclass
class Evening:
    """What there is when the guide has been followed to its end."""

    server: Server
    said: list
    world: SmtpServer

    def passed_on(self, count, text):
        """Wait for letters that were passed on and hold a text; return them."""
        found = []

        def there():
            found[:] = [
                mail
                for mail in self.world.mails
                if mail.rcpt_tos == (REPLY_TO,) and text in mail.content.decode()
            ]
            return len(found) >= count

        until(there, f"{count} letters at {REPLY_TO}")
        return found

    def program_door(self):
        """Return a connection to the port that is for the program."""
        return smtplib.SMTP("127.0.0.1", int(self.server.ports["2525"]), "localhost", timeout=20)

    def front_door(self):
        """Return a connection to the port that is for the world."""
        return smtplib.SMTP("127.0.0.1", self.server.postfix.port, "mx.example.net", timeout=20)


def has_command(name):
    """Tell whether the program has a command, "relay check", or a group of that name."""
    found = typer.main.get_command(app)
    for word in name.split():
        known = hasattr(found, "list_commands") and word in found.list_commands(None)
        if not known:
            return False
        found = found.get_command(None, word)
    return True


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The command `mailer` as its wheel installs it."""
    folder = tmp_path_factory.mktemp("installed")
    return install(build_wheel(folder), folder / "env")


@pytest.fixture(scope="module")
def evening(program, tmp_path_factory):
    """The server at the end of the evening, what was printed, and the world that got the mails."""
    missing = [one for one in ("caddy", "systemd-analyze") if not shutil.which(one)]
    if reason := postfix_support.why_not() or (f"not installed: {missing}" if missing else ""):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context(smtp_servers(Authority(tmp_path_factory.mktemp("authority"))))
        world = start(
            lambda to: Misbehaviour.REFUSE_RCPT if to in UNKNOWN else Misbehaviour.ACCEPT, dsn=True
        )
        files = stack.enter_context(postfix_support.postfix_files(world.port))
        folder = tmp_path_factory.mktemp("server")
        server = Server(folder, program, files, background, Nursery, world, open_folder(stack))
        stack.callback(server.close)
        text = GUIDE.read_text(encoding="utf-8")
        fills = bool(os.environ.get("MAILER_FILL_GUIDE"))

        def is_run(block):
            return not block.not_run and (
                not block.not_yet or (fills and has_command(block.not_yet))
            )

        said = server.follow(text, is_run=is_run)
        if fills:
            GUIDE.write_text(filled(text, said), encoding="utf-8")
        yield Evening(server, said, world)


def test_the_wheel_requires_all_it_has_and_brings_all_it_needs(program):
    """Nothing but what requirements.lock names is beside it, and pip finds nothing wanting.

    That everything of it can be imported there is shown by the commands below.
    """
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(program.parent / "python"), "check"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert 0 == checked.returncode, checked.stdout + checked.stderr
    (share,) = program.parent.parent.rglob("mailer/share")
    assert {"deploy", "lists", "templates", "config.example.toml"} == {
        path.name for path in share.iterdir()
    }
    assert (share / "deploy" / "systemd" / "mailer.service").is_file()


def test_every_command_prints_what_the_guide_shows(evening):
    """Nobody who follows it meets a line they were not told of."""
    assert [] == [one.fault for one in evening.said if one.fault]
    assert len(evening.said) > 40


def test_the_providers_relay_is_one_that_config_takes():
    """What is shown in place of Postfix is not run, but it is sound."""
    shown = [one.body for one in blocks(GUIDE.read_text(encoding="utf-8")) if one.info == "toml"]
    tables = tomllib.loads("\n".join(shown))
    (relay,) = tables["relays"]
    assert "relay.password" == RelaySection.model_validate(relay).password_file
    mailbox = ImapSection.model_validate(tables["feedback"]["imap"])
    assert "mailbox.password" == mailbox.password_file


def test_no_command_that_there_is_is_marked_as_not_there_yet():
    """A mark `not yet` is taken out when the command comes."""
    marked = [one.not_yet for one in blocks(GUIDE.read_text(encoding="utf-8")) if one.not_yet]
    assert [] == [name for name in marked if has_command(name)]


def test_the_mailing_is_signed_by_us_and_tells_nothing_of_the_server(evening):
    """What came out is what the program signed: no Received of its way in, and a name that is ours."""
    evening.server.postfix.wait_until_empty()
    mails = [mail for mail in evening.world.mails if set(mail.rcpt_tos) & KNOWN]
    assert sorted(KNOWN) == sorted(mail.rcpt_tos[0] for mail in mails)
    key = load_pem_private_key(
        (evening.server.workspace / "dkim-harbor-mail2026.key").read_bytes(), None
    )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    records = {
        "mail2026._domainkey.harbor.example.org.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    }
    for mail in mails:
        assert dkim.DKIM(mail.content).verify(
            dnsfunc=lambda name, timeout=5: records[name.decode()]
        )
        headers = email.message_from_bytes(mail.content)
        assert "DKIM-Signature" == headers.keys()[0]
        assert not {"Received", "X-Mailer", "Sender"} & set(headers.keys())
        assert mail.mail_from.endswith("@bounces.harbor.example.org")
        assert b"localhost" not in mail.content
        assert b"127.0.0.1" not in mail.content
    hellos = {line for line in evening.world.commands if line.startswith("EHLO")}
    assert {"EHLO mail.harbor.example.org"} == hellos


def test_what_cannot_be_delivered_comes_back_to_the_program_without_the_text(evening):
    """RET=HDRS and NOTIFY=FAILURE are kept: it learns which address, and no text of ours is in it.

    The person is mailed no more, and what says so is shown.
    """
    evening.server.postfix.wait_until_empty()
    evening.server.door.wait_for(1)
    (told,) = [call for call in evening.server.door.calls if b"Action: failed" in call[1]]
    arguments, message, status, printed = told
    assert ["feedback", "--recipient"] == arguments[:2]
    assert re.fullmatch(r"b\+\w{25,60}@bounces\.harbor\.example\.org", arguments[2])
    assert (0, "") == (status, printed)
    text = message.decode()
    assert "Final-Recipient: rfc822; boris@inbox.example.net" in text
    assert "Original-Envelope-Id:" in text
    assert "Content-Description: Undelivered Message Headers" in text
    assert "Undelivered Message\n" not in text
    shown = evening.server.ask(
        "supporters", "show", cwd=evening.server.workspace, typed="boris@inbox.example.net\n"
    )
    assert "hard unknown user 5.1.1, tied by verp; suppressed" in shown.out
    assert [mail for mail in evening.world.mails if "boris" in str(mail.rcpt_tos)] == []


def test_all_five_false_ends_of_data_stay_inside_one_mail(evening):
    """VU#302671, at both doors: nobody hides a mail of their own in another."""
    smuggled = b"MAIL FROM:<x@example.com>\r\nRCPT TO:<y@example.com>\r\nDATA\r\nSubject: no\r\n"
    ends = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r")
    before = len(evening.world.mails)
    for door, sender, to in (
        (evening.program_door, RETURN_PATH, "dora+five@inbox.example.net"),
        (evening.front_door, "writer@example.com", RETURN_PATH),
    ):
        for end in ends:
            with door() as client:
                client.ehlo()
                client.docmd("MAIL", f"FROM:<{sender}>")
                client.docmd("RCPT", f"TO:<{to}>")
                client.docmd("DATA")
                client.send(b"Subject: false end\r\n\r\nhello" + end + smuggled + b"\r\n.\r\n")
                assert 250 == client.getreply()[0]
    # Five calls of the program, one after another, on a machine that has other tests to run.
    evening.server.postfix.wait_until_empty(90)
    # A local part with + is carried on as it is.
    assert ["dora+five@inbox.example.net"] * 5 == [
        one for mail in evening.world.mails[before:] for one in mail.rcpt_tos if one != REPLY_TO
    ]
    # What came to the return path is a letter, so it went on.
    assert 5 == len(evening.passed_on(5, "Subject: false end"))


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (RETURN_PATH, 250),
        ("b+a3kl4faptxd2jjzptsz7lnz@bounces.harbor.example.org", 250),
        ("u+a3kl4faptxd2jjzptsz7lnz@bounces.harbor.example.org", 250),
        ("b@mail.harbor.example.org", 550),
        ("postmaster@mail.harbor.example.org", 250),
        ("abuse@bounces.harbor.example.org", 250),
        ("root@mail.harbor.example.org", 550),
        ("mailer@bounces.harbor.example.org", 550),
        ("news@harbor.example.org", 554),
        ("stranger@example.com", 554),
        ("stranger%example.com@mail.harbor.example.org", 554),
    ],
)
def test_from_outside_it_takes_what_comes_back_and_nothing_else(evening, to, code):
    """Four names in one domain, two in the other; it carries on nothing for strangers."""
    with evening.front_door() as client:
        client.ehlo()
        client.docmd("MAIL", "FROM:<>")
        assert code == client.docmd("RCPT", f"TO:<{to}>")[0]
        assert client.docmd("VRFY", to)[0] in (502, 252)


def test_nobody_in_the_guide_is_named_in_what_the_program_says(evening):
    """No address of a supporter is printed, nor in the program's log or clear in its database."""
    printed = "\n".join(line for one in evening.said for line in one.printed)
    files = [evening.server.workspace / "run.log", evening.server.workspace / "data" / "mailer.db"]
    for text in (printed.encode(), *(path.read_bytes() for path in files)):
        assert b"inbox.example.net" not in text
