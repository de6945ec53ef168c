"""What an import does with consent, with broken files, and when it is itself broken off."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from mailer.audience.consent import opened_source
from mailer.audience.imports import CHUNK_ROWS
from mailer.audience.records import LONGEST_LINE
from mailer.model.audience import MembershipState
from mailer.model.faults import FaultsFound
from mailer.store import tables
from mailer.store.audience import unfinished_imports
from mailer.store.audience_counts import members_by_language
from mailer.store.engine import StoreUnavailable
from mailer.store.scratch import SeenDigests
from tests.store.import_ground import LIST, Importer
from tests.support.clocks import NOW
from tests.support.factories import make_list

CROWD = [f"person{number}@example.org,ru" for number in range(3 * CHUNK_ROWS)]

_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from mailer.audience.imports import import_csv
from mailer.keys import load_seal_keys, load_service_keys
from mailer.store.engine import open_store
from tests.support.factories import make_list

url, keys, file, rejects = sys.argv[1:]

def progress(done, total):
    if done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)

import_csv(
    open_store(url), load_seal_keys(Path(keys) / "seal.key"),
    load_service_keys(Path(keys) / "service.key"), Path(file), make_list(),
    rejects_dir=Path(rejects), now=datetime.now(UTC), progress=progress,
)
"""


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports into `store`."""
    return Importer(store, seal_keys, service_keys, tmp_path)


def members(importer):
    """Return the members of the list by first language."""
    with importer.store.read() as connection:
        return members_by_language(connection).get(LIST.key, {})


def unfinished(importer):
    """Return how many imports into the list were broken off."""
    with importer.store.read() as connection:
        return unfinished_imports(connection).get(LIST.key, 0)


def consent(importer):
    """Return basis, source and day of everybody's consent, by local part."""
    ids = {row["id"]: address.partition("@")[0] for address, row in importer.people().items()}
    return {
        ids[row["supporter_id"]]: (
            row["consent_basis"],
            opened_source(
                importer.seal_keys, row["consent_source_sealed"], row["list_id"],
                row["supporter_id"],
            ),
            row["consented_at"] and f"{row['consented_at']:%Y-%m-%d}",
        )
        for row in importer.rows(tables.membership)
    }  # fmt: skip


def refusal(importer, *lines, **options):
    """Return the one fault a file is refused for; nothing may have changed."""
    before = importer.everything(without=())
    with pytest.raises(FaultsFound) as raised:
        importer.take(*lines, **options)
    assert before == importer.everything(without=())
    assert not importer.rejects.exists()
    (fault,) = raised.value.faults
    return fault


def broken_off(importer, *lines, **options):
    """Return the one fault an import is broken off for; nobody it brought may be on the list."""
    with pytest.raises(FaultsFound) as raised:
        importer.take(*lines, **options)
    assert ({}, 1) == (members(importer), unfinished(importer))
    (fault,) = raised.value.faults
    return fault


def test_consent_has_a_basis_a_source_and_a_day(importer):
    """From the row; the list's basis and the import itself stand in where the row says less."""
    result = importer.take(
        "email,consent,consent_source,consented_at",
        "a@example.org,yes,form at the fair,2025-03-31",
        "b@example.org,contract,,",
        "c@example.org,,newsletter form,",
        "d@example.org,no,newsletter form,2025-03-31",
        "e@example.org,,,",
    )
    assert {
        "a": ("consent", "form at the fair", "2025-03-31"),
        "b": ("contract", "import of people.csv on 2026-12-01", None),
        "c": ("consent", "newsletter form", None),
        "d": ("", "", None),
        "e": ("", "", None),
    } == consent(importer)
    assert (5, 2) == (result.added, result.without_consent)


def test_a_file_without_a_word_on_consent_has_the_lists_basis(importer):
    """That is what the list's file declares; where it came from is the import."""
    importer.take("email", "a@example.org", onto=make_list(consent_basis="membership"))
    assert {"a": ("membership", "import of people.csv on 2026-12-01", None)} == consent(importer)


