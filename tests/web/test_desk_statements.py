"""Statements at the desk, over HTTP as a browser speaks it, without any script."""

from __future__ import annotations

import io
import re
import zipfile
from html import unescape

import pytest
from PIL import Image

from mailer.app.workspace import Workspace
from mailer.model.staff import StaffRole
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.desk import DeskBrowser, ServedDesk, served_desk, welcome
from tests.support.drafts import drafting_workspace
from tests.support.word import word_document

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
TEXT = {
    "title": "Keep the ferry running",
    "subject": "The ferry must run",
    "preheader": "It is the only way to the island.",
    "discreet_subject": "A letter from the harbor",
    "discreet_preheader": "News from people you know",
    "body": "The ferry is the only way to the island.\n\n::: demand\nKeep it running.\n:::",
}
_SEEN = re.compile(r'name="seen" value="(\d*)"')


@pytest.fixture(scope="module")
def desk(tmp_path_factory, sqlite_template):
    """A desk of a workspace with the sample statement in it."""
    folder = tmp_path_factory.mktemp("workspace")
    clock = FixedClock()
    store = sqlite_copy(sqlite_template, tmp_path_factory.mktemp("data") / "mailer.db")
    workspace: Workspace = drafting_workspace(folder, store, clock)
    with served_desk(workspace) as served:
        yield served
    store.close()


def signed_in(desk: ServedDesk, login: str, *roles: StaffRole, languages=()) -> DeskBrowser:
    """Return a browser in which somebody new is signed in."""
    desk.workspace.clock.forward(seconds=30)
    member = welcome(desk.workspace, login, *roles, languages=languages)
    browser = desk.browser()
    browser.sign_in(member)
    return browser


@pytest.fixture(scope="module")
def ana(desk):
    """A browser in which an author is signed in."""
    with signed_in(desk, "ana", StaffRole.AUTHOR) as browser:
        yield browser


@pytest.fixture(scope="module")
def boris(desk):
    """A browser in which a translator into Russian is signed in."""
    with signed_in(desk, "boris", StaffRole.TRANSLATOR, languages=["ru"]) as browser:
        yield browser


def begin(browser: DeskBrowser, slug: str, title: str = "Keep the ferry running"):
    """Begin a statement, and return the page of its source edition."""
    browser.get("/desk/new-statement")
    return browser.post(
        "/desk/new-statement",
        {"title": title, "slug": slug, "kind": "statement", "source_language": "en"},
    )


def seen_on(page) -> str:
    """Return the version of the edition that a page shows."""
    return _SEEN.findall(page.text)[-1]


def edition(slug: str, language: str) -> str:
    """Return the path of an edition's editor."""
    return f"/desk/statements/{slug}/editions/{language}"


def write(browser: DeskBrowser, slug: str, language: str, **fields: str):
    """Save an edition over what stands there, and return the page that follows."""
    page = browser.get(edition(slug, language))
    assert page.status_code == 200, page.text
    return browser.post(edition(slug, language), {**TEXT, "seen": seen_on(page), **fields})


def picture() -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (20, 90, 120)).save(file, "PNG")
    return file.getvalue()


def signed(browser: DeskBrowser, slug: str) -> None:
    """Name somebody who signs, which every statement must have."""
    page = browser.get(f"/desk/statements/{slug}/head")
    fields = {
        "seen": seen_on(page),
        "kind": "statement",
        "source_language": "en",
        "signatories-0-name-en": "Harbor Solidarity",
        "signatories-0-country": "md",
        "signatories-0-address": "https://harbor.example.org",
    }
    page = browser.post(f"/desk/statements/{slug}/head", fields)
    assert page.status_code == 200
    assert "Harbor Solidarity" in page.text


def test_a_statement_is_written_in_two_languages_and_saved(desk, ana, boris):
    """An author writes the original, a translator the other, and it becomes revision 1."""
    page = begin(ana, "ferry")
    assert str(page.url).endswith("/editions/en")
    assert "Saved" in write(ana, "ferry", "en").text
    signed(ana, "ferry")
    page = write(boris, "ferry", "ru", title="Паром должен ходить", subject="Паром", body="Паром.")
    assert page.status_code == 200
    assert "It is the only way to the island." in page.text, "The original stands beside it."
    overview = ana.get("/desk/statements/ferry")
    assert "up to date" in overview.text
    page = ana.post("/desk/statements/ferry/revisions")
    assert page.status_code == 200, page.text
    assert "Revision 1" in page.text
    assert "<bdi>ana</bdi>" in page.text
    listed = ana.get("/desk/statements")
    assert "Keep the ferry running" in listed.text


