"""People whose names are programs are mailed like all others: by `mailer run`, through the sandbox."""

import csv
import io
import json
import re
import urllib.request
from email import message_from_string
from email.policy import default

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import answers, ports, running, until

pytestmark = [pytest.mark.acceptance]

#: What each is called: for templates, for pages, for spreadsheets, for headers' encodings.
NAMES = (
    "{{7*7}}",
    "{% for x in range(9) %}",
    "{{ supporter.address }}",
    "{{ config }} ${7*7} #{7*7} <%= 7*7 %>",
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "=?utf-8?b?QmNjOiB4QGV4YW1wbGUub3Jn?=",
    "%(name)s {name} {0} %s",
    "=1+1",
)


def asked(port, path):
    """What the inbox answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def test_names_arrive_as_they_are_and_mails_name_nobody_else(mailer, crowd):
    """Each name stands in its own mail as it was typed; each mail holds one address of the list."""
    folder = crowd(1)
    (folder / "config.toml").chmod(0o600)
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["email", "name", "languages"])
    people = {f"named{number}@example.org": name for number, name in enumerate(NAMES)}
    writer.writerows([[address, name, "en"] for address, name in people.items()])
    (folder / "named.csv").write_text(rows.getvalue(), encoding="utf-8")
    ended = mailer(folder, "import", "named.csv", "--list", "crowd", "--json")
    assert ended.json()["added"] == len(people)
    inbox = ports(folder)[2]
    with running(folder) as started:
        until(lambda: all(answers(port) for port in ports(folder)), "the ports to answer")
        count = len(people) + 1
        sent = mailer(
            folder, "send", "--statement", SLUG, "--list", "crowd", "--yes", count
        )  # fmt: skip
        assert sent.status == 0, sent.text
        until(lambda: json.loads(asked(inbox, "/api/mails"))["total"] == count, "the mails")
        mails = json.loads(asked(inbox, "/api/mails"))["mails"]
        sources = {one["to"]: asked(inbox, f"/mails/{one['number']}/source") for one in mails}
        assert started.stop() == 0
    assert sources.keys() >= people.keys()
    everybody = set(sources)
    for address, name in people.items():
        parsed = message_from_string(sources[address], policy=default)
        text = parsed.get_body(("plain",)).get_content()
        html = parsed.get_body(("html",)).get_content()
        assert f"Hello {name}," in text
        assert "Hello 49," not in text
        assert not re.search(r"<script|onerror='|<img src=x", html)
        whole = f"{parsed.as_string()}\n{text}\n{html}"
        assert {one for one in everybody if one in whole} == {address}
        assert [one for one in people.values() if one in text] == [name]
