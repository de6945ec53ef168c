"""A CSV file becomes people on a list: once, in their normal form, and readable to nobody else."""

import csv
import threading

import pytest

from mailer.audience.imports import CHUNK_ROWS
from mailer.model.audience import MembershipState, SuppressionReason
from mailer.store import tables
from mailer.store.audience_counts import members_by_language
from tests.store.import_ground import LIST, Importer
from tests.support.clocks import NOW
from tests.support.factories import make_list

HEADER = "email,name,languages,country,city,skills,remark"
ANNA = "anna@example.org,Anna Yelkina,ru;uk,MD,Soroca,layout,phoned"


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports into `store`."""
    return Importer(store, seal_keys, service_keys, tmp_path)


def on_list(importer):
    """Return how many are on each list."""
    with importer.store.read() as connection:
        return {key: sum(one.values()) for key, one in members_by_language(connection).items()}


def test_a_row_becomes_a_person_on_the_list(importer):
    """What is declared clear can be searched for; the rest is sealed under the same names."""
    result = importer.take(HEADER, ANNA)
    assert {"added": 1} == {name: count for name, count in result.counts().items() if count}
    (address,) = importer.people()
    person = importer.people()[address]
    assert "anna@example.org" == address
    assert {
        "name": "Anna Yelkina", "city": "Soroca", "skills": "layout", "remark": "phoned",
    } == person["fields"]  # fmt: skip
    assert ("MD", "other", False) == (
        person["country"], person["domain_class"], person["needs_smtputf8"],
    )  # fmt: skip
    (attribute,) = importer.rows(tables.supporter_attribute)
    assert ("city", "Soroca") == (attribute["name"], attribute["text_value"])
    assert ("remark",) == result.sealed_columns
    assert {"harbor-news": 1} == on_list(importer)


def test_nobodys_address_name_or_sealed_column_is_readable_in_the_database(importer):
    """Not in a column, and not in the database's files: only what is declared clear is."""
    importer.take(
        "email,name,city,skills,remark",
        "canary.one@birds.example.org,Wren Goldcrest,Soroca,taxidermy,whistles",
    )
    readable = ["canary.one", "birds.example", "Wren", "Goldcrest", "taxidermy", "whistles"]
    assert [] == [text for text in readable if importer.holds(text)]
    assert importer.holds("Soroca")


def test_the_same_file_again_changes_nothing(importer):
    """Every row is counted as unchanged, and no row of any table differs."""
    lines = (HEADER, ANNA, "boris@example.org,Boris,be,BY,Brest,,", "vera@example.org,,,,,,")
    importer.take(*lines)
    before = importer.everything()
    result = importer.take(*lines, now=NOW.replace(year=2027))
    assert (3, 3) == (result.rows, result.unchanged)
    assert before == importer.everything()


def test_a_dry_run_counts_the_same_and_changes_nothing_at_all(importer):
    """Neither a table nor a file; who is on the list already is compared too."""
    importer.take(HEADER, ANNA)
    before = importer.everything(without=())
    lines = (HEADER, ANNA.replace("Soroca", "Balti"), "boris@example.org,,be,,,,", "nobody,,,,,,")
    told = importer.take(*lines, dry_run=True)
    assert before == importer.everything(without=())
    assert not importer.rejects.exists()
    assert told.reject_file is None
    assert [4] == [fault.line for fault in told.reject_reasons]
    done = importer.take(*lines)
    assert told.counts() == done.counts()
    assert (1, 1, 1) == (done.added, done.updated, done.rejected)


def test_a_dry_run_works_before_the_list_was_ever_imported(importer):
    """Nothing is written about the list either."""
    assert 1 == importer.take(HEADER, ANNA, dry_run=True).added
    assert {} == {name: rows for name, rows in importer.everything(without=()).items() if rows}


def test_rows_of_one_address_become_one_person(importer):
    """However it is written; the first row speaks, the others fill in what it leaves open."""
    result = importer.take(
        HEADER,
        "Anna@Example.org,Anna,ru,,,,",
        "anna@example.org,Another,uk,MD,Soroca,,",
        " ANNA@EXAMPLE.ORG ,,,,,layout,phoned",
    )
    assert (1, 2) == (result.added, result.merged)
    ((address, person),) = importer.people().items()
    assert "Anna@example.org" == address
    assert {"name": "Anna", "city": "Soroca", "skills": "layout", "remark": "phoned"} == person[
        "fields"
    ]
    assert "MD" == person["country"]


def test_rows_of_one_address_far_apart_become_one_person(importer):
    """A file of many chunks is no different from a short one."""
    many = [f"person{number}@example.org,,en,,,," for number in range(2 * CHUNK_ROWS)]
    result = importer.take(
        HEADER, "anna@example.org,Anna,,,,,", *many, ANNA, "PERSON7@example.org,,,,,,"
    )
    assert (2 * CHUNK_ROWS + 1, 2) == (result.added, result.merged)
    fields = importer.people()["anna@example.org"]["fields"]
    assert ("Anna", "phoned") == (fields["name"], fields["remark"])


def test_addresses_of_every_script_are_taken_in_one_form(importer):
    """Domains are sent to as A-labels; a local part that is not ASCII needs SMTPUTF8."""
    result = importer.take(
        "email",
        "анна@пример.example",
        "gerda@bücher.example",
        "Gerda@XN--BCHER-KVA.example",
        "gerda@bu\u0308cher.example",
        "andre\u0301@example.org",
    )
    assert (3, 2) == (result.added, result.merged)
    assert {
        "анна@xn--e1afmkfd.example": True,
        "gerda@xn--bcher-kva.example": False,
        "andré@example.org": True,
    } == {address: row["needs_smtputf8"] for address, row in importer.people().items()}