def test_a_change_of_the_original_is_shown_to_the_translator(ana, boris):
    """What was taken out and put in stands above the form until the translator says it is done."""
    begin(ana, "lantern")
    write(ana, "lantern", "en", body="Three lanterns burn.")
    write(boris, "lantern", "ru", title="Фонарь", subject="Фонарь", body="Горят три фонаря.")
    write(ana, "lantern", "en", body="Four lanterns burn.")
    assert "the original has changed since" in ana.get("/desk/statements/lantern").text
    page = boris.get(edition("lantern", "ru"))
    assert "<del>Three</del><ins>Four</ins> lanterns burn." in page.text
    source_seen = re.search(r'name="source_seen" value="(\d+)"', page.text)[1]
    page = boris.post(
        edition("lantern", "ru") + "/mark", {"seen": seen_on(page), "source_seen": source_seen}
    )
    assert "<del>" not in page.text
    assert "up to date" in ana.get("/desk/statements/lantern").text


def test_faults_stand_beside_their_fields_and_keep_it_from_being_a_revision(ana):
    """What was typed is saved all the same; each fault leads to its field."""
    begin(ana, "beacon")
    page = write(ana, "beacon", "en", subject="", body="![](missing.jpg)")
    assert 'id="subject-problem"' in page.text
    assert 'id="body-problem"' in page.text
    assert "![](missing.jpg)" in page.text
    page = ana.post("/desk/statements/beacon/revisions")
    assert page.status_code == 422
    assert f'href="{edition("beacon", "en")}#subject"' in page.text
    page = ana.get("/desk/statements/beacon/checks?part=1")
    assert "<html" not in page.text
    assert "#subject" in page.text


def test_who_was_slower_sees_both_texts_and_loses_none(desk, ana):
    """The answer is 409, the typed text stands in the form, and a second save goes over theirs."""
    begin(ana, "buoy")
    page = ana.get(edition("buoy", "en"))
    old = seen_on(page)
    write(ana, "buoy", "en", body="The first text.")
    page = ana.post(edition("buoy", "en"), {**TEXT, "seen": old, "body": "The second text."})
    assert page.status_code == 409
    assert "The second text.</textarea>" in page.text
    assert "<del>first</del><ins>second</ins>" in page.text
    assert "ana saved this meanwhile" in page.text
    assert 'data-keep=""' in page.text, "Nothing goes over theirs but by the person."
    page = ana.post(
        edition("buoy", "en"), {**TEXT, "seen": seen_on(page), "body": "The second text."}
    )
    assert page.status_code == 200


def test_an_edition_that_somebody_writes_is_theirs_for_a_while(desk, ana):
    """Another author is told who and until when, keeps what was typed, and may write once it is over."""
    begin(ana, "pier")
    write(ana, "pier", "en")
    with signed_in(desk, "clara", StaffRole.AUTHOR) as clara:
        page = clara.get(edition("pier", "en"))
        assert "Ana is writing this. Begun: " in page.text
        assert "readonly" in page.text
        page = clara.post(
            edition("pier", "en"), {**TEXT, "seen": seen_on(page), "body": "Typed by Clara."}
        )
        assert page.status_code == 422
        assert "Typed by Clara.</textarea>" in page.text
        kept = clara.post(edition("pier", "en") + "/keep", {**TEXT, "body": "Typed by Clara."})
        assert kept.status_code == 409
        assert "Ana is writing this." in kept.json()["problem"]
        clara.get(edition("pier", "en"))
        assert clara.post(edition("pier", "en") + "/let-go").status_code == 403
        ana.get(edition("pier", "en"))
        ana.post(edition("pier", "en") + "/let-go")
        page = write(clara, "pier", "en", body="Typed by Clara.")
        assert page.status_code == 200


