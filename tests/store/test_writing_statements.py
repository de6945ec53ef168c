"""Statements are written by several people at once, each what is theirs, and saved as revisions."""

import shutil
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from mailer.app.holding import HEAD, HeldByAnother, hold, let_go
from mailer.app.translating import mark_translated, source_changes
from mailer.app.workspace import Workspace
from mailer.app.writing import (
    NotWritten,
    discard,
    new_statement,
    open_statement,
    read_edition,
    read_head,
    remove_edition,
    save_edition,
    save_head,
)
from mailer.app.writing_files import (
    FilesThere,
    add_picture,
    export_files,
    export_zip,
    import_files,
    import_statement,
    pictures_of,
    remove_picture,
)
from mailer.app.writing_revisions import (
    NotSaved,
    RevisionMeanwhile,
    check_copy,
    compare_copy,
    compare_revisions,
    revisions_of,
    save_as_revision,
)
from mailer.app.writing_rights import MayNotWrite, Writer
from mailer.compose.checks import check_revision_with_design
from mailer.compose.design import read_design
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound, Severity, errors_in
from mailer.model.staff import Actor, ActorKind, StaffRole, StaffUser
from mailer.model.statement import ItemText, NewsletterItem, StatementKind
from mailer.statements.body import body_to_text
from mailer.statements.diffing import RunKind
from mailer.statements.drafts import RowDraft
from mailer.statements.from_html import from_html
from mailer.statements.pictures import UnusablePicture
from mailer.statements.source import read_statement
from mailer.statements.writing import CannotBeWritten
from mailer.store.audit import entries_before
from mailer.store.statements import StatementNotFound, save_revision
from mailer.store.working import Clash, NoWorkingCopy, SlugTaken
from tests.support.catalogs import write_complete_catalogs
from tests.support.clocks import NOW
from tests.support.factories import make_revision
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace

ROOT = Path(__file__).parents[2]
SLUG = "her-rights"
SAMPLE = ROOT / "templates/statements" / SLUG


def person(login, *roles, languages=(), session=0):
    """Return somebody of staff, signed in in a browser of their own."""
    number = sum(login.encode())
    user = StaffUser(number, login, login.title(), frozenset(roles), languages)
    return Writer(Actor(ActorKind.STAFF, login), user, session or number)


ANA = person("ana", StaffRole.AUTHOR)
BEN = person("ben", StaffRole.AUTHOR)
RITA = person("rita", StaffRole.TRANSLATOR, languages=("ru",))
ADAM = person("adam", StaffRole.ADMINISTRATOR)
EVA = person("eva", StaffRole.APPROVER, StaffRole.SENDER)
TERMINAL = Writer(Actor(ActorKind.TERMINAL, "root"), None)


@pytest.fixture
def workspace(tmp_path, store, clock):
    """A workspace with complete catalogs, one sender, no statement; on both databases."""
    # The server on its socket asks for none, and a config may hold none.
    url = store.engine.url._replace(password=None).render_as_string(hide_password=False)
    lay_workspace(tmp_path, f'{HARBOR_CONFIG}[database]\nurl = "{url}"\n')
    shutil.copytree(ROOT / "templates/mail", tmp_path / "templates/mail")
    write_complete_catalogs(tmp_path / "templates/locale", ("en", "ru", "uk"))
    opened = Workspace.open(tmp_path, clock)
    yield opened
    opened.store.close()


@pytest.fixture
def loaded(workspace):
    """The sample statement, loaded as revision 1."""
    revision, _ = read_statement(SAMPLE, ROOT)
    with workspace.store.write() as connection:
        return save_revision(connection, revision, NOW)


@pytest.fixture
def opened(workspace, loaded):
    """The sample, opened to be written."""
    return open_statement(workspace, SLUG, ANA)


def edit(workspace, language, writer, **fields):
    """Read an edition, change fields of it and save it."""
    read = read_edition(workspace, SLUG, language)
    draft = replace(read.draft, **fields)
    return save_edition(workspace, SLUG, language, draft, read.version, writer)


