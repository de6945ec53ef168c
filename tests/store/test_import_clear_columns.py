"""What people write into columns that are stored in clear, or that nobody thought of as theirs."""

from pathlib import Path

import pytest

from mailer.audience.consent import opened_source
from mailer.keys import WrongSealKey
from mailer.store import tables
from tests.store.import_ground import Importer
from tests.support.factories import make_list


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports into `store`."""
    return Importer(store, seal_keys, service_keys, tmp_path)


def files(store):
    """Return the database's files, its write-ahead log among them, by name."""
    database = Path(store.engine.url.database)
    return {path.name: path.read_bytes() for path in database.parent.glob(f"{database.name}*")}


def test_nothing_of_consent_tags_or_the_files_name_is_readable_in_the_database(importer):
    """Sources are sealed; what is no word and no tag is not taken; nothing is left in any file."""
    path = importer.file(
        "email,consent,consent_source,tags",
        "a@example.org,yes,nightjar1 at the fair,press",
        "b@example.org,nightjar2 said so on the phone,,press",
        "c@example.org,nightjar3@birds.example.org,,",
        "d@example.org,yes,,press;nightjar4@birds.example.org",
        "e@example.org,yes,told by nightjar5@birds.example.org,",
        "f@example.org,membership,,artist",
        name="nightjar6-of-maria.csv",
    )
    result = importer.take(path)
    assert (3, 3) == (result.added, result.rejected)
    # A second import changes rows, and the withdrawal of a consent takes its source away.
    importer.take("email,consent,consent_source", "a@example.org,no,nightjar7")
    assert importer.holds("artist")
    assert importer.holds("membership")
    assert not importer.holds("nightjar")
    assert not importer.holds("birds.example")
    if importer.store.is_sqlite:
        found = files(importer.store)
        assert any(name.endswith("-wal") and content for name, content in found.items())
        assert not any(b"nightjar" in content for content in found.values())


def test_a_source_is_bound_to_its_list_and_its_person(importer):
    """It does not open under another row, so nobody's evidence can stand for another's."""
    importer.take("email,consent_source", "a@example.org,form", "b@example.org,letter")
    importer.take("email,consent_source", "a@example.org,fair", onto=make_list("harbor-press"))
    members = importer.rows(tables.membership)
    opened = {
        (one["list_id"], one["supporter_id"]): opened_source(
            importer.seal_keys, one["consent_source_sealed"], one["list_id"], one["supporter_id"]
        )
        for one in members
    }
    assert ["fair", "form", "letter"] == sorted(opened.values())
    for one in members:
        for list_id, supporter_id in opened.keys() - {(one["list_id"], one["supporter_id"])}:
            with pytest.raises(WrongSealKey):
                opened_source(
                    importer.seal_keys, one["consent_source_sealed"], list_id, supporter_id
                )


def test_the_files_name_stands_sealed_where_a_row_names_no_source(importer):
    """It tells later where the consent came from, to those who hold the key."""
    importer.take(importer.file("email", "a@example.org", name="fair-2026.csv"))
    (member,) = importer.rows(tables.membership)
    assert "import of fair-2026.csv on 2026-12-01" == opened_source(
        importer.seal_keys, member["consent_source_sealed"], member["list_id"],
        member["supporter_id"],
    )  # fmt: skip
    assert not importer.holds("fair-2026")


def test_rows_with_languages_nobody_knows_are_named_by_line_and_reason(importer):
    """Nobody is put on a list with a wish that would have no effect."""
    result = importer.take(
        "email,languages,never_languages",
        "a@example.org,uk,Russian",
        'b@example.org,uk,"ru, Russian"',
        "c@example.org,uk,none",
        "d@example.org,Deutsch,ru",
        "e@example.org,uk,ru",
    )
    unknown = "one is no language known here; write tags like ru, uk"
    assert (1, 4) == (result.added, result.rejected)
    assert [
        (2, f"never_languages: {unknown}"), (3, f"never_languages: {unknown}"),
        (4, f"never_languages: {unknown}"), (5, f"languages: {unknown}"),
    ] == [(fault.line, fault.problem) for fault in result.reject_reasons]  # fmt: skip
    assert ["e@example.org"] == list(importer.people())
    assert result.reject_file.exists()
