"""A translation that comes later, and a correction: who gets what, by the real commands."""

import re
from email import message_from_bytes
from email.policy import SMTP

import pytest

from mailer.app.workspace import Workspace
from mailer.store import tables
from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import running, until

pytestmark = [pytest.mark.acceptance]

FOLDER = f"templates/statements/{SLUG}"
CROWD = ("--statement", SLUG, "--list", "crowd")
FIRST, SECOND, THIRD = (f"{SLUG}-{number}" for number in (1, 2, 3))
LATE = f'skipped("{SLUG}", no_acceptable_edition) or fallback("{SLUG}", ro)'
#: Who reads what, and never what: two were not served, two read the notice.
PEOPLE = """email,languages,never_languages
reads-en@example.org,en,
reads-ru@example.org,ru,
falls-back@example.org,ro,
later@example.org,ro;ru,
forbids@example.org,ro,en;ru
other@example.org,uk,
"""


@pytest.fixture
def crowd(mailer, workspace):
    """A workspace with six people on the list `crowd`."""
    source = (workspace / "lists" / "harbor-news.toml").read_text(encoding="utf-8")
    text = source.replace("news.harbor.example.org", "crowd.harbor.example.org")
    text = re.sub(r"(?m)^languages = .*$", 'languages = ["en"]', text)
    (workspace / "lists" / "crowd.toml").write_text(text, encoding="utf-8")
    (workspace / "crowd.csv").write_text(PEOPLE)
    ended = mailer(workspace, "import", "crowd.csv", "--list", "crowd", "--json")
    assert 6 == ended.json()["added"], ended.text
    return workspace


def _got(server, since=0):
    """Return who got which language from a server, past the first so many mails."""
    got = []
    for mail in server.mails[since:]:
        parsed = message_from_bytes(mail.content, policy=SMTP)
        got.append((mail.rcpt_tos[0].split("@")[0], parsed["Content-Language"]))
    return sorted(got)


def _add_romanian(mailer, workspace):
    """Write a Romanian edition, as it were, and load the statement."""
    english = (workspace / FOLDER / "en.md").read_text(encoding="utf-8")
    ro = english.replace("title: Her rights", "title: Drepturile ei", 1)
    path = workspace / FOLDER / "ro.md"
    path.write_text(ro.replace("\n---\n", "\ntranslated_from: 0\n---\n", 1), encoding="utf-8")
    told = mailer(workspace, "statements", "check", FOLDER).text
    digest = re.search(r"then write translated_from: (\w+)", told)[1]
    path.write_text(ro.replace("\n---\n", f"\ntranslated_from: {digest}\n---\n", 1), "utf-8")
    ended = mailer(workspace, "statements", "load", FOLDER)
    assert 0 == ended.status, ended.text


def test_a_late_translation_goes_to_those_it_was_missing_for(mailer, crowd, relay):
    """Those who fell back and who could not be served, in Romanian; a second time to nobody."""
    server = relay()
    assert 0 == mailer(crowd, "send", *CROWD, "--yes", 5).status
    assert [
        ("falls-back", "en"), ("later", "ru"), ("other", "en"), ("reads-en", "en"), ("reads-ru", "ru")
    ] == _got(server)  # fmt: skip
    _add_romanian(mailer, crowd)
    ended = mailer(crowd, "send", *CROWD, "--segment", LATE, "--yes", 3)
    assert 0 == ended.status, ended.text
    assert [("falls-back", "ro"), ("forbids", "ro"), ("later", "ro")] == _got(server, 5)
    again = mailer(crowd, "send", *CROWD, "--segment", LATE, "--yes", 0)
    assert (1, 8) == (again.status, len(server.mails))
    assert "Nobody would be mailed" in again.err
    # Who never had the choice of it is left as they were.
    told = mailer(crowd, "segments", "count", f'fallback("{SLUG}")', "--list", "crowd", "--json")
    assert 1 == told.json()["people"]


def _correct(crowd, mailer, *options):
    hour = ("--at", "2020-01-01T09:00", "--timezone", "Europe/Chisinau", "--grace", "99999d")
    return mailer(crowd, "schedule", "--correct", FIRST, *hour, *options)