def picture_bytes(color="red", size=(40, 30), kind="PNG"):
    """Return a picture as somebody would upload it."""
    file = BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def audit_of(workspace):
    """Return who did what to what, the first first."""
    with workspace.store.read() as connection:
        entries = entries_before(connection, None, 50)
    return [(str(one.actor), one.action, one.subject) for one in reversed(entries)]


# Opening and reading


def test_a_statement_that_is_opened_and_saved_again_is_the_same_revision(workspace, loaded, clock):
    """Head, editions and pictures come back exactly; nothing new is stored, nothing encoded anew."""
    copy = open_statement(workspace, SLUG, ANA)
    assert (1, 1) == (copy.based_on_number, copy.latest_number)
    clock.forward(minutes=1)
    saved = save_as_revision(workspace, SLUG, ANA)
    assert (loaded.revision_id, True) == (saved.stored.revision_id, saved.already_stored)
    assert [] == [one for one in saved.faults if one.severity is Severity.ERROR]
    assert copy == open_statement(workspace, SLUG, RITA)


def test_what_is_read_holds_every_field(workspace, opened):
    """An edition with its version and who saved it; one that is not there yet is empty."""
    read = read_edition(workspace, SLUG, "en")
    assert "Her rights are our rights: stand with the Willow Center" == read.draft.title
    assert ("staff:ana", (), None) == (read.file.saved_by, read.lost, read.lock)
    assert (None, "") == (
        read_edition(workspace, SLUG, "uk").version, read_edition(workspace, SLUG, "uk").draft.body,
    )  # fmt: skip
    head = read_head(workspace, SLUG)
    assert "MD" == head.draft.signatories[0].country
    assert () == head.faults
    with pytest.raises(FaultsFound):
        read_edition(workspace, SLUG, "../en")


def test_only_what_is_there_and_is_written_by_people_can_be_opened(workspace, loaded):
    """An unknown slug, a newsletter's issue and people without the role are refused."""
    with pytest.raises(StatementNotFound):
        open_statement(workspace, "nothing", ANA)
    for writer in (EVA, ADAM, person("tom", StaffRole.TRANSLATOR)):
        with pytest.raises(MayNotWrite):
            open_statement(workspace, SLUG, writer)
    with pytest.raises(NoWorkingCopy):
        read_edition(workspace, SLUG, "en")
    item = NewsletterItem("a", 1, "en", {"en": ItemText("A", "")})
    issue = make_revision(slug="monthly", kind=StatementKind.NEWSLETTER, items=(item,))
    with workspace.store.write() as connection:
        save_revision(connection, issue, NOW)
    with pytest.raises(NotWritten):
        open_statement(workspace, "monthly", ANA)


def test_a_new_statement_begins_with_a_head_and_a_title(workspace, loaded):
    """It cannot be saved before it says something; a slug that is taken is refused."""
    new_statement(workspace, "open-doors", StatementKind.STATEMENT, "ru", "Открытые двери", ANA)
    assert "Открытые двери" == read_edition(workspace, "open-doors", "ru").draft.title
    with pytest.raises(NotSaved) as raised:
        save_as_revision(workspace, "open-doors", ANA)
    told = {(one.file, one.field) for one in raised.value.faults}
    assert {("ru.md", "body"), ("statement.toml", "signatories")} <= told
    for slug in ("open-doors", SLUG):
        with pytest.raises(SlugTaken):
            new_statement(workspace, slug, StatementKind.STATEMENT, "en", "x", ANA)
    for slug, language in (("../x", "en"), ("x", "xx-nothing-y"), ("X", "en")):
        with pytest.raises(FaultsFound):
            new_statement(workspace, slug, StatementKind.STATEMENT, language, "x", ANA)
    with pytest.raises(MayNotWrite):
        new_statement(workspace, "y", StatementKind.STATEMENT, "ru", "x", RITA)


# Saving, clashes, locks