def test_where_a_consent_came_from_is_not_readable_in_the_database(importer):
    """People write names and addresses into it, and files are named for people."""
    path = importer.file(
        "email,consent_source", "a@example.org,form signed by nightjar@example.net",
        name="from-nightjar.csv",
    )  # fmt: skip
    assert 1 == importer.take(path).added
    assert 1 == importer.take(importer.file("email", "b@example.org", name="nightjar.csv")).added
    assert not importer.holds("nightjar")


def test_the_basis_of_a_consent_is_a_word_and_no_text(importer):
    """It stands in clear: an address or a sentence in its column is refused."""
    result = importer.take(
        "email,consent", "a@example.org,nightjar@example.net", "b@example.org,she said so",
        "c@example.org,membership",
    )  # fmt: skip
    assert (1, 2) == (result.added, result.rejected)
    assert not importer.holds("nightjar")


def test_evidence_on_record_is_not_written_over_but_consent_can_be_withdrawn(importer):
    """A later file gives no better source; a plain "no" takes the consent back."""
    header = "email,consent,consent_source"
    importer.take(header, "a@example.org,yes,form at the fair")
    assert 1 == importer.take(header, "a@example.org,yes,somewhere else").unchanged
    assert {"a": ("consent", "form at the fair", None)} == consent(importer)
    assert 1 == importer.take(header, "a@example.org,no,").updated
    assert {"a": ("", "", None)} == consent(importer)


def test_never_languages_and_the_discreet_mark_are_never_forgotten(importer):
    """A file that leaves them empty, or says no, does not take them back."""
    header = "email,languages,never_languages,discreet"
    importer.take(header, "a@example.org,ru,uk,yes")
    importer.take(header, "a@example.org,ru,be,no")
    (person,) = importer.people().values()
    assert person["discreet"]
    profiles = {row["id"]: row["never"] for row in importer.rows(tables.language_profile)}
    assert "be,uk" == profiles[person["profile_id"]]


class Broken(Exception):
    """Raised in the middle of an import."""


def test_an_import_broken_off_leaves_nobody_on_the_list(importer):
    """Also not those it found on record; who was on the list before still is."""
    importer.take("email,languages", "person1@example.org,ru")

    def progress(done, total):
        if done > total // 2:
            raise Broken

    with pytest.raises(Broken):
        importer.take("email,languages", *CROWD, progress=progress)
    assert {"ru": 1} == members(importer)
    assert 1 == unfinished(importer)


def test_a_killed_import_leaves_nobody_on_the_list_and_the_next_takes_them_all(importer, key_files):
    """Killed in its midst: the same file again brings everybody, once, as if nothing had been."""
    path = importer.file("email,languages", *CROWD)
    url = importer.store.engine.url.render_as_string(hide_password=False)
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, url, str(key_files), str(path), str(importer.rejects)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert -9 == ended.returncode, ended.stderr
    staged = importer.rows(tables.membership)
    assert 0 < len(staged) < len(CROWD)
    assert ({}, 1) == (members(importer), unfinished(importer))
    assert len(CROWD) == importer.take(path).added
    assert ({"ru": len(CROWD)}, 0) == (members(importer), unfinished(importer))
    assert len(CROWD) == len(importer.people())


def test_who_leaves_after_a_broken_import_stays_away(importer):
    """The import done again does not bring them either."""

    def progress(_done, _total):
        raise Broken

    with pytest.raises(Broken):
        importer.take("email,languages", *CROWD, progress=progress)
    with importer.store.write() as connection:
        connection.execute(
            tables.membership.update()
            .where(
                tables.membership.c.supporter_id == importer.people()["person3@example.org"]["id"]
            )
            .values(state=MembershipState.LEFT, left_at=NOW)
        )
    result = importer.take("email,languages", *CROWD)
    assert (len(CROWD) - 1, 1) == (result.added, result.left)
    assert {"ru": len(CROWD) - 1} == members(importer)


