"""Mailings by the API: drafted, approved, scheduled, stopped, reported."""

from datetime import timedelta

import pytest

from mailer.app.approving import NotTheirs, review_of, vote
from mailer.model.api_token import Purpose
from mailer.model.approval import Vote
from mailer.model.staff import Actor, ActorKind
from tests.support.api import served_api
from tests.support.drafts import LIST, SLUG, drafting_workspace, wanting

ANA, BOB = Actor(ActorKind.STAFF, "ana"), Actor(ActorKind.STAFF, "bob")


@pytest.fixture(scope="module", autouse=True)
def people(program):
    """Three people on the list."""
    rows = [
        {"email": f"reader{n}@example.org", "consent_source": "form", "languages": ["en"]}
        for n in range(3)
    ]
    assert program.post(f"/lists/{LIST}/supporters", json={"rows": rows}).status_code == 200


def _draft(program):
    made = program.post("/mailings", json={"statement": SLUG, "lists": [LIST]})
    assert made.status_code == 201, made.text
    return made.json()["mailing"]


def _hour(api, people, **more):
    at = (api.workspace.clock.now() + timedelta(days=1)).replace(second=0, microsecond=0)
    return {"at": at.isoformat(), "people": people, **more}


def test_a_mailing_goes_from_draft_to_cancelled(api, program):
    """Drafted, counted, scheduled, paused, resumed, cancelled: each shows where it stands."""
    key = _draft(program)
    assert program.get(f"/mailings/{key}").json()["state"] == "draft"
    counted = program.post(f"/mailings/{key}/count").json()
    assert counted["people"] == 3
    scheduled = program.post(f"/mailings/{key}/schedule", json=_hour(api, 3))
    assert scheduled.status_code == 200, scheduled.text
    assert scheduled.json()["state"] == "scheduled"
    states = [
        program.post(f"/mailings/{key}/{step}").json()["state"]
        for step in ("pause", "resume", "cancel")
    ]
    assert states == ["paused", "scheduled", "cancelled"]
    over = program.post(f"/mailings/{key}/pause")
    assert (over.status_code, over.json()["code"]) == (409, "wrong-state")
    report = program.get(f"/reports/{key}").json()
    assert (report["mailing"], report["confirmed"]) == (key, 3)


def test_another_number_than_was_counted_is_refused(api, program):
    """The answer says how many it would be; nothing is scheduled."""
    key = _draft(program)
    refused = program.post(f"/mailings/{key}/schedule", json=_hour(api, 2))
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong-count")
    assert refused.json()["people"] == 3
    assert program.get(f"/mailings/{key}").json()["state"] == "draft"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"at": "2020-01-01T09:00:00Z"}, "passed"),
        ({"at": "2026-12-01T09:00:30Z"}, "no-minute"),
        ({"at": "2026-12-01T09:00:00"}, "malformed"),
        ({"at": "9999-12-31T23:59:00Z"}, "malformed"),
        ({"time_zone": "Nowhere/City"}, "no-zone"),
        ({"at": "2027-10-31T01:30:00Z", "time_zone": "Europe/Berlin"}, "ambiguous-hour"),
        ({"window": "25:00"}, "faults"),
        ({"canary": "some"}, "faults"),
    ],
)
def test_an_hour_that_nobody_can_mean_is_refused(api, program, changes, code):
    """By a word for programs and a sentence for people."""
    key = _draft(program)
    refused = program.post(f"/mailings/{key}/schedule", json=_hour(api, 3, **changes))
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text


def test_faults_name_the_fields_of_the_request(program):
    """And not the options of the command line."""
    refused = program.post("/mailings", json={"statement": SLUG, "lists": ["nowhere"]})
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["faults"]] == ["lists"]
    refused = program.post(
        "/mailings", json={"statement": SLUG, "lists": [LIST], "segment": "country ="}
    )
    assert [one["field"] for one in refused.json()["faults"]] == ["segment"]


def test_mailings_come_in_pages_the_latest_first(program):
    """Page by page one sees each once."""
    made = [_draft(program) for _ in range(3)]
    seen, before = [], ""
    while before is not None:
        page = program.get("/mailings", params={"limit": 2, "before": before}).json()
        seen += [one["mailing"] for one in page["items"]]
        before = page["next"]
    assert seen[:3] == made[::-1]
    assert len(seen) == len(set(seen))
    cancelled = program.get("/mailings", params={"state": "cancelled"}).json()["items"]
    assert {one["state"] for one in cancelled} <= {"cancelled"}


def test_approval_holds_for_programs_too(tmp_path, sqlite_store, clock):
    """Nothing unapproved is scheduled, and whoever made the token approves nothing made by it."""
    workspace = wanting(drafting_workspace(tmp_path, sqlite_store, clock), 1)
    config = tmp_path / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("required = 0", "required = 1", 1), encoding="utf-8")
    with served_api(workspace) as api, api.client(actor=ANA) as program:
        row = {"email": "mira@example.org", "consent_source": "form", "languages": ["en"]}
        program.post(f"/lists/{LIST}/supporters", json={"rows": [row]})
        key = _draft(program)
        early = program.post(f"/mailings/{key}/schedule", json=_hour(api, 1))
        assert (early.status_code, early.json()["code"]) == (422, "faults")
        assert program.post(f"/mailings/{key}/ask-approval").json()["state"] == "in_review"
        review = review_of(workspace, key)
        words = {"seen": review.digest, "languages": review.languages, "given": Vote.APPROVED}
        with pytest.raises(NotTheirs):
            vote(workspace, ANA, key, **words)
        vote(workspace, BOB, key, **words)
        scheduled = program.post(f"/mailings/{key}/schedule", json=_hour(api, 1))
        assert scheduled.status_code == 200, scheduled.text


def test_who_may_draft_may_not_schedule(api, program):
    """Scheduling is a purpose of its own."""
    with api.client(Purpose.MAILINGS_WRITE) as writer:
        key = _draft(writer)
        assert writer.post(f"/mailings/{key}/schedule", json=_hour(api, 3)).status_code == 403
        assert writer.post(f"/mailings/{key}/cancel").status_code == 403