def test_faults_are_saved_and_come_back_with_file_line_and_field(workspace, opened):
    """Autosave keeps what is half done; a revision wants it whole."""
    edit(workspace, "en", ANA, title="", body="::: quote\nNo end")
    read = read_edition(workspace, SLUG, "en")
    assert "::: quote\nNo end" == read.draft.body
    assert {"title", "quote.attribution", "quote"} <= {one.field for one in read.faults}
    with pytest.raises(NotSaved) as raised:
        save_as_revision(workspace, SLUG, ANA)
    assert ("en.md", 2, "title") in {(one.file, one.line, one.field) for one in raised.value.faults}
    assert 1 == len(revisions_of(workspace, SLUG))
    with pytest.raises(CannotBeWritten):
        edit(workspace, "en", ANA, title="two\nlines")


def test_a_clash_gives_both_texts_back(workspace, opened, clock):
    """Who saves over a version they have not seen is told; nothing is lost."""
    seen = read_edition(workspace, SLUG, "en")
    theirs = edit(workspace, "en", TERMINAL, title="Theirs")
    ours = replace(seen.draft, title="Ours")
    with pytest.raises(Clash) as raised:
        save_edition(workspace, SLUG, "en", ours, seen.version, ANA)
    assert (theirs, True) == (raised.value.theirs, b"title: Ours" in raised.value.ours)
    assert "Theirs" == read_edition(workspace, SLUG, "en").draft.title


def test_an_edition_is_written_by_one_at_a_time(workspace, opened, clock):
    """Saving holds it on for 15 minutes; others are told who holds it and keep their text."""
    assert "Ana" == hold(workspace, SLUG, "en", ANA).holder.name
    assert "Ana" == hold(workspace, SLUG, "en", BEN).holder.name
    clock.forward(minutes=14)
    edit(workspace, "en", ANA, title="Held on")
    clock.forward(minutes=14)
    for writer in (BEN, TERMINAL, person("ana", StaffRole.AUTHOR, session=99)):
        with pytest.raises(HeldByAnother) as raised:
            edit(workspace, "en", writer, title="Mine")
        assert "Ana" == raised.value.lock.holder.name
        assert b"title: Mine" in raised.value.ours
    assert "Ana" == read_edition(workspace, SLUG, "en").lock.holder.name
    edit(workspace, "ru", RITA, title="Другая")
    clock.forward(minutes=2)
    edit(workspace, "en", BEN, title="Mine")


def test_a_lock_is_let_go_by_its_holder_or_an_administrator(workspace, opened):
    """Others may not; letting go of what nobody holds is nothing."""
    hold(workspace, SLUG, HEAD, ANA)
    for writer in (BEN, RITA):
        with pytest.raises(MayNotWrite):
            let_go(workspace, SLUG, HEAD, writer)
    let_go(workspace, SLUG, HEAD, person("ana", StaffRole.AUTHOR, session=99))
    let_go(workspace, SLUG, HEAD, BEN)
    hold(workspace, SLUG, HEAD, ANA)
    let_go(workspace, SLUG, HEAD, ADAM)
    assert read_head(workspace, SLUG).lock is None


def test_translators_write_their_languages_and_nothing_else(workspace, opened):
    """It is refused where it is done, whatever a page offers."""
    edit(workspace, "ru", RITA, title="Её права")
    head, russian = read_head(workspace, SLUG), read_edition(workspace, SLUG, "ru")
    for refused in (
        lambda: edit(workspace, "en", RITA, title="x"),
        lambda: edit(workspace, "uk", RITA, title="x"),
        lambda: hold(workspace, SLUG, "en", RITA),
        lambda: hold(workspace, SLUG, HEAD, RITA),
        lambda: save_head(workspace, SLUG, head.draft, head.version, RITA),
        lambda: save_as_revision(workspace, SLUG, RITA),
        lambda: remove_edition(workspace, SLUG, "ru", russian.version, RITA),
        lambda: add_picture(workspace, SLUG, "a.png", picture_bytes(), RITA),
        lambda: remove_picture(workspace, SLUG, "lighthouse.png", 1, RITA),
        lambda: import_files(workspace, SLUG, {"en.md": b"x"}, RITA),
        lambda: import_files(workspace, SLUG, {"ru.md": b"x", "a.png": b""}, RITA),
        lambda: import_statement(workspace, {}, RITA),
        lambda: mark_translated(workspace, SLUG, "uk", 1, 1, RITA),
        lambda: discard(workspace, SLUG, RITA),
    ):
        with pytest.raises(MayNotWrite):
            refused()
    shut_out = replace(ANA, user=replace(ANA.user, disabled_at=NOW))
    for writer in (EVA, ADAM, shut_out):
        with pytest.raises(MayNotWrite):
            edit(workspace, "ru", writer, title="x")


