"""Statements by the API: seen, checked, loaded."""

import base64

import pytest

from mailer.store.audit import entries_before
from tests.support.drafts import SLUG


@pytest.fixture(scope="module")
def files(api):
    """The files of the sample statement, with its pictures."""
    folder = api.workspace.config.templates_dir / "statements" / SLUG
    texts = [*folder.glob("*.md"), folder / "statement.toml"]
    pictures = [one for one in folder.iterdir() if one not in texts]
    return {
        "slug": SLUG,
        "files": {one.name: one.read_text(encoding="utf-8") for one in texts},
        "pictures": {one.name: base64.b64encode(one.read_bytes()).decode() for one in pictures},
    }


def test_statements_revisions_and_editions_are_seen(program):
    """From the list to the words of one language."""
    (listed,) = [one for one in program.get("/statements").json()["items"] if one["slug"] == SLUG]
    assert program.get(f"/statements/{SLUG}").json() == listed
    revisions = program.get(f"/statements/{SLUG}/revisions").json()["items"]
    assert [one["revision"] for one in revisions][-1] == 1
    whole = program.get(f"/statements/{SLUG}/revisions/1").json()
    assert whole["document"]["slug"] == SLUG
    edition = program.get(f"/statements/{SLUG}/revisions/1/editions/en").json()
    assert edition["is_source"]
    assert edition["title"] == listed["title"]
    for missing in ("/statements/nowhere", f"/statements/{SLUG}/revisions/99",
                    f"/statements/{SLUG}/revisions/1/editions/xx"):  # fmt: skip
        assert program.get(missing).status_code == 404


def test_the_same_files_are_the_same_revision(api, program, files):
    """Loading what is stored already stores nothing twice."""
    api.workspace.clock.forward(seconds=1)
    loaded = program.post("/statements", json=files)
    assert loaded.status_code == 201, loaded.text
    assert (loaded.json()["revision"], loaded.json()["already_stored"]) == (1, True)


def test_a_change_is_another_revision_in_the_programs_name(api, program, files):
    """And the log says by which token."""
    head = files["files"]["statement.toml"].replace("and_others = true", "and_others = false")
    changed = {**files, "files": {**files["files"], "statement.toml": head}}
    answer = program.post("/statements", json=changed)
    assert answer.status_code == 201, answer.text
    loaded = answer.json()
    assert (loaded["revision"], loaded["already_stored"]) == (2, False)
    with api.workspace.store.read() as connection:
        (entry,) = entries_before(connection, None, 1)
    assert str(entry.actor).startswith("api:program-")
    assert (entry.subject, entry.facts["revision"]) == (SLUG, 2)


def test_faults_are_told_with_their_place_and_nothing_is_stored(program, files):
    """As the command line tells them: file, line, field, what to do."""
    broken = {**files, "files": {**files["files"], "en.md": "no front matter"}}
    checked = program.post("/statements/check", json=broken).json()
    assert not checked["loadable"]
    assert any(one["file"].endswith("en.md") for one in checked["faults"])
    refused = program.post("/statements", json=broken)
    assert refused.status_code == 422
    assert refused.json()["faults"][0]["remedy"]


@pytest.mark.parametrize("name", ["../en.md", "/etc/passwd", "a/b.md", ".hidden", "en.md\x00"])
def test_no_file_lies_outside_its_folder(program, files, name):
    """A name is a name and no path."""
    sent = {**files, "files": {**files["files"], name: "x"}}
    assert program.post("/statements/check", json=sent).status_code == 422


def test_lists_come_in_pages_by_key(program, files):
    """Page by page one sees each once, in order."""
    seen, after = [], ""
    while after is not None:
        page = program.get("/statements", params={"limit": 1, "after": after}).json()
        seen += [one["slug"] for one in page["items"]]
        after = page["next"]
    assert seen == sorted(set(seen))
    assert SLUG in seen
