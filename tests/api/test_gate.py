"""Who gets into the API, and what is done once however often it is asked."""

import re
import socket
import threading
import time
from pathlib import Path

import pytest

from mailer.api.app import endpoints
from mailer.api.ground import PREFIX, Ground, Method
from mailer.app.api_tokens import ApiTokens
from mailer.model.api_token import Purpose
from mailer.store.api_requests import KEPT
from mailer.store.audit import entries_before
from mailer.web.public import forms
from tests.support.api import served_api
from tests.support.drafts import LIST, SLUG
from tests.support.staff import TERMINAL

#: What placeholders are.
VALUES = {
    "slug": SLUG,
    "number": "1",
    "language": "en",
    "mailing": f"{SLUG}-1",
    "list_key": LIST,
}


class _NoWorkspace:
    """Endpoints are listed without one."""

    store = None


ENDPOINTS = {one.name: one for one in endpoints(Ground(_NoWorkspace()))}
ROW = {"email": "mira@example.org", "consent_source": "form at example.org"}


def _path(endpoint):
    return re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], endpoint.path)


def _ask(client, endpoint, **more):
    json = {} if endpoint.method is Method.POST else None
    return client.request(endpoint.method.value, _path(endpoint), json=json, **more)


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_every_endpoint_needs_a_token_and_its_purpose(api, name):
    """Without a token it is 401, with one for everything else 403, whatever the body is."""
    endpoint = ENDPOINTS[name]
    with api.with_token("") as nobody:
        refused = _ask(nobody, endpoint)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    others = set(Purpose) - {endpoint.purpose}
    with api.client(*others) as program:
        refused = _ask(program, endpoint)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong-purpose")
    with api.client(endpoint.purpose) as program:
        answer = _ask(program, endpoint)
    assert answer.status_code not in (401, 403)
    assert answer.status_code < 500
    assert answer.headers["cache-control"] == "no-store"


def test_every_purpose_opens_something():
    """A purpose that no endpoint asks for would be a word without a meaning."""
    assert set(Purpose) == {one.purpose for one in ENDPOINTS.values()}


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Basic abc", "Bearer mailer_unknown", "bearer  x y", "\xff", "Bearer é"],
)
def test_what_is_no_good_token_opens_nothing(api, header):
    """Whatever stands in the field, the answer is 401 and says how it is done."""
    with api.with_token("") as nobody:
        refused = nobody.get("/statements", headers={"Authorization": header.encode("latin-1")})
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"


def test_no_cookie_and_no_query_is_a_token(api):
    """A token counts in the Authorization field alone: elsewhere it would end up in logs."""
    token = api.token()
    with api.with_token("") as nobody:
        assert nobody.get("/statements", headers={"Cookie": f"token={token}"}).status_code == 401
        assert nobody.get("/statements", params={"access_token": token}).status_code == 401


def test_a_token_that_is_over_or_revoked_opens_nothing(api):
    """Both hold at once."""
    with api.client(Purpose.STATEMENTS_READ) as program:
        assert program.get("/statements").status_code == 200
        name = ApiTokens(api.workspace).list()[-1].name
        tokens = [one.name for one in ApiTokens(api.workspace).list()]
        name = max(tokens, key=lambda one: int(one.rpartition("-")[2]))
        ApiTokens(api.workspace).revoke(TERMINAL, name)
        assert program.get("/statements").status_code == 401