@pytest.mark.parametrize(
    ("lines", "line", "field", "problem"),
    [
        (["name,languages", "Anna,ru"], 1, "address", "no column holds the address"),
        (["anna@example.org,Anna", "b@example.org,B"], 1, "address", "no column holds the address"),
        (["email,name,name", "a@example.org,A,B"], 1, "name", "two columns give this field"),
        (["email,E-Mail", "a@example.org,"], 1, "address", "two columns give this field"),
        ([""], 1, "", "has no header"),
        ([], 1, "", "has no header"),
        (['email,"name', "a@example.org,A"], 1, "",
         "the header is no CSV: a quotation mark is not closed"),
        (["email", "a@example.org", f"b@example.org,{'x' * LONGEST_LINE}"], 3, "",
         f"is longer than {LONGEST_LINE} characters"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_changes_nothing(importer, lines, line, field, problem):
    """File, line and field are named; what is in the line is not."""
    fault = refusal(importer, *lines)
    assert ("people.csv", line, field, problem) == (
        fault.file, fault.line, fault.field, fault.problem,
    )  # fmt: skip
    assert fault.remedy
    assert "@" not in str(fault)


def test_a_file_that_is_not_what_it_is_said_to_be_is_refused_near_its_line(importer):
    """Even where its first chunks are fine: they are not taken either."""
    lines = [
        "email,name",
        *(f"p{number}@example.org," for number in range(5000)),
        "x@example.org,Ёж",
    ]
    path = importer.file(*lines, encoding="cp1251")
    fault = refusal(importer, path, encoding="utf-8-sig")
    assert "is not UTF-8 near this line" == fault.problem
    assert 4000 < fault.line <= 5002
    assert 'Save it as "CSV UTF-8", or say what it is with --encoding' == fault.remedy


def test_utf8_with_a_broken_letter_is_not_guessed_to_be_something_else(importer):
    """Guessing would spoil the names of everybody whose letters are whole."""
    path = importer.file("email,name", "a@example.org,Оксана Гриценко", "b@example.org,Ганна")
    path.write_bytes(path.read_bytes()[:-2] + b"\n")
    assert (3, "is not UTF-8 near this line") == (
        (fault := refusal(importer, path)).line, fault.problem,
    )  # fmt: skip


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1251", "utf-8", "utf-8-sig"]
)
def test_what_a_file_is_written_in_is_found_out(
    sqlite_store, seal_keys, service_keys, tmp_path, encoding
):
    """The names come out right, and the result says what the file was taken to be."""
    importer = Importer(sqlite_store, seal_keys, service_keys, tmp_path)
    lines = ["email;name", "a@example.org;Ганна Шевченко", "b@example.org;Ёлкина Анна"]
    result = importer.take(importer.file(*lines, encoding=encoding))
    assert ";" == result.separator
    assert encoding.removesuffix("-sig") in result.encoding
    assert ["Ганна Шевченко", "Ёлкина Анна"] == [
        one["fields"]["name"] for one in importer.people().values()
    ]


@pytest.mark.parametrize("start", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest", b"%PDF-1.7"])
def test_a_workbook_or_archive_is_refused_with_what_to_do(importer, start):
    """Nobody knows what is amiss from "line 1 is not UTF-8"."""
    path = importer.folder / "people.csv"
    path.write_bytes(start)
    assert "Open it and save it as CSV" == refusal(importer, path).remedy


def test_a_header_in_the_midst_of_a_file_is_no_person(importer):
    """Files put together by hand have several."""
    result = importer.take("email,name", "a@example.org,A", "email,name", "b@example.org,B")
    assert (2, 1) == (result.added, result.rejected)
    assert "this is the header again" == result.reject_reasons[0].problem


def test_a_file_that_is_not_there_is_said_plainly(importer):
    """A missing file, a folder, a pipe and a device are no tracebacks."""
    pipe = importer.folder / "pipe.csv"
    os.mkfifo(pipe)
    for path in (importer.folder / "nowhere.csv", importer.folder, pipe, Path("/dev/zero")):
        fault = refusal(importer, path)
        assert (path.name, 0) == (fault.file, fault.line)
        assert fault.problem.startswith("cannot be read")


def test_a_file_that_changes_while_it_is_read_is_said_plainly(importer):
    """What is no text now was text when it was looked at; nobody of it is on the list."""
    path = importer.file("email", *(f"p{number}@example.org" for number in range(900)))

    def spoil(_done, _total):
        with path.open("r+b") as file:
            file.seek(12_000)
            file.write(b"\xff")

    fault = broken_off(importer, path, progress=spoil)
    assert ("people.csv", "cannot be read any more: it was changed") == (fault.file, fault.problem)


@pytest.mark.parametrize("row", ["nobody,A", f"nobody{'x' * 9000},A"])
def test_a_full_disk_under_the_reject_file_breaks_the_import_off(importer, row):
    """Whether it is noticed at a row or at the end: whom the file lacks, nobody could look up."""
    importer.rejects.mkdir()
    (importer.rejects / "1.csv").symlink_to("/dev/full")
    fault = broken_off(importer, "email,name", "a@example.org,A", row, row)
    assert "rejects/1.csv" == fault.file
    assert "cannot be written: No space left on device" == fault.problem


def test_a_full_disk_under_the_database_leaves_nobody_on_the_list(
    sqlite_store, seal_keys, service_keys, tmp_path
):
    """It is said plainly; with room again the same file brings everybody."""
    importer = Importer(sqlite_store, seal_keys, service_keys, tmp_path)
    with sqlite_store.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def small(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {pages + 60}")

    sqlite_store.close()
    event.listen(sqlite_store.engine, "connect", small)
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        importer.take("email,languages", *CROWD)
    event.remove(sqlite_store.engine, "connect", small)
    sqlite_store.close()
    assert ({}, 1) == (members(importer), unfinished(importer))
    assert 0 < len(importer.rows(tables.supporter)) < len(CROWD)
    assert len(CROWD) == importer.take("email,languages", *CROWD).added
    assert {"ru": len(CROWD)} == members(importer)


def test_a_locked_database_is_said_plainly(
    sqlite_store, seal_keys, service_keys, tmp_path, monkeypatch
):
    """The import does not begin."""
    importer = Importer(sqlite_store, seal_keys, service_keys, tmp_path)
    monkeypatch.setattr("mailer.store.engine.BUSY_TIMEOUT_S", 0.05)
    with sqlite_store.write(), pytest.raises(StoreUnavailable, match="The database was locked"):
        importer.take("email", "a@example.org")
    assert [] == importer.rows(tables.import_batch)


def test_a_full_disk_for_temporary_files_is_said_plainly():
    """The file that remembers which addresses came before lies where SQLite puts it."""
    with closing(SeenDigests()) as seen:
        seen._database.execute("PRAGMA max_page_count = 2")
        with pytest.raises(StoreUnavailable, match="its disk is full"):
            seen.add({number.to_bytes(16, "big") for number in range(900)})


def test_a_file_of_a_header_alone_brings_nobody(importer):
    """It is no mistake."""
    assert 0 == importer.take("email,name").rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_files_of_every_spreadsheet_are_read(sqlite_store, seal_keys, service_keys, tmp_path,
                                             end, separator, encoding):  # fmt: skip
    """Line ends, separators and a byte order mark do not matter."""
    importer = Importer(sqlite_store, seal_keys, service_keys, tmp_path)
    lines = ["email,name,languages", "a@example.org,Анна,ru", "b@example.org,Boris,be"]
    path = importer.file(
        *(line.replace(",", separator) for line in lines), encoding=encoding, end=end
    )
    assert 2 == importer.take(path).added
    assert "Анна" == importer.people()["a@example.org"]["fields"]["name"]


def test_control_characters_spoil_an_address_and_vanish_from_a_name(importer):
    """NUL, escapes and direction overrides reach no database, terminal or header."""
    result = importer.take(
        "email,name,tags,remark",
        "a\0@example.org,A,,",
        "b\u202e@example.org,B,,",
        "c@example.org,C\0\x1b[31m\u202eD,x\0y,z\0",
    )
    assert (1, 2) == (result.added, result.rejected)
    assert {"the address holds a control or invisible character"} == {
        fault.problem for fault in result.reject_reasons
    }
    (person,) = importer.people().values()
    assert {"name": "C [31mD", "remark": "z"} == person["fields"]
    assert ["x y"] == [row["tag"] for row in importer.rows(tables.supporter_tag)]


def test_a_list_whose_people_belong_to_another_organisation_is_refused(importer):
    """Their consent was given to the first one."""
    importer.take("email", "a@example.org")
    fault = refusal(importer, "email", "b@example.org", onto=make_list(owner="lantern"))
    assert ("lists/harbor-news.toml", "owner") == (fault.file, fault.field)
