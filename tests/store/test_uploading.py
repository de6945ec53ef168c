"""An uploaded file of people on its way to a list: sealed, tried, imported, taken back."""

import pytest

from mailer.app import uploading
from mailer.app.importing import undo_import
from mailer.app.workspace import Workspace
from mailer.audience.columns import KEPT, LEFT_OUT
from mailer.cli.workspace import make_workspace
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound
from mailer.model.staff import Actor, ActorKind
from mailer.model.uploads import READING_LOST, UPLOAD_WINDOW, UploadState
from mailer.schedule.housekeeping import FEW
from mailer.store.audience_counts import members_by_language
from mailer.store.audit import entries_in_order
from mailer.store.uploads import forget_uploads, read_chunk
from tests.support.clocks import FixedClock

ANA = Actor(ActorKind.STAFF, "ana")
LIST = "harbor-news"
RUSSIAN = (
    "Почта;Имя;Язык;Страна;Размер обуви\r\n"
    "anna@example.org;Анна;ru;MD;38\r\n"
    "boris@example.org;Борис;ru;Молдова;44\r\n"
    "vera@example.org;Вера;ru;UA;39\r\n"
    "no address;Гриша;ru;UA;39\r\n"
).encode("cp1251")


@pytest.fixture
def workspace(tmp_path):
    """The sample workspace, with a clock that stands."""
    make_workspace(tmp_path / "workspace").store.close()
    opened = Workspace.open(tmp_path / "workspace", FixedClock())
    yield opened
    opened.store.close()


def proposed(workspace, upload):
    """What is proposed for each column, by its name."""
    return {one.name: one.proposed for one in uploading.sample_of(workspace, upload).columns}


def received(workspace, content=RUSSIAN, name="Список.csv"):
    """An upload whose proposals were agreed to."""
    upload = uploading.receive(workspace, ANA, LIST, name, content)
    uploading.choose_columns(workspace, upload, list(proposed(workspace, upload).values()))
    return upload.upload_id


def checked(workspace, upload_id):
    """What the dry run of an upload says."""
    assert uploading.begin_check(workspace, upload_id)
    uploading.check(workspace, ANA, upload_id)
    return uploading.upload_of(workspace, upload_id)


def brought_in(workspace, upload_id):
    """The upload after its import."""
    assert uploading.begin_import(workspace, ANA, upload_id)
    uploading.bring_in(workspace, ANA, upload_id)
    return uploading.upload_of(workspace, upload_id)


def on_list(workspace):
    """How many people are on the list."""
    with workspace.store.read() as connection:
        return sum(members_by_language(connection).get(LIST, {}).values())


def test_a_file_goes_from_upload_to_list_and_back(workspace):
    """Columns proposed, tried without a trace, imported, taken back, each on record by who did it."""
    upload_id = received(workspace)
    tried = checked(workspace, upload_id)
    assert UploadState.CHECKED is tried.state
    assert (2, 2) == (tried.result["result"]["added"], tried.result["result"]["rejected"])
    assert {("rejected", 3), ("rejected", 5)} == {
        (one["what"], line) for one in tried.result["reasons"] for line in one["lines"]
    }
    assert "country: not a two-letter country code" in {
        one["reason"] for one in tried.result["reasons"]
    }
    assert "@" not in repr(tried.result)
    assert 0 == on_list(workspace)
    done = brought_in(workspace, upload_id)
    assert (UploadState.DONE, 2) == (done.state, on_list(workspace))
    assert 2 == undo_import(workspace, ANA, done.batch).removed
    assert 0 == on_list(workspace)
    with workspace.store.read() as connection:
        entries = [(one.action, str(one.actor)) for one in entries_in_order(connection)]
    assert [
        (AuditAction.IMPORT_STARTED, "staff:ana"),
        (AuditAction.IMPORT_DONE, "staff:ana"),
        (AuditAction.IMPORT_UNDONE, "staff:ana"),
    ] == [one for one in entries if one[1] == "staff:ana"]


def test_columns_are_proposed_by_their_words_in_four_languages(workspace):
    """What nobody can name is left out, unless a person says otherwise."""
    for header, wanted in (
        ("E-mail,Name,Language,Shoe size", ["address", "name", "languages", LEFT_OUT]),
        ("Электронная почта,ФИО,Язык,Метки", ["address", "name", "languages", "tags"]),
        ("Пошта,Ім'я,Мова,Країна", ["address", "name", "languages", "country"]),
        ("Adresă e-mail,Nume,Limba,Țara", ["address", "name", "languages", "country"]),
        ("Wo,Wer,Was,Wie", ["address", LEFT_OUT, LEFT_OUT, LEFT_OUT]),
    ):
        text = f"{header}\nanna@example.org,Anna,ru,x\n"
        upload = uploading.receive(workspace, ANA, LIST, "people.csv", text.encode())
        assert wanted == list(proposed(workspace, upload).values())


