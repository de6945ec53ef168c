"""`mailer segments`: whom an expression means, for people and for programs."""

import re

import pytest

from tests.acceptance.conftest import SLUG

pytestmark = [pytest.mark.acceptance]

EXPRESSION = f'segment(active-volunteers) or (country in (MD, UA) and not received("{SLUG}"))'


def test_a_count_is_the_same_by_every_way(mailer, prepared):
    """Counted, explained and listed; by the key alone and named in an expression."""
    told = mailer(prepared, "segments", "count", "active-volunteers", "--json").json()
    assert '"volunteer" in tags and hours >= 4' == told["expression"]
    listed = mailer(prepared, "segments", "list", "--json").json()
    by_key = {one["segment"]: one["people"] for one in listed}
    explained = mailer(
        prepared, "segments", "explain", "segment(active-volunteers)", "--json"
    ).json()
    assert told["people"] == by_key["active-volunteers"] == explained["people"] > 0
    assert told["on_lists"] == explained["on_lists"] > told["people"]
    shown = mailer(prepared, "segments", "count", "active-volunteers").out
    assert f"{told['people']} of {told['on_lists']} people on harbor-news, " in shown


def test_an_explanation_says_what_is_asked_and_what_is_not_known(mailer, prepared):
    """Each part with its people, each field with those who lack it, and what they read first."""
    told = mailer(prepared, "segments", "explain", EXPRESSION, "--json").json()
    assert [0, 1, 2, 2, 1, 2, 2] == [one["depth"] for one in told["parts"]]
    assert told["people"] == told["parts"][0]["people"] == sum(told["by_language"].values())
    assert ["tags", "hours", "country"] == list(told["lacking"])
    shown = mailer(prepared, "segments", "explain", EXPRESSION).out
    assert re.search(r"any of these holds: +\d+", shown)
    assert f'not so: "{SLUG}" was sent to them' in shown
    assert "A comparison with what is not known never holds, also !=." in shown


def test_only_the_lists_named_are_looked_on(mailer, prepared):
    """An address on two of them counts once."""
    lists = ("harbor-news", "harbor-volunteers")
    one, two, both = (
        mailer(prepared, "segments", "count", "country = MD", "--json",
               *(word for key in keys for word in ("--list", key))).json()["people"]
        for keys in (lists[:1], lists[1:], lists)
    )  # fmt: skip
    assert max(one, two) <= both < one + two
    assert mailer(prepared, "segments", "list", "--list", "lantern-friends").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["count", "received(her-right)"], f'Did you mean "{SLUG}"'),
        (["count", "received(her-right)"], "EXPR, column 10: no statement"),
        (
            ["explain", "nobody"],
            'no saved segment is called "nobody". There are: active-volunteers,',
        ),
        (["count", "country = MD", "--list", "nothing"], '--list: there is no list "nothing"'),
    ],
)
def test_what_cannot_be_counted_is_said_plainly(mailer, prepared, arguments, words):
    """Wrong use, with the place and what there is."""
    ended = mailer(prepared, "segments", *arguments)
    assert (2, "") == (ended.status, ended.out)
    assert words in ended.err


@pytest.mark.parametrize("option", ["--segment", "--exclude"])
def test_an_empty_expression_does_not_mean_everyone(mailer, prepared, option):
    """A shell that knows no such variable leaves one."""
    plan = ("--statement", SLUG, "--list", "harbor-news")
    ended = mailer(prepared, "mailings", "coverage", *plan, option, "")
    assert (2, "") == (ended.status, ended.out)
    assert f"Invalid value for '{option}': it is empty." in ended.err


def test_what_was_scheduled_is_kept_whatever_becomes_of_the_file(mailer, workspace, change):
    """The mailing pins the expression as it read then; the check names statements nobody knows."""
    plan = ("--statement", SLUG, "--list", "harbor-volunteers", "--segment", "active-volunteers")
    count = mailer(workspace, "mailings", "coverage", *plan, "--json").json()["to_mail"]
    hour = ("--at", "2036-12-01T09:00", "--timezone", "UTC")
    ended = mailer(workspace, "schedule", *plan, *hour, "--yes", count)
    assert 0 == ended.status, ended.text
    file = workspace / "lists" / "segments.toml"
    change(file, '"volunteer" in tags and hours >= 4', 'received("lost-letter")')
    shown = mailer(workspace, "mailings", "show", f"{SLUG}-1").out
    assert '  only "volunteer" in tags and hours >= 4\n' in shown
    checked = mailer(workspace, "check")
    assert 1 == checked.status
    place = "lists/segments.toml:9:24: active-volunteers: "
    assert f'{place}no statement "lost-letter" has been loaded' in checked.err
    # Two options are wanted, or the one that stands for them.
    ended = mailer(workspace, "schedule", *hour)
    assert (2, True) == (ended.status, "--statement and --list must be named" in ended.err)