# Revisions


def test_saving_stores_a_revision_and_says_who(workspace, opened):
    """The audit log has it; what is public stays; the working copy goes on from it."""
    head = read_head(workspace, SLUG)
    rows = (*head.draft.signatories, RowDraft(names={"en": "Sail"}, country="FI"))
    save_head(workspace, SLUG, replace(head.draft, slug="x", signatories=rows), head.version, ANA)
    saved = save_as_revision(workspace, SLUG, ANA)
    assert (2, False, "FI") == (
        saved.stored.number, saved.already_stored, saved.stored.revision.signatories[-1].country,
    )  # fmt: skip
    assert [("staff:ana", AuditAction.STATEMENT_REVISED, SLUG)] == audit_of(workspace)
    assert [2, 1] == [one.number for one in revisions_of(workspace, SLUG)]
    assert 2 == open_statement(workspace, SLUG, ANA).based_on_number
    diff = compare_revisions(workspace, SLUG, 1, 2)
    added = "".join(run.text for run in diff.head if run.kind is RunKind.ADDED)
    assert ("FI" in added, ()) == (True, diff.editions)
    assert compare_copy(workspace, SLUG).is_empty


def test_a_revision_that_was_loaded_meanwhile_is_not_gone_over_unseen(workspace, opened):
    """The person is told its number; having seen it they may save over it."""
    edit(workspace, "en", ANA, preheader="Ours")
    theirs = make_revision(slug=SLUG)
    with workspace.store.write() as connection:
        save_revision(connection, theirs, NOW)
    with pytest.raises(RevisionMeanwhile) as raised:
        save_as_revision(workspace, SLUG, ANA)
    assert 2 == raised.value.number
    assert check_copy(workspace, SLUG).revision is None
    translation, source = (read_edition(workspace, SLUG, one) for one in ("ru", "en"))
    mark_translated(workspace, SLUG, "ru", translation.version, source.version, ANA)
    assert 3 == save_as_revision(workspace, SLUG, ANA, over=2).stored.number


def test_an_edition_that_was_taken_away_stays_in_revisions(workspace, opened):
    """The next revision is without it; throwing the copy away keeps all that was saved."""
    version = read_edition(workspace, SLUG, "ru").version
    remove_edition(workspace, SLUG, "ru", version, ANA)
    assert ("en",) == save_as_revision(workspace, SLUG, ANA).stored.revision.languages
    discard(workspace, SLUG, ANA)
    with pytest.raises(NoWorkingCopy):
        check_copy(workspace, SLUG)
    (diff,) = compare_revisions(workspace, SLUG, 1, 2).editions
    assert ("ru", True) == (diff.language, diff.removed)


def test_a_pasted_text_passes_the_checks_and_is_sent_as_it_stands(workspace, opened):
    """Braces, marks and quotations of a pasted text stop no revision, and no slot is made of them."""
    pasted = from_html(
        "<h1>What happened</h1><p>Dear {{ 7*7 }}, {% if %} 5 * 3 &lt; 20_000</p><ul><li># one</li>"
        "</ul><blockquote><p>Words</p><p>— Nadia Orlan</p></blockquote>"
    )
    edit(workspace, "en", ANA, body=pasted.markdown)
    remove_edition(workspace, SLUG, "ru", read_edition(workspace, SLUG, "ru").version, ANA)
    revision = save_as_revision(workspace, SLUG, ANA).stored.revision
    design = read_design(workspace.config.templates_dir, revision.kind, workspace.catalogs)
    assert () == errors_in(check_revision_with_design(revision, design, frozenset()))
    shown = body_to_text(revision.editions["en"].body)
    assert "Dear {{ 7*7 }}, {% if %} 5 * 3 < 20_000" in shown


# Translations