def test_what_is_kept_while_one_writes_has_a_version(ana):
    """The program that keeps it gets the version for the next time, and no page."""
    begin(ana, "anchor")
    seen = seen_on(ana.get(edition("anchor", "en")))
    kept = ana.post(
        edition("anchor", "en") + "/keep", {**TEXT, "seen": seen, "body": "One."}, follow=False
    )
    version = kept.json()["version"]
    assert version > int(seen)
    kept = ana.post(
        edition("anchor", "en") + "/keep",
        {**TEXT, "seen": str(version), "body": "Two."},
        follow=False,
    )
    assert kept.json()["version"] > version


def test_a_translator_writes_their_language_and_nothing_else(desk, ana, boris):
    """Every other address that changes something answers 403, whatever the form says."""
    begin(ana, "harbor")
    write(ana, "harbor", "en")
    assert boris.get(edition("harbor", "en")).status_code == 403
    assert boris.get(edition("harbor", "uk")).status_code == 403
    boris.get(edition("harbor", "ru"))
    at = "/desk/statements/harbor"
    for path in (
        edition("harbor", "en"), edition("harbor", "en") + "/keep", edition("harbor", "en") + "/mail",
        edition("harbor", "uk") + "/take", edition("harbor", "en") + "/document",
        edition("harbor", "ru") + "/remove", f"{at}/head", f"{at}/revisions", f"{at}/publish",
        f"{at}/visibility", f"{at}/files", f"{at}/discard", f"{at}/pictures", "/desk/new-statement",
    ):  # fmt: skip
        assert boris.post(path, {**TEXT, "seen": "1"}, follow=False).status_code == 403, path
    answer = boris.post(f"{at}/editions", {"language": "uk"}, follow=False)
    assert answer.status_code == 403


def test_what_is_not_there_is_not_found(ana):
    """Neither a statement, a language, a picture nor a revision that nobody made breaks anything."""
    begin(ana, "rope")
    at = "/desk/statements"
    for path in (
        f"{at}/nothing", f"{at}/nothing/head", f"{at}/nothing/editions/en", f"{at}/rope/editions/x",
        f"{at}/rope/editions/..%2f", f"{at}/rope/pictures/none.png", f"{at}/rope/files?revision=7",
        f"{at}/rope/files?revision=x", f"{at}/rope/compare?before=1&after=2", f"{at}/rope/compare",
        f"{at}/nothing/checks", f"{at}/nothing/editions/en/mail",
    ):  # fmt: skip
        assert ana.get(path).status_code == 404, path


def test_a_short_name_that_is_taken_or_unfit_is_told_beside_its_field(ana):
    """Nothing typed is lost by it."""
    begin(ana, "gull")
    page = begin(ana, "gull", "Another title")
    assert page.status_code == 422
    assert "There is a statement of that short name already." in page.text
    assert 'value="Another title"' in page.text
    page = begin(ana, "Not A Slug")
    assert "cannot stand in an address" in page.text


def test_the_head_asks_for_what_belongs_to_the_kind(ana):
    """A statement has no button or last day; what stands there all the same is shown, to be emptied."""
    begin(ana, "kinds")
    at = "/desk/statements/kinds/head"
    page = ana.get(at)
    assert 'id="deadline"' not in page.text
    fields = {
        "kind": "appeal", "source_language": "en", "deadline": "2026-12-10",
        "signatories-0-name-en": "Harbor", "signatories-0-name-ru": "Гавань",
        "signatories-1-address": "https://b.example.org",
    }  # fmt: skip
    page = ana.post(at, {"seen": seen_on(page), **fields})
    assert 'id="deadline"' in page.text
    assert '<summary><bdi lang="en">Harbor</bdi>' in page.text
    assert "<summary><bdi>https://b.example.org</bdi>" in page.text
    page = ana.post(at, {"seen": seen_on(page), **fields, "kind": "statement"})
    assert "These belong to an appeal only" in page.text
    page = ana.post(at, {"seen": seen_on(page), **fields, "kind": "statement", "deadline": ""})
    assert 'id="deadline"' not in page.text