def _run(mailer, workspace, key):
    """Let a scheduled mailing run to its end."""
    with running(workspace, "--only", "scheduler"), running(workspace, "--only", "senders"):
        until(
            lambda: mailer(workspace, "report", key, "--json").json()["state"] == "finished",
            "the correction to finish",
        )


def test_a_correction_reaches_exactly_those_who_got_the_mistake(mailer, crowd, relay):
    """In the language they got then and with the day; who joined since gets none."""
    server = relay()
    refused = _correct(crowd, mailer)
    assert (1, True) == (refused.status, "There is no mailing" in refused.err)
    segment = "not (uk in languages)"
    sent = mailer(crowd, "send", *CROWD, "--segment", segment, "--urgent", "--yes", 4)
    assert 0 == sent.status
    refused = _correct(crowd, mailer)
    assert (2, True) == (refused.status, "which is the latest: nothing is corrected" in refused.err)
    _add_romanian(mailer, crowd)
    (crowd / "late.csv").write_text("email,languages\njoined-since@example.org,en\n")
    assert 0 == mailer(crowd, "import", "late.csv", "--list", "crowd").status
    refused = mailer(
        crowd,
        "schedule",
        "--correct",
        FIRST,
        *CROWD,
        "--at",
        "2036-01-01T09:00",
        "--timezone",
        "UTC",
    )
    assert 2 == refused.status
    assert "--statement, --list: cannot be chosen with --correct." in refused.err
    ended = _correct(crowd, mailer, "--yes", 4)
    assert 0 == ended.status, ended.text
    assert f"corrects {FIRST} of " in ended.out
    assert "that one reached 4 people" in ended.out
    assert f"corrects {FIRST}" in mailer(crowd, "mailings", "show", SECOND).out
    refused = _correct(crowd, mailer)
    assert f"{SECOND} corrects {FIRST} with revision 2 already" in refused.err
    _run(mailer, crowd, SECOND)
    assert [
        ("falls-back", "en"), ("later", "ru"), ("reads-en", "en"), ("reads-ru", "ru")
    ] == _got(server, 4)  # fmt: skip
    texts = {
        mail.rcpt_tos[0].split("@")[0]: message_from_bytes(mail.content, policy=SMTP)
        .get_body(("plain",))
        .get_content()
        .replace("\r\n", "\n")
        for mail in server.mails[4:]
    }
    assert texts["reads-en"].startswith(
        "This message is a correction.\nIt replaces the one you were"
    )
    assert texts["reads-ru"].startswith("Это письмо — исправление.\n")
    # There is a Romanian edition by now: the notice that there is none would not be true.
    assert texts["falls-back"].startswith("Acest mesaj este o rectificare.\n")
    assert "nu este disponibil" not in texts["falls-back"]
    report = mailer(crowd, "report", SECOND, "--json").json()
    assert (FIRST, {"excluded": 3}) == (report["corrects"], report["not_mailed"])
    # It is as urgent as what it corrects.
    assert report["urgent"]


def test_what_is_not_known_any_more_is_said(mailer, crowd, relay):
    """Where deliveries are gone, neither a segment nor a correction answers as if there were none."""
    relay()
    assert 0 == mailer(crowd, "send", *CROWD, "--yes", 5).status
    hour = ("--at", "2036-01-01T09:00", "--timezone", "UTC")
    expression = f'not received("{SLUG}")'
    planned = mailer(crowd, "schedule", *CROWD, *hour, "--segment", expression, "--yes", 1)
    assert 1 == planned.status, planned.text  # The one who is left forbids every edition.
    workspace = Workspace.open(crowd)
    with workspace.store.write() as connection:
        connection.execute(tables.mailing.update().values(deliveries_gone_at=workspace.clock.now()))
    workspace.store.close()
    for ended in (
        mailer(crowd, "schedule", *CROWD, *hour, "--segment", expression, "--yes", 1),
        mailer(crowd, "segments", "count", expression),
        mailer(crowd, "schedule", "--correct", FIRST, *hour),
    ):
        assert 2 == ended.status
        assert f"the deliveries of {FIRST} were deleted on" in ended.err
