"""Supporters and suppressions by the API: in and out, one by one, and never in a URL."""

import pytest

from mailer.store.audit import entries_before
from tests.support.drafts import LIST

SOURCE = {"consent_source": "form at example.org/join"}


def _add(program, *rows, **more):
    answer = program.post(
        f"/lists/{LIST}/supporters", json={"rows": [{**SOURCE, **one} for one in rows], **more}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_people_come_onto_a_list_and_out_again(program):
    """As they were sent: languages in their order, tags, consent with where it came from."""
    sent = {
        "email": "Mira@example.org", "name": "=Mira; -Example", "languages": ["ru", "uk"],
        "never_languages": ["be"], "country": "MD", "time_zone": "Europe/Chisinau",
        "tags": ["press", "choir, sings"], "consented_at": "2026-01-02T03:04:05Z", "discreet": True,
    }  # fmt: skip
    added = _add(program, sent)
    assert added["counts"]["added"] == 1
    assert added["rows"] == [{"index": 0, "what": "added", "reason": ""}]
    page = program.post(f"/lists/{LIST}/members", json={}).json()
    (mira,) = [one for one in page["items"] if one["email"].lower() == "mira@example.org"]
    assert mira["name"] == sent["name"]
    assert (mira["languages"], mira["never_languages"]) == ("ru;uk", "be")
    assert mira["consent_source"] == SOURCE["consent_source"]
    assert mira["discreet"] == "yes"
    assert mira["tags"] == '"choir, sings";press'


def test_each_row_is_told_by_its_place_and_no_address(program):
    """What is wrong with one row keeps no other out."""
    told = _add(
        program,
        {"email": "nobody"},
        {"email": "good@example.org"},
        {"email": "good@example.org"},
        {"email": "zone@example.org", "time_zone": "Nowhere"},
        {"email": "no@example.org", "consent": "no"},
    )
    assert [one["index"] for one in told["rows"]] == [0, 1, 2, 3, 4]
    assert [one["what"] for one in told["rows"]][:4] == ["rejected", "added", "merged", "rejected"]
    assert "@" not in "".join(one["reason"] for one in told["rows"])


def test_a_dry_run_changes_nothing(program):
    """It says what would come of it."""
    told = _add(program, {"email": "dry@example.org"}, dry_run=True)
    assert (told["batch"], told["counts"]["added"]) == (0, 1)
    found = program.post("/supporters/find", json={"address": "dry@example.org"}).json()
    assert found["people"] == []


@pytest.mark.parametrize(
    "row",
    [
        {"email": "x@example.org"},
        {"email": "x@example.org", "consent_source": ""},
        {"email": "x@example.org\r\ny@example.org", **SOURCE},
        {"email": "x@example.org", **SOURCE, "attributes": {"nobody_declared": "x"}},
        {"email": "x@example.org", **SOURCE, "surname": "x"},
        {"email": "x@example.org", **SOURCE, "name": "\ud800"},
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(program, row):
    """Without where consent came from nobody is taken, and nothing is dropped in silence."""
    answer = program.post(
        f"/lists/{LIST}/supporters",
        content=__import__("json").dumps({"rows": [row]}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


def test_a_lists_people_come_in_pages(program):
    """Page by page one sees each once."""
    _add(program, *({"email": f"page{n}@example.org"} for n in range(5)))
    seen, after = [], 0
    while after is not None:
        page = program.post(f"/lists/{LIST}/members", json={"after": after, "limit": 2}).json()
        seen += [one["email"] for one in page["items"]]
        after = page["next"]
    assert {f"page{n}@example.org" for n in range(5)} <= set(seen)
    assert len(seen) == len(set(seen))


def test_looking_at_people_is_on_record(api, program):
    """By their rows' ids, and never by their address."""
    _add(program, {"email": "seen@example.org", "name": "Seen"})
    found = program.post("/supporters/find", json={"address": "SEEN@example.org"}).json()
    assert found["people"][0]["fields"]["name"] == "Seen"
    assert found["people"][0]["lists"][0]["list"] == LIST
    program.post(f"/lists/{LIST}/members", json={})
    with api.workspace.store.read() as connection:
        members, shown = entries_before(connection, None, 2)
    assert shown.action.value == "supporter_shown"
    assert shown.subject.startswith("supporter ")
    assert (members.action.value, members.subject) == ("supporters_exported", LIST)


def test_who_is_erased_is_gone_and_stays_out(program):
    """Nothing is found, and no row brings them back."""
    _add(program, {"email": "gone@example.org"})
    address = {"address": "gone@example.org"}
    assert program.post("/supporters/erase", json=address).json() == {"organisations": 1}
    assert program.post("/supporters/find", json=address).json()["people"] == []
    told = _add(program, {"email": "gone@example.org"})
    assert told["rows"][0]["what"] == "suppressed"


def test_an_address_is_suppressed_and_that_is_lifted(program):
    """What staff did is lifted unasked; a person's own word stays until they take it back."""
    address = {"address": "stop@example.org"}
    assert program.post("/suppressions", json=address).json() == {"changed": True}
    found = program.post("/suppressions/find", json=address).json()
    assert (found["suppressed"], found["suppressions"][0]["reason"]) == (True, "manual")
    assert found["suppressions"][0]["organisation"] == "all"
    assert program.post("/suppressions/lift", json=address).json() == {"lifted": 1, "stays": []}
    assert not program.post("/suppressions/find", json=address).json()["suppressed"]
    program.post("/supporters/erase", json=address)
    lift = {**address, "they_asked_for_it": True}
    assert program.post("/suppressions/lift", json=address).json() == {
        "lifted": 0,
        "stays": ["erased"],
    }
    assert program.post("/suppressions/lift", json=lift).json()["lifted"] == 1


def test_an_organisation_that_is_not_there_is_told(program):
    """With those there are."""
    sent = {"address": "x@example.org", "organisation": "nowhere"}
    refused = program.post("/suppressions", json=sent)
    assert (refused.status_code, refused.json()["code"]) == (422, "no-organisation")