def test_rows_that_cannot_be_taken_go_into_a_file_of_their_own(importer):
    """With line and reason; a cell that a spreadsheet would run is disarmed."""
    result = importer.take(
        HEADER,
        ANNA,
        'nobody,"=cmd()",,,,,',
        '"boris@example.org","two\nlines",be,Atlantis,,,',
        ",nobody,,,,,",
        "",
        "vera@example.org,Vera,not a tag!,,,,",
        "galina@example.org,1,2,3,4,5,6,7,8",
    )
    assert (1, 5) == (result.added, result.rejected)
    assert [3, 4, 6, 8, 9] == [fault.line for fault in result.reject_reasons]
    with result.reject_file.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert ["line", "reason", *HEADER.split(",")] == header
    assert ["3", "this is not a mail address", "nobody", "'=cmd()"] == rows[0][:4]
    assert ["4", "country: not a two-letter country code", "boris@example.org"] == rows[1][:3]
    assert "two\nlines" == rows[1][3]


def test_the_reject_file_is_for_its_owner_alone(importer):
    """It holds addresses: nobody else on the machine may read it or list its folder."""
    path = importer.take(HEADER, "nobody,,,,,,").reject_file
    assert 0o600 == path.stat().st_mode & 0o777
    assert 0o700 == path.parent.stat().st_mode & 0o777


def test_a_file_without_bad_rows_leaves_no_reject_file(importer):
    """Nothing is made that would have to be deleted."""
    assert importer.take(HEADER, ANNA).reject_file is None
    assert not importer.rejects.exists()


def test_what_an_import_tells_names_nobody(importer):
    """Neither the result nor its JSON nor a reason quotes a row."""
    result = importer.take(
        HEADER, ANNA, "canary@@example.org,Wren,,,,,", "wren@example.org,,wren@example.org,,,,",
        "wren@example.org,,,Wrenland,,,", '"wren@example.org,,,,,,', "wren@example.org" * 20,
    )  # fmt: skip
    assert 5 == result.rejected
    told = f"{result!r} {result.to_document()} {result.summary()} {result.reject_reasons}"
    assert [] == [word for word in ("canary", "wren", "Wren", "anna", "@") if word in told]


@pytest.mark.parametrize("written", ["anna@example.org", "ANNA@Example.Org"])
def test_who_left_is_never_brought_back(importer, written):
    """By no file, however the address is written; the row on record stays as it is."""
    importer.take(HEADER, ANNA)
    with importer.store.write() as connection:
        connection.execute(tables.membership.update().values(state=MembershipState.LEFT))
    before = importer.everything()
    result = importer.take(HEADER, f"{written},Annie,en,DE,Berlin,,")
    assert (1, 0, 0) == (result.left, result.added, result.updated)
    assert before == importer.everything()
    assert {} == on_list(importer)


def test_who_left_one_list_may_be_put_on_another(importer):
    """Leaving is leaving that list, unless the address is suppressed."""
    importer.take(HEADER, ANNA)
    with importer.store.write() as connection:
        connection.execute(tables.membership.update().values(state=MembershipState.LEFT))
    assert 1 == importer.take(HEADER, ANNA, onto=make_list("harbor-press")).added
    assert {"harbor-press": 1} == on_list(importer)


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_a_suppressed_address_is_not_taken(importer, reason):
    """For all or for this organisation, known or new; other organisations' does not count."""
    importer.take(HEADER, ANNA)
    importer.take(HEADER, ANNA, onto=make_list("lantern-news", "lantern"))
    owners = {row["key"]: row["id"] for row in importer.rows(tables.organisation)}
    people = {"boris@example.org": "all", "vera@example.org": f"organisation:{owners['harbor']}",
              "galina@example.org": f"organisation:{owners['lantern']}",
              "anna@example.org": "all"}  # fmt: skip
    with importer.store.write() as connection:
        connection.execute(
            tables.suppression.insert(),
            [
                {"address_digest": importer.service_keys.address_digest(address), "scope": scope,
                 "reason": reason, "source": "test", "since": NOW}
                for address, scope in people.items()
            ],
        )  # fmt: skip
    before = importer.everything()
    lines = (HEADER, *(f"{address.upper()},New,,,,," for address in people))
    assert (3, 1) == (
        (told := importer.take(*lines, dry_run=True)).suppressed,
        told.added,
    )
    result = importer.take(*lines)
    assert (3, 1) == (result.suppressed, result.added)
    after = importer.everything()
    assert before["suppression"] == after["suppression"]
    assert {"anna@example.org", "GALINA@example.org"} == set(importer.people())


def test_two_organisations_know_a_person_each_by_a_row_of_their_own(importer):
    """What one of them writes is not seen by the other; the digest is the same."""
    importer.take(HEADER, ANNA)
    importer.take("email,name", "anna@example.org,A.", onto=make_list("lantern-news", "lantern"))
    first, second = importer.rows(tables.supporter)
    assert first["address_digest"] == second["address_digest"]
    assert first["organisation_id"] != second["organisation_id"]
    assert first["address_sealed"] != second["address_sealed"]


def test_the_same_file_twice_at_once_is_the_same_as_once(importer):
    """Two people press the key at the same moment: nobody is there twice, nothing fails."""
    importer.take("email", "first@example.org")
    path = importer.file("email,languages", *(f"p{number}@example.org,en" for number in range(700)))
    results, failed = [], []

    def take():
        try:
            results.append(importer.take(path))
        except BaseException as error:  # noqa: BLE001  (Asserted in the test's own thread.)
            failed.append(error)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == failed
    assert [700, 700] == [result.rows for result in results]
    assert 701 == len(importer.people())
    assert {LIST.key: 701} == on_list(importer)
