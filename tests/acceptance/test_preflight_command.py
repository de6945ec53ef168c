"""`mailer preflight` says what blocks and what is worth a look, and scheduling heeds the first."""

import pytest

from tests.acceptance.conftest import SLUG

pytestmark = [pytest.mark.acceptance]

PLAN = ("--statement", SLUG, "--list", "harbor-news")
HOUR = ("--at", "2036-12-01T09:00", "--timezone", "Europe/Chisinau")


def test_the_sample_statement_has_nothing_that_blocks(mailer, prepared):
    """What is worth a look is told all the same, to people and to programs; the status is 0."""
    ended = mailer(prepared, "preflight", *PLAN, *HOUR)
    assert 0 == ended.status, ended.text
    for words in ("this is a rehearsal", "Nobody has asked the DNS yet", "people would be mailed",
                  "mail in en: ", "0 blocking, "):  # fmt: skip
        assert words in ended.out
    told = mailer(prepared, "preflight", *PLAN, "--json").json()
    assert (0, ["en", "ru"]) == (told["blocking"], [one["language"] for one in told["mails"]])
    codes = {one["code"] for one in told["findings"]}
    assert {"not_live", "edition_missing", "links_not_asked", "relay_unverified"} <= codes
    (missing, *_) = [one for one in told["findings"] if one["code"] == "edition_missing"]
    assert {"statement": SLUG, "language": "uk"} == missing["place"]
    assert "advisory" == missing["weight"]


def test_what_blocks_has_status_1_and_is_refused_by_every_way_to_send(mailer, workspace, change):
    """A mail whose text has no link to unsubscribe is neither scheduled nor sent."""
    layout = workspace / "templates" / "mail" / "base" / "layout.txt"
    change(layout, "{{ unsubscribe_url }}", "https://harbor.example.org")
    ended = mailer(workspace, "preflight", *PLAN)
    assert 1 == ended.status
    assert "lacks the link to unsubscribe in its text part" in ended.out
    assert 0 < ended.out.index("blocking") < ended.out.index("advisory")
    for arguments in (("schedule", *PLAN, *HOUR), ("send", *PLAN)):
        assert 1 == mailer(workspace, *arguments, "--yes", 306).status
    assert [] == mailer(workspace, "mailings", "list", "--json").json()


def test_an_hour_on_a_day_with_another_mailing_is_told(mailer, workspace):
    """By the key of the other; a mailing on record is looked at by its own key."""
    count = mailer(workspace, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    assert 0 == mailer(workspace, "schedule", *PLAN, *HOUR, "--yes", count).status
    told = mailer(workspace, "preflight", *PLAN, *HOUR, "--json").json()
    (clash,) = [one for one in told["findings"] if one["code"] == "clash"]
    assert {"statement": SLUG, "list": "harbor-news", "mailing": f"{SLUG}-1"} == clash["place"]
    told = mailer(workspace, "preflight", f"{SLUG}-1", "--json").json()
    assert "clash" not in {one["code"] for one in told["findings"]}


@pytest.mark.parametrize("options", [(), ("--list", "harbor-news"), (f"{SLUG}-1", *PLAN)])
def test_half_of_what_is_needed_is_wrong_use(mailer, prepared, options):
    """A mailing, or a statement and a list."""
    ended = mailer(prepared, "preflight", "--json", *options)
    assert 2 == ended.status
    assert "Name a mailing, or --statement and --list." in ended.err
