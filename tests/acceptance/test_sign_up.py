"""From the form to the next mailing, by real processes and the sandbox's inbox."""

import json
import re
import urllib.parse
import urllib.request

import pytest

from tests.acceptance.processes import answers, ports, running, until
from tests.acceptance.test_run import schedule_soon
from tests.support.mail import message, text_of
from tests.support.sign_ups import form, switched_on

pytestmark = [pytest.mark.acceptance]

ANNA = "anna@example.org"


def asked(address, fields=None):
    """Return the page at an address; with fields, the answer to a form."""
    body = urllib.parse.urlencode(fields).encode() if fields is not None else None
    with urllib.request.urlopen(address, data=body, timeout=30) as page:
        return page.read().decode()


def mails_to(inbox, address):
    """Return the mails that the sandbox holds for an address, the newest first."""
    url = f"http://127.0.0.1:{inbox}"
    listed = json.loads(asked(f"{url}/api/mails"))["mails"]
    numbers = [one["number"] for one in listed if one["to"] == address]
    return [asked(f"{url}/mails/{one}/source").encode() for one in numbers]


def test_who_signs_up_gets_the_next_mailing(mailer, crowd):
    """The form of the page, the mail in the sandbox, its link, the button; no log names them."""
    folder = crowd(1)
    config = folder / "config.toml"
    config.write_text(switched_on(config.read_text(encoding="utf-8"), lists='["crowd"]'))
    assert "/join" in mailer(folder, "sign-up", "form").out
    web, _, inbox = ports(folder)
    site = f"http://127.0.0.1:{web}"
    with running(folder) as started:
        until(lambda: answers(web) and answers(inbox), "the ports to answer")
        assert "Sign up" in asked(f"{site}/join")
        assert "Check your mail" in asked(f"{site}/join", form(ANNA, language="ru"))
        (mail,) = until(lambda: mails_to(inbox, ANNA), "the confirmation")
        assert "Пожалуйста, подтвердите свой адрес" == message(mail)["Subject"]
        (link,) = re.findall(rf"{site}/join/[\w-]+", text_of(mail))
        asked(link)
        assert "You are signed up" in asked(link, {"action": "confirm"})
        schedule_soon(mailer, folder, 2)
        mail, _ = until(lambda: len(found := mails_to(inbox, ANNA)) == 2 and found, "the mailing")
        assert "ru" == message(mail)["Content-Language"]
        assert 0 == started.stop()
        told = started.log.read_text(encoding="utf-8")
    assert "sign-up confirmed" in told
    assert "anna" not in told
    assert link.rpartition("/")[2] not in told