def test_scripts_in_fields_are_shown_as_text(ana):
    """Title, text, names and the alternative text come back escaped on every page."""
    begin(ana, "evil", f"Title {EVIL}")
    write(ana, "evil", "en", title=f"Title {EVIL}", body=f"Text {EVIL} </textarea>{EVIL}")
    page = ana.get("/desk/statements/evil/head")
    ana.post(
        "/desk/statements/evil/head",
        {
            "seen": seen_on(page), "kind": "statement", "source_language": "en",
            "signatories-0-name-en": f"Name {EVIL}", "signatories-0-country": "MD",
            "hashtags-0-tag": EVIL, "hashtags-0-address": f"javascript:{EVIL}",
        },
    )  # fmt: skip
    for path in (
        "",
        "/head",
        "/editions/en",
        "/editions/en/preview",
        "/checks",
        "/editions/en/mail",
    ):
        page = ana.get(f"/desk/statements/evil{path}")
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text, path
        assert "<img src=x" not in page.text, path
    assert "<script>alert" not in ana.get("/desk/statements").text


def test_a_preview_runs_nothing_and_is_what_the_composer_makes(ana):
    """The frame has a policy of its own, of what was saved and of what stands in the form."""
    begin(ana, "mast")
    write(ana, "mast", "en")
    frame = ana.client.get(edition("mast", "en") + "/mail")
    assert frame.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "Keep it running." in frame.text
    assert "unsubscribe" in frame.text.lower()
    frame = ana.post(
        edition("mast", "en") + "/mail", {**TEXT, "body": "**Other** words."}, follow=False
    )
    assert re.search(r"<strong[^>]*>Other</strong> words", frame.text)
    frame = ana.post(edition("mast", "en") + "/mail", {**TEXT, "body": "{{ 7 * 7 }}"}, follow=False)
    assert "No mail can be made of it as it is" in frame.text


def test_what_is_pasted_becomes_markdown(ana):
    """Headings, bold and links stay, scripts go; more than 1 MB is refused."""
    ana.get("/desk/new-statement")
    html = (
        "<h2>What happened</h2><p>A <b>bold</b> word and <a href='https://example.org/x'>a link</a>"
        "<script>alert(1)</script><img src='https://example.org/p.png'></p>"
    )
    answer = ana.post("/desk/convert", {"html": html}, follow=False).json()
    assert "## What happened" in answer["markdown"]
    assert "**bold**" in answer["markdown"]
    assert "[a link](https://example.org/x)" in answer["markdown"]
    assert "alert" not in answer["markdown"]
    assert any("pictures were left out" in one for one in answer["losses"])
    answer = ana.post("/desk/convert", {"html": "x" * 1_000_001}, follow=False)
    assert answer.status_code == 413


def test_a_word_document_is_shown_before_it_is_taken(ana):
    """It replaces the text or follows it, and what is no document is refused in words."""
    begin(ana, "sail")
    write(ana, "sail", "en", body="What was there.")
    path = edition("sail", "en")
    document = word_document(
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>What happened</w:t></w:r></w:p>'
        "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Bold words.</w:t></w:r></w:p>"
    )
    ana.get(f"{path}/document")
    page = ana.post(f"{path}/document", files={"document": ("text.docx", document)})
    assert "**Bold words.**" in page.text
    assert "What was there." in page.text
    body = unescape(re.search(r'<textarea id="body"[^>]*>\n(.*?)</textarea>', page.text, re.S)[1])
    page = ana.post(f"{path}/take", {"seen": seen_on(page), "body": body, "how": "append"})
    assert re.search(r"What was there\.\s+##? What happened\s+\*\*Bold words", page.text)
    page = ana.get(f"{path}/document")
    page = ana.post(f"{path}/document", files={"document": ("text.docx", b"no document")})
    assert page.status_code == 422
    assert "no Word document" in page.text
    ana.get(f"{path}/document")
    page = ana.post(f"{path}/take", {"seen": "1", "body": "Late.", "how": "replace"})
    assert page.status_code == 422
    assert "Late." in page.text


