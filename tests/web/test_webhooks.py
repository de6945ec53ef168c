"""Webhooks at /hooks/<key>, over http: what is proved is taken in once, all else changes nothing."""

import base64
import hmac
import json

import pytest

from mailer.app.feedback import served_hooks, workspace_hooks
from mailer.app.workspace import Workspace
from mailer.config import Config
from mailer.config.hooks import FeedbackSection
from mailer.feedback.hooks.documents import MOST_BYTES
from mailer.feedback.hooks.mailgun import MailgunHook
from mailer.feedback.hooks.postmark import PostmarkHook
from mailer.model.faults import FaultsFound
from mailer.store.feedback import hook_source, is_event_known
from mailer.web.public.webhooks import Webhooks
from tests.support.came_back import World
from tests.support.public_web import public_site

SECRET = "a-secret-of-postmark-0123456789"
AUTHORIZATION = "Basic " + base64.b64encode(f"postmark:{SECRET}".encode()).decode()


@pytest.fixture
def world(sqlite_ground, tmp_path):
    """Anna and Boris got a mailing."""
    return World(sqlite_ground, tmp_path)


@pytest.fixture
def site(world):
    """The public pages, with a hook of Postmark's and one whose secret is missing."""
    hooks = {"postmark": PostmarkHook(SECRET, username="postmark"), "broken": None}
    area = [lambda ground: Webhooks(ground, hooks, world.taker.take_events).routes()]
    with public_site(world.store, world.tokens, world.clock, areas=area) as found:
        yield found


def complaint(world, **changes):
    """Return what Postmark posts of a complaint about Anna's mail."""
    return {
        "RecordType": "SpamComplaint",
        "ID": 42,
        "Type": "SpamComplaint",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Email": "anna@example.org",
        "BouncedAt": "2026-12-01T06:00:00Z",
        "Metadata": {"delivery": world.tokens.feedback(world.deliveries["anna"])},
        **changes,
    }


def post(site, told, authorization=AUTHORIZATION, key="postmark"):
    """Post something to a hook; return status and body."""
    with site.visitor(Authorization=authorization) as visitor:
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        answer = visitor.post(f"/hooks/{key}", content=content)
    return answer.status_code, answer.content


def test_a_complaint_is_taken_in_once(world, site):
    """It suppresses; a replay is answered alike and changes nothing."""
    assert post(site, complaint(world)) == (200, b"")
    assert world.suppressed() == ["complained"]
    (event,) = world.rows("feedback_event")
    assert event.source == "hook:postmark"
    before = {name: world.rows(name) for name in ("feedback_finding", "suppression", "alert")}
    assert post(site, complaint(world)) == (200, b"")
    assert {name: world.rows(name) for name in before} == before
    assert len(world.rows("feedback_event")) == 1


@pytest.mark.parametrize("authorization", ["", "Basic eA==", AUTHORIZATION[:-4]])
def test_a_forged_one_changes_nothing(world, site, authorization):
    """Without the secret it is 403, whatever it says."""
    assert post(site, complaint(world), authorization) == (403, b"")
    assert world.rows("feedback_event") == world.rows("suppression") == []


def test_an_address_alone_changes_nothing(world, site):
    """Whoever has the secret can name anybody: without a token of ours it is stored, and counted."""
    assert post(site, complaint(world, Metadata={})) == (200, b"")
    assert world.suppressed() == []
    assert world.effects() == [("complaint", "address", "stored")]


def test_a_body_that_is_too_large_is_not_read(world, site):
    """Nor is one that is no document believed."""
    assert post(site, b"x" * (MOST_BYTES + 1))[0] == 413
    assert post(site, b"not a document")[0] == 403
    assert world.rows("feedback_event") == []


def test_a_hook_that_cannot_be_made_asks_to_come_again(world, site):
    """So does a log that cannot be written; an unknown one is not found."""
    assert post(site, complaint(world), key="broken")[0] == 503
    assert post(site, complaint(world), key="nobodys")[0] == 404
    world.log.path.mkdir()
    assert post(site, complaint(world)) == (503, b"")
    world.log.path.rmdir()
    assert post(site, complaint(world)) == (200, b"")
    assert world.suppressed() == ["complained"]


def test_what_waits_for_the_log_is_no_replay_when_it_comes_again(world):
    """Mailgun sends the very same request again: it is taken in, and refused from then on."""
    token = "b" * 50
    told = {
        "signature": {
            "timestamp": str(int(world.clock.now().timestamp())),
            "token": token,
        },
        "event-data": {
            "event": "complained",
            "timestamp": world.clock.now().timestamp(),
            "recipient": "anna@example.org",
            "user-variables": {"delivery": world.tokens.feedback(world.deliveries["anna"])},
        },
    }
    signed = told["signature"]["timestamp"] + token
    told["signature"]["signature"] = hmac.new(
        SECRET.encode(), signed.encode(), "sha256"
    ).hexdigest()

    def is_known(event_id):
        with world.store.read() as connection:
            return is_event_known(connection, hook_source("mailgun"), event_id)

    hooks = {"mailgun": MailgunHook(SECRET, is_known)}
    area = [lambda ground: Webhooks(ground, hooks, world.taker.take_events).routes()]
    with public_site(world.store, world.tokens, world.clock, areas=area) as site:
        world.log.path.mkdir()
        assert post(site, told, key="mailgun") == (503, b"")
        world.log.path.rmdir()
        assert post(site, told, key="mailgun") == (200, b"")
        assert world.suppressed() == ["complained"]
        assert post(site, told, key="mailgun") == (403, b"")


def test_looking_at_a_hook_changes_nothing(site):
    """GET and HEAD are not for it."""
    with site.visitor() as visitor:
        for method in ("GET", "HEAD"):
            assert visitor.request(method, "/hooks/postmark").status_code == 405


def test_a_missing_secret_is_a_fault_of_the_check_and_no_end_of_the_pages(world, tmp_path):
    """It is named; meanwhile every hook asks to come again."""
    hooks = {"mailgun": {"kind": "mailgun", "secret_file": "missing.secret"}}
    config = Config(root=tmp_path, feedback=FeedbackSection(hooks=hooks))
    workspace = Workspace(config)
    with pytest.raises(FaultsFound) as raised:
        workspace_hooks(workspace)
    assert [one.field for one in raised.value.faults] == ["feedback.hooks.mailgun.secret_file"]
    assert served_hooks(workspace) == {"mailgun": None}
    (tmp_path / "missing.secret").write_text("a-signing-key-of-mailgun")
    (tmp_path / "missing.secret").chmod(0o600)
    assert list(workspace_hooks(workspace)) == ["mailgun"]