def test_an_export_of_another_system_still_says_who_left(workspace):
    """Whoever unsubscribed there is not brought back, whatever column a person leaves out."""
    text = (
        "uuid,email,name,attributes,status\n"
        "1,anna@example.org,Anna,{},blocklisted\n"
        "2,vera@example.org,Vera,{},enabled\n"
    )
    upload = uploading.receive(workspace, ANA, LIST, "listmonk.csv", text.encode())
    sample = uploading.sample_of(workspace, upload)
    assert "listmonk" == sample.system
    uploading.choose_columns(workspace, upload, [LEFT_OUT, "address", "name", LEFT_OUT, LEFT_OUT])
    tried = checked(workspace, upload.upload_id)
    assert (1, 1) == (tried.result["result"]["added"], tried.result["result"]["taken_over"])


def test_a_column_may_be_kept_sealed_under_its_name(workspace):
    """Also one that is called like a field which another column gives."""
    text = "email,name,Nickname\nanna@example.org,Anna,Anya\n"
    upload = uploading.receive(workspace, ANA, LIST, "people.csv", text.encode())
    uploading.choose_columns(workspace, upload, ["address", KEPT, "name"])
    tried = checked(workspace, upload.upload_id)
    assert ["name (as sent)"] == tried.result["result"]["sealed_columns"]


@pytest.mark.parametrize(
    ("targets", "field"),
    [
        (["name", LEFT_OUT, LEFT_OUT, LEFT_OUT, LEFT_OUT], "address"),
        (["address", "name", "name", LEFT_OUT, LEFT_OUT], "name"),
        (["address", "consented", LEFT_OUT, LEFT_OUT, LEFT_OUT], "columns"),
        (["address"], "columns"),
    ],
)
def test_a_choice_that_cannot_be_imported_by_is_refused(workspace, targets, field):
    """The address once, every field once at most, nothing that is no field."""
    upload = uploading.receive(workspace, ANA, LIST, "people.csv", RUSSIAN)
    with pytest.raises(FaultsFound) as caught:
        uploading.choose_columns(workspace, upload, targets)
    assert field in {one.field for one in caught.value.faults}


def test_what_is_no_list_of_people_is_refused_before_it_is_kept(workspace):
    """A workbook, an empty file, one that is too large."""
    for content in (b"PK\x03\x04workbook", b"", b"a" * (uploading.MOST_OCTETS + 1)):
        with pytest.raises(FaultsFound):
            uploading.receive(workspace, ANA, LIST, "../../etc/people.csv", content)
    assert [] == uploading.uploads(workspace)


def test_nothing_of_a_file_is_readable_on_the_disk_and_it_goes_once_imported(workspace):
    """Not its content and not its name, in the database or beside it."""
    content = RUSSIAN + "".join(
        f"person{number}@example.org;Имя;ru;MD;38\r\n" for number in range(6000)
    ).encode("cp1251")
    upload_id = received(workspace, content, "Secret plans.csv")
    on_disk = b"".join(
        path.read_bytes() for path in workspace.config.root.rglob("*") if path.is_file()
    )
    for word in ("anna@example.org", "person5999@", "Secret plans"):
        assert word.encode() not in on_disk
    assert uploading.upload_of(workspace, upload_id).name == "Secret plans.csv"
    checked(workspace, upload_id)
    brought_in(workspace, upload_id)
    assert 6002 == on_list(workspace)
    with workspace.store.read() as connection:
        assert read_chunk(connection, upload_id, 0) is None


def test_a_file_that_nobody_imports_is_gone_after_a_day(workspace):
    """A little at a time, so that nobody waits for it."""
    upload_id = received(workspace)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        assert 0 == forget_uploads(connection, now, FEW)
        gone = [forget_uploads(connection, now + UPLOAD_WINDOW, FEW) for _ in range(3)]
    assert [1, 1, 0] == gone
    with pytest.raises(uploading.UploadGone):
        uploading.upload_of(workspace, upload_id)


def test_two_clicks_import_once_and_what_was_broken_off_can_be_begun_anew(workspace):
    """Whoever says nothing for two minutes is gone."""
    upload_id = received(workspace)
    assert uploading.begin_check(workspace, upload_id)
    assert not uploading.begin_check(workspace, upload_id)
    assert not uploading.begin_import(workspace, ANA, upload_id)
    uploading.discard(workspace, upload_id)
    assert uploading.upload_of(workspace, upload_id).is_being_read(workspace.clock.now())
    workspace.clock.forward(seconds=READING_LOST.total_seconds() + 1)
    assert uploading.upload_of(workspace, upload_id).is_broken_off(workspace.clock.now())
    checked(workspace, upload_id)
    uploading.discard(workspace, upload_id)
    assert [] == uploading.uploads(workspace)