def test_a_picture_is_encoded_anew_under_a_name_that_is_fit(ana):
    """A hostile or Cyrillic name becomes a plain one; the page gives the line that puts it in."""
    begin(ana, "tide")
    at = "/desk/statements/tide/pictures"
    for sent, kept in (
        ("harbor.png", "harbor.png"), ("../../etc/pass wd.png", "pass-wd.png"),
        ("гавань.png", "picture.png"), ("a\"><script>.png", "a-22-script.png"),
    ):  # fmt: skip
        ana.get(at)
        page = ana.post(at, {"alt": "A [harbor]"}, files={"picture": (sent, picture())})
        assert page.status_code == 200, page.text
        assert f"![A \\[harbor\\]]({kept})" in page.text
    found = ana.client.get(f"{at}/harbor.png")
    assert found.headers["content-type"] == "image/png"
    assert found.headers["content-security-policy"].startswith("sandbox")
    ana.get(at)
    page = ana.post(at, {"alt": ""}, files={"picture": ("x.png", picture())})
    assert page.status_code == 422
    page = ana.post(at, {"alt": "x"}, files={"picture": ("x.svg", b"<svg onload='alert(1)'/>")})
    assert page.status_code == 422
    page = ana.get(at)
    seen = re.search(r'harbor\.png/remove".*?name="seen" value="(\d+)"', page.text, re.DOTALL)[1]
    ana.post(f"{at}/harbor.png/remove", {"seen": seen})
    assert ana.get(f"{at}/harbor.png").status_code == 404


def test_files_go_out_and_come_in_again(ana):
    """A ZIP holds what is written; what would be overwritten is named first; names lead nowhere out."""
    begin(ana, "oar")
    write(ana, "oar", "en")
    answer = ana.client.get("/desk/statements/oar/files")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"oar/en.md", "oar/statement.toml"} == set(archive.namelist())
        text = archive.read("oar/en.md")
    at = "/desk/statements/oar"
    changed = text.replace(b"The ferry is", b"The boat is")
    ana.get(at)
    page = ana.post(f"{at}/files", files={"files": ("en.md", changed)})
    assert page.status_code == 422
    assert "Nothing was taken" in page.text
    page = ana.post(f"{at}/files", {"replace": "yes"}, files={"files": ("en.md", changed)})
    assert page.status_code == 200
    assert "The boat is" in ana.get(edition("oar", "en")).text
    ana.get(at)
    page = ana.post(f"{at}/files", files={"files": ("../evil.md", b"x")})
    assert page.status_code == 422
    assert "is no file of a statement" in page.text


def test_revisions_are_compared_word_by_word_and_shown_to_the_public(ana):
    """Two revisions differ by what was changed; one is published, unlisted, withdrawn."""
    begin(ana, "wharf")
    write(ana, "wharf", "en")
    signed(ana, "wharf")
    assert ana.post("/desk/statements/wharf/revisions").status_code == 200
    write(ana, "wharf", "en", body="The ferry is the last way to the island.")
    page = ana.get("/desk/statements/wharf/compare?before=1")
    assert "<del>only</del><ins>last</ins> way" in page.text
    ana.get("/desk/statements/wharf")
    ana.post("/desk/statements/wharf/revisions")
    page = ana.get("/desk/statements/wharf/compare?before=1&after=2")
    assert "<del>only</del><ins>last</ins> way" in page.text
    page = ana.get("/desk/statements/wharf")
    page = ana.post("/desk/statements/wharf/publish", {"number": "1"})
    assert "Revision 1 is public since" in page.text
    page = ana.post("/desk/statements/wharf/visibility", {"visibility": "unlisted"})
    assert "It is not in the list of statements." in page.text
    page = ana.post(
        "/desk/statements/wharf/visibility", {"visibility": "withdrawn", "corrected_by": "nobody"}
    )
    assert page.status_code == 422
    page = ana.post("/desk/statements/wharf/visibility", {"visibility": "withdrawn"})
    assert "It was withdrawn" in page.text


def test_a_statement_that_was_loaded_is_opened_by_a_button(ana):
    """Looking changes nothing; its head comes back as it was, row by row."""
    page = ana.get("/desk/statements/her-rights")
    assert "Nobody is writing it now." in page.text
    page = ana.post("/desk/statements/her-rights/open")
    assert "Editions" in page.text
    page = ana.get("/desk/statements/her-rights/head")
    fields = [
        (name, unescape(value))
        for name, value in re.findall(
            r'<input type="text"[^>]* name="([^"]+)" value="([^"]*)"', page.text
        )
    ]
    for name, options in re.findall(
        r'<select id="[^"]+" name="([^"]+)".*?>(.*?)</select>', page.text, re.S
    ):
        fields.append((name, re.search(r'value="([^"]*)" selected', options)[1]))
    fields += [("and_others", "yes"), ("seen", seen_on(page))]
    ana.post("/desk/statements/her-rights/head", fields)
    page = ana.get("/desk/statements/her-rights/compare?before=1")
    assert "They say the same." in page.text