def test_a_translator_sees_what_changed_in_the_source_and_marks_it(workspace, opened):
    """Words that changed are shown until the translation is marked; then it is up to date."""
    assert source_changes(workspace, SLUG, "ru").up_to_date
    body = read_edition(workspace, SLUG, "en").draft.body
    edit(workspace, "en", ANA, body=body.replace("sixteen years", "seventeen years", 1))
    changes = source_changes(workspace, SLUG, "ru")
    assert (False, True, "en") == (changes.up_to_date, changes.known, changes.source_language)
    (field,) = changes.fields
    changed = [run.text for run in field.runs if run.kind is not RunKind.EQUAL]
    assert ("body", ["sixteen", "seventeen"]) == (field.field, changed)
    faults = read_edition(workspace, SLUG, "ru").faults
    assert "translated_from" in {one.field for one in faults}
    russian = read_edition(workspace, SLUG, "ru")
    mark_translated(workspace, SLUG, "ru", russian.version, changes.source_version, RITA)
    assert source_changes(workspace, SLUG, "ru").up_to_date
    # The source that was marked was in no revision, and is known all the same.
    edit(workspace, "en", ANA, title="Another title")
    (field,) = source_changes(workspace, SLUG, "ru").fields
    assert "title" == field.field
    assert source_changes(workspace, SLUG, "en") is None


def test_a_translation_is_not_marked_from_a_source_nobody_compared_it_with(workspace, opened):
    """When the source changed meanwhile it is a clash, and nothing is marked."""
    russian, english = (read_edition(workspace, SLUG, one) for one in ("ru", "en"))
    edit(workspace, "en", ANA, title="Changed")
    with pytest.raises(Clash) as raised:
        mark_translated(workspace, SLUG, "ru", russian.version, english.version, RITA)
    assert "en.md" == raised.value.name
    with pytest.raises(FaultsFound):
        mark_translated(workspace, SLUG, "en", english.version, english.version, ANA)


def test_a_new_translation_knows_the_source_it_was_begun_from(workspace, opened):
    """Saving it never changes that; what changes in the source meanwhile is shown."""
    edit(workspace, "uk", ANA, title="Її права", subject="Її права", body="Текст.")
    assert source_changes(workspace, SLUG, "uk").up_to_date
    edit(workspace, "en", ANA, title="Changed")
    edit(workspace, "uk", ANA, translated_from="", body="Більше тексту.")
    changes = source_changes(workspace, SLUG, "uk")
    assert (False, ["title"]) == (changes.up_to_date, [one.field for one in changes.fields])


# Files and pictures


def test_files_go_out_and_come_in_again(workspace, loaded, clock):
    """What is exported is what is in the folder, and imported it is the same revision."""
    files = export_files(workspace, SLUG, 1)
    assert {"statement.toml", "en.md", "ru.md", "lighthouse.png"} == set(files)
    with zipfile.ZipFile(BytesIO(export_zip(workspace, SLUG, 1))) as archive:
        assert files["ru.md"] == archive.read(f"{SLUG}/ru.md")
    open_statement(workspace, SLUG, ANA)
    result = import_files(workspace, SLUG, files, ANA)
    assert ((), tuple(sorted(files))) == (result.saved, result.unchanged)
    assert loaded.revision_id == save_as_revision(workspace, SLUG, ANA).stored.revision_id
    own = {path.name: path.read_bytes() for path in SAMPLE.iterdir()}
    renamed = own["statement.toml"].replace(b'"her-rights"', b'"her-rights-again"')
    copy = import_statement(workspace, {**own, "statement.toml": renamed}, ANA)
    assert "her-rights-again" == copy.slug
    assert 1 == save_as_revision(workspace, copy.slug, ANA).stored.number
    with pytest.raises(SlugTaken):
        import_statement(workspace, own, ANA)


def test_an_upload_goes_over_nothing_unasked(workspace, opened):
    """Files that say something else are named, and all or none are taken."""
    changed = export_files(workspace, SLUG)["en.md"].replace(b"three offices", b"four offices")
    with pytest.raises(FilesThere) as raised:
        import_files(workspace, SLUG, {"en.md": changed, "uk.md": b"x"}, ANA)
    assert ("en.md",) == raised.value.names
    assert read_edition(workspace, SLUG, "uk").version is None
    result = import_files(workspace, SLUG, {"en.md": changed}, ANA, replace=True)
    assert ("en.md",) == result.saved
    hold(workspace, SLUG, "en", BEN)
    with pytest.raises(HeldByAnother):
        import_files(workspace, SLUG, {"uk.md": b"x", "en.md": b"y"}, ANA, replace=True)
    assert read_edition(workspace, SLUG, "uk").version is None


