"""What a real Postfix sends back finds its supporter by the pipe, and nothing hostile in it comes alive."""

import contextlib
import json
import re
import smtplib
import subprocess
import sys

import pytest

from mailer.app.routing import relay_digest
from mailer.app.workspace import Workspace
from mailer.store.relays import mark_relay_verified
from tests.acceptance.processes import ENVIRONMENT, until
from tests.support import postfix as postfix_support
from tests.support.guided import open_folder
from tests.support.pipe_door import RUNS_AS, PipeDoor
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance, pytest.mark.postfix, pytest.mark.timeout(240)]

DOMAIN = "bounces.harbor.example.org"
#: What a terminal, a reader of text or a browser might obey.
HOSTILE = (
    "<script>alert(1)</script> \x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u202c \u2066x\u2069 \x9b31m"
)
_ALIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_REPORT = """\
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: {to}
Subject: Undelivered Mail Returned to Sender {hostile}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

{hostile}
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {address}
Action: failed
Status: 5.1.1
Remote-MTA: dns; {hostile}
Diagnostic-Code: smtp; 550 5.1.1 User unknown {hostile}

--b--
"""


#: Of the crowd, the one whom the world does not know.
UNKNOWN = "person0@example.org"


@pytest.fixture
def way_back(workspace, crowd, live_relay, change):
    """A live workspace whose relay is a real Postfix, to which its return path leads back.

    It gives the Postfix, and the door by which that calls the program.
    """
    if reason := postfix_support.why_not():
        pytest.skip(reason)
    crowd(3)
    world = live_relay(
        lambda to: Misbehaviour.REFUSE_RCPT if to == UNKNOWN else Misbehaviour.ACCEPT, dsn=True
    )

    def call(arguments, message):
        ended = subprocess.run(
            [sys.executable, "-m", "mailer", "-w", str(workspace), *arguments], input=message,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60,
            env=ENVIRONMENT,
        )  # fmt: skip
        return ended.returncode, ended.stdout.decode()

    with contextlib.ExitStack() as stack:
        folder = open_folder(stack)
        door = stack.enter_context(PipeDoor(folder, call).open())
        relay = stack.enter_context(
            postfix_support.postfix_files(
                world.port,
                mydestination=DOMAIN,
                recipient_delimiter="+",
                transport_maps=f"inline:{{ {DOMAIN}=mailer: }}",
                mailer_destination_recipient_limit="1",
            )
        )
        with (relay.folder / "config" / "master.cf").open("a") as services:
            services.write(
                f"mailer unix - n n - - pipe flags=ORq null_sender= user={RUNS_AS} directory={folder} "
                f"argv={door.script} feedback --recipient ${{original_recipient}}\n"
            )
        postfix_support.start_postfix(relay)
        change(workspace / "config.toml", f"port = {world.port}", f"port = {relay.port}")
        opened = Workspace.open(workspace)
        with opened.store.write() as connection:
            (section,) = opened.config.relays
            mark_relay_verified(connection, section.key, relay_digest(section))
        opened.store.close()
        yield relay, door, world


def test_who_bounces_is_mailed_no_more_and_a_hostile_report_comes_alive_nowhere(
    mailer, workspace, way_back
):
    """Refused behind a relay that had accepted the mail, returned to the mail's own return path.

    The evidence is shown. What a report says beside that is words and nothing else, wherever they
    are shown: in a terminal, in JSON, in the log.
    """
    relay, door, world = way_back
    sent = mailer(workspace, "send", "--statement", "her-rights", "--list", "crowd", "--yes", 3)
    assert 0 == sent.status, sent.text
    door.wait_for(1)
    (arguments, message, status, said) = door.calls[0]
    assert (0, "") == (status, said)
    assert re.fullmatch(rf"b\+\w+@{re.escape(DOMAIN)}", arguments[-1])
    assert message.startswith(b"Return-Path: <>\n")
    assert b"Action: failed" in message
    shown = mailer(workspace, "supporters", "show", typed=f"{UNKNOWN}\n").text
    for word in ("hard unknown user 5.1.1", "tied by verp", "suppressed"):
        assert word in shown
    # The return path of somebody who got it: the world has seen it.
    other = until(lambda: [one for one in world.mails if one.rcpt_tos != [UNKNOWN]], "a mail")[0]
    report = _REPORT.format(to=other.mail_from, address=other.rcpt_tos[0], hostile=HOSTILE)
    with smtplib.SMTP(relay.host, relay.port, "mx.example.net", timeout=20) as client:
        client.ehlo()
        client.sendmail("", [other.mail_from], report.encode(), ["BODY=8BITMIME"])
    door.wait_for(2)
    assert (0, "") == door.calls[1][2:]
    key = "her-rights-1"
    asked = [
        mailer(workspace, "supporters", "show", typed=f"{other.rcpt_tos[0]}\n"),
        mailer(workspace, "report", key),
        mailer(workspace, "report", key, "--json"),
        mailer(workspace, "status"),
        mailer(workspace, "status", "--json"),
        mailer(workspace, "deliveries", key),
    ]
    explained = call_explain(workspace, report)
    assert "User unknown" in asked[0].text
    for text in (*(one.text for one in asked), explained, sent.text):
        assert [] == _ALIVE.findall(text)
    told = json.loads(explained)[0]["diagnostic"]
    assert [] == _ALIVE.findall(told)
    assert "hard" == json.loads(explained)[0]["class"]


def call_explain(workspace, report):
    """What `mailer feedback --explain` prints of a message."""
    return subprocess.run(
        [sys.executable, "-m", "mailer", "-w", str(workspace), "feedback", "--explain"],
        input=report.encode(), capture_output=True, check=True, timeout=60, env=ENVIRONMENT,
    ).stdout.decode()  # fmt: skip