def test_no_other_site_may_read_an_answer(program):
    """No page of another origin is let in, whatever it asks."""
    answer = program.get("/statements", headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_description_is_for_whoever_has_a_token(api, program):
    """It names every endpoint; nobody else sees it."""
    with api.with_token("") as nobody:
        assert nobody.get("/openapi.json").status_code == 401
    described = program.get("/openapi.json").json()
    named = {
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
    }
    assert named == set(ENDPOINTS)


def test_what_leads_nowhere_is_told_as_a_problem(program):
    """So is a method that an address does not know."""
    missing = program.get("/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = program.delete("/statements")
    assert wrong.status_code == 405
    assert wrong.headers["content-type"] == "application/problem+json"


def test_too_often_is_refused(tmp_path, sqlite_store, clock):
    """One token's haste is nobody else's wait; and it ends."""
    from tests.support.drafts import drafting_workspace

    workspace = drafting_workspace(tmp_path, sqlite_store, clock)
    with served_api(workspace, burst=2) as api, api.client() as hasty, api.client() as other:
        assert [hasty.get("/statements").status_code for _ in range(3)] == [200, 200, 429]
        assert other.get("/statements").status_code == 200
        clock.forward(hours=1)
        assert hasty.get("/statements").status_code == 200


def test_a_long_or_deep_or_foreign_body_is_refused(program):
    """Before anything of it is read further."""
    path = "/suppressions/find"
    long = program.post(path, content=b" " * 70_000, headers={"Content-Type": "application/json"})
    assert long.status_code == 413
    deep = program.post(path, content=b"[" * 5_000, headers={"Content-Type": "application/json"})
    assert (deep.status_code, deep.json()["code"]) == (400, "too-deep")
    form = program.post(path, data={"address": "mira@example.org"})
    assert form.status_code == 415


def test_who_sends_slowly_takes_no_others_place(api, program, monkeypatch):
    """More than are answered at once begin a body and say no more: others are answered, those get 408."""
    monkeypatch.setattr(forms, "BODY_TIMEOUT_S", 2.0)
    lines = [
        f"POST {PREFIX}/suppressions/find HTTP/1.1", "Host: x", f"Authorization: Bearer {api.token()}",
        "Content-Type: application/json", "Content-Length: 50", "", "{",
    ]  # fmt: skip
    waiting = [socket.create_connection(("127.0.0.1", api.port), 20) for _ in range(20)]
    for one in waiting:
        one.sendall("\r\n".join(lines).encode())
    began = time.monotonic()
    assert program.get("/statements").status_code == 200
    assert time.monotonic() - began < 2
    answers = [one.recv(4096) for one in waiting]
    for one in waiting:
        one.close()
    assert {one[:12] for one in answers} == {b"HTTP/1.1 408"}


def test_what_says_that_it_is_too_long_is_not_read(api):
    """413 by the length it claims, before a byte of it came."""
    head = [
        f"POST {PREFIX}/suppressions/find HTTP/1.1", "Host: x", f"Authorization: Bearer {api.token()}",
        "Content-Type: application/json", "Content-Length: 99999999", "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", api.port), 5) as connection:
        connection.sendall("\r\n".join(head).encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_problem_repeats_nothing_of_what_was_sent(program):
    """An address may be in it."""
    answer = program.post(
        "/suppressions/find", json={"address": ["mira@example.org"], "mira@example.org": 1}
    )
    assert answer.status_code == 422
    assert '"mira@example.org"' not in answer.json()["detail"]
    assert not any("mira" in one["problem"] for one in answer.json()["faults"])


def test_under_one_key_it_is_done_once(api, program):
    """The second is answered as the first, and nothing is done; the log has one entry."""
    body = {"address": "once@example.org"}
    headers = {"Idempotency-Key": "once"}
    first = program.post("/suppressions", json=body, headers=headers)
    again = program.post("/suppressions", json=body, headers=headers)
    assert first.json() == again.json() == {"changed": True}
    assert again.headers["idempotent-replayed"] == "true"
    anew = program.post("/suppressions", json=body, headers={"Idempotency-Key": "anew"})
    assert anew.json() == {"changed": False}
    with api.workspace.store.read() as connection:
        made = [one.action.value for one in entries_before(connection, None, 2)]
    assert made == ["suppression_made"] * 2


def test_a_key_is_of_one_request_and_one_token(api, program):
    """Another body or address under it is refused; another program's key is another key."""
    headers = {"Idempotency-Key": "mine"}
    body = {"address": "mine@example.org"}
    assert program.post("/suppressions", json=body, headers=headers).status_code == 200
    other = program.post("/suppressions", json={**body, "reason": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key-of-another-request")
    elsewhere = program.post("/suppressions/lift", json=body, headers=headers)
    assert elsewhere.status_code == 422
    with api.client() as another:
        assert another.post("/suppressions", json=body, headers=headers).json() == {
            "changed": False
        }


def test_what_was_refused_may_be_sent_again(program):
    """Under the same key with another body even: nothing was done."""
    headers = {"Idempotency-Key": "refused"}
    bad = program.post("/suppressions", json={"address": "nobody"}, headers=headers)
    assert (bad.status_code, bad.json()["code"]) == (422, "bad-address")
    good = program.post("/suppressions", json={"address": "r@example.org"}, headers=headers)
    assert good.status_code == 200


def test_a_key_is_as_good_as_new_after_a_day(api, program):
    """And what was answered under it is forgotten."""
    headers = {"Idempotency-Key": "yesterday"}
    body = {"address": "yesterday@example.org"}
    program.post("/suppressions", json=body, headers=headers)
    api.workspace.clock.forward(seconds=KEPT.total_seconds())
    again = program.post("/suppressions", json=body, headers=headers)
    assert "idempotent-replayed" not in again.headers
    assert again.json() == {"changed": False}


def test_of_many_at_once_under_one_key_one_is_done(api):
    """The others hear that it is being done, or what it was answered."""
    token, answers = api.token(), []

    def send():
        with api.with_token(token) as client:
            answers.append(
                client.post(
                    "/mailings",
                    json={"statement": SLUG, "lists": [LIST]},
                    headers={"Idempotency-Key": "together"},
                )
            )

    threads = [threading.Thread(target=send) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.status_code for one in answers} <= {201, 409}
    made = {one.json()["mailing"] for one in answers if one.status_code == 201}
    assert len(made) == 1


def test_no_answer_with_a_person_in_it_is_kept(api, program, tmp_path):
    """What only reads is read again: the database holds no more of anybody than before."""
    program.post(f"/lists/{LIST}/supporters", json={"rows": [ROW]})
    headers = {"Idempotency-Key": "reading"}
    for _ in range(2):
        answer = program.post(f"/lists/{LIST}/members", json={}, headers=headers)
        assert ROW["email"] in answer.text
    database = api.workspace.store.engine.url.database
    api.workspace.store.engine.dispose()
    assert ROW["email"].encode() not in Path(database).read_bytes()


def test_the_log_says_what_was_asked_for_and_nothing_of_anybody(api, program, capsys):
    """The endpoint's name, the status and the time; no address, no token."""
    program.post("/suppressions/find", json={"address": "quiet@example.org"})
    told = capsys.readouterr()
    assert "quiet@" not in told.out + told.err
    assert "Bearer" not in told.out + told.err