#: None of these is a file of a statement, or a name as it is written.
BAD_NAMES = (
    "../en.md", "/etc/passwd", "a/en.md", "en.md\x00.png", "..", "", "en", "EN.md", "xx-1.md",
    "statement.toml/", "Statement.toml", "C:\\en.md", "a.svg", "a.html", ".png", "en.md ",
    "a.zip", "-en.md", "x" * 200 + ".png",
)  # fmt: skip
#: Files that cannot be taken → what a fault names.
BAD_FILES = (
    ({"uk.md": b"a\n\xff"}, ("uk.md", 2)),
    ({"uk.md": b"a\x00b"}, ("uk.md", 0)),
    ({"uk.md": b"x" * 1_000_001}, ("uk.md", 0)),
    ({"a.png": b"<svg onload=alert(1)>"}, ("a.png", 0)),
    ({"a.png": b"", "A.png": b""}, ("A.png", 0)),
    ({f"a{number}.png": b"" for number in range(201)}, ("", 0)),
)


def test_files_that_are_no_files_of_a_statement_are_refused(workspace, opened):
    """Names that lead elsewhere, and what is no text or picture: nothing of an upload is taken."""
    for name in BAD_NAMES:
        with pytest.raises(FaultsFound):
            import_files(workspace, SLUG, {"uk.md": b"x", name: b"x"}, ANA)
    for files, place in BAD_FILES:
        with pytest.raises(FaultsFound) as raised:
            import_files(workspace, SLUG, {"be.md": b"x", **files}, ANA)
        assert place in {(one.file, one.line) for one in raised.value.faults}
    assert {"statement.toml", "en.md", "ru.md", "lighthouse.png"} == set(
        export_files(workspace, SLUG)
    )


def test_a_picture_is_encoded_anew_and_its_words_are_wanted(workspace, opened):
    """Nothing of the file but its pixels is kept; one without alternative text stops a revision."""
    file = BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    Image.new("RGB", (3000, 1000), "blue").save(file, "JPEG", exif=exif)
    picture = add_picture(workspace, SLUG, "sea.jpg", file.getvalue(), ANA)
    assert (1200, True) == (picture.width_px, b"where" not in picture.content)
    assert picture == pictures_of(workspace, SLUG)["sea.jpg"]
    faults = check_copy(workspace, SLUG).faults
    assert ("sea.jpg", Severity.WARNING) in {(one.file, one.severity) for one in faults}
    body = read_edition(workspace, SLUG, "en").draft.body
    edit(workspace, "en", ANA, body=f"{body}\n\n![](sea.jpg)")
    assert "picture" in {one.field for one in read_edition(workspace, SLUG, "en").faults}
    edit(workspace, "en", ANA, body=f"{body}\n\n![A calm sea](sea.jpg)")
    remove_edition(workspace, SLUG, "ru", read_edition(workspace, SLUG, "ru").version, ANA)
    saved = save_as_revision(workspace, SLUG, ANA).stored.revision
    assert picture == saved.pictures["sea.jpg"]
    add_picture(workspace, SLUG, "sea.jpg", picture_bytes("green"), ANA)
    for name, content in (("SEA.jpg", picture_bytes()), ("../a.png", b""), ("b.png", b"no")):
        with pytest.raises(UnusablePicture):
            add_picture(workspace, SLUG, name, content, ANA)
    with pytest.raises(UnusablePicture):
        remove_picture(workspace, SLUG, "en.md", 1, ANA)
    with pytest.raises(Clash):
        remove_picture(workspace, SLUG, "sea.jpg", 1, ANA)


def test_no_folder_is_left_behind(workspace, opened, tmp_path, monkeypatch):
    """Checks read the text from a folder for its owner alone, which is gone afterwards."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    check_copy(workspace, SLUG)
    assert [] == list(place.iterdir())
