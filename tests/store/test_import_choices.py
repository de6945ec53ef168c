"""Topics and plain text come in with whom a file brings, and never over what somebody chose."""

import pytest
from sqlalchemy import insert, update

from mailer.audience.exports import export_list
from mailer.audience.imports import CHUNK_ROWS
from mailer.audience.undoing import UndoResult, undo_import
from mailer.model.audience import LanguageProfile
from mailer.store import tables
from mailer.store.preferences import Choices, standing_of, write_choices
from tests.store.import_ground import Importer
from tests.support.clocks import NOW
from tests.support.factories import make_list

TOPICS = {"women": {"en": "Women's rights"}, "press": {"en": "Press freedom"}}
NEWS = make_list(topics=TOPICS)
HELP = make_list("harbor-help", topics={"press": {"en": "Press freedom"}})
HEADER = "email,name,topics,text_only"
ANNA = "anna@example.org,Anna,press;women,yes"
BORIS = "boris@example.org,Boris,,"
LATER = NOW.replace(year=NOW.year + 1)


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports into `store`."""
    return Importer(store, seal_keys, service_keys, tmp_path)


def choices(importer):
    """Return by address: topics, and whether plain text is wanted."""
    topics = {}
    for row in importer.rows(tables.membership_topic):
        topics.setdefault(row["supporter_id"], set()).add(row["topic"])
    return {
        address: (topics.get(row["id"], set()), row["text_only"])
        for address, row in importer.people().items()
    }


def on_their_page(importer, address, *topics, text_only):
    """Let a person choose as the preferences page does."""
    who = importer.people()[address]["id"]
    (list_id,) = {row["list_id"] for row in importer.rows(tables.membership)}
    chosen = tables.membership_topic
    with importer.store.write() as connection:
        connection.execute(chosen.delete().where(chosen.c.supporter_id == who))
        for topic in topics:
            row = {"list_id": list_id, "supporter_id": who, "topic": topic}
            connection.execute(insert(chosen).values(row))
        connection.execute(
            update(tables.supporter)
            .where(tables.supporter.c.id == who)
            .values(text_only=text_only, updated_at=NOW)
        )


def test_a_file_says_the_choices_of_whom_it_brings(importer):
    """Empty cells are no choice: everything, and mails with HTML."""
    importer.take(HEADER, ANNA, BORIS, onto=NEWS)
    assert {
        "anna@example.org": ({"press", "women"}, True), "boris@example.org": (set(), False),
    } == choices(importer)  # fmt: skip


def test_a_file_never_says_otherwise_than_somebody_on_record(importer):
    """Not even of who has no choice: everything, with HTML, may be what they chose; it is told."""
    importer.take(HEADER, ANNA, BORIS, onto=NEWS)
    on_their_page(importer, "anna@example.org", "women", text_only=False)
    before = importer.everything()
    again = (HEADER, ANNA, "boris@example.org,Boris,press,yes")
    told = []
    assert 2 == importer.take(*again, onto=NEWS, dry_run=True, told=told.append).kept_choices
    assert ["keeps the choices on record"] * 2 == [one.reason for one in told]
    result = importer.take(*again, onto=NEWS, now=LATER)
    assert (2, 2) == (result.unchanged, result.kept_choices)
    assert before == importer.everything()


def test_a_file_never_takes_back_the_languages_that_somebody_chose(importer):
    """Nor their clock: a newer list of somebody's must not write to her in another language again."""
    header = "email,languages,never_languages,time_zone"
    importer.take(header, "anna@example.org,ru,,Europe/Moscow", onto=NEWS)
    importer.take(header, "anna@example.org,ru;en,,", onto=NEWS)
    who = importer.people()["anna@example.org"]["id"]
    with importer.store.write() as connection:
        standing = standing_of(connection, who)
        wanted = Choices(
            LanguageProfile(("uk",), ("ru",)), "Europe/Kyiv",
            text_only=False, only_urgent=False, paused_until=None,
        )  # fmt: skip
        write_choices(connection, standing, 1, wanted, LATER)
    before = importer.people()["anna@example.org"]
    told = []
    row = "anna@example.org,ru,be,Europe/Moscow"
    importer.take(header, row, onto=NEWS, dry_run=True, told=told.append)
    assert ["keeps the choices on record"] == [one.reason for one in told]
    result = importer.take(header, row, onto=NEWS, now=LATER)
    assert (1, 1) == (result.updated, result.kept_choices)
    profile = {"languages": "uk", "never": "be,ru"}
    assert profile.items() <= importer.rows(tables.language_profile)[-1].items()
    assert "Europe/Kyiv" == importer.people()["anna@example.org"]["time_zone"]
    undo_import(importer.store, importer.seal_keys, result.batch, LATER)
    after = importer.people()["anna@example.org"]
    for column in ("profile_id", "time_zone", "chosen_at"):
        assert before[column] == after[column]


def test_on_another_list_the_topics_are_new_and_plain_text_is_not(importer):
    """Topics are of a list, plain text is of the person."""
    importer.take(HEADER, BORIS, onto=NEWS)
    result = importer.take(HEADER, "boris@example.org,Boris,press,yes", onto=HELP)
    assert (1, 1) == (result.added, result.kept_choices)
    assert {"boris@example.org": ({"press"}, False)} == choices(importer)


def test_the_first_of_several_rows_says_it_however_far_apart_they_are(importer):
    """In one chunk or in two: the same."""
    others = [f"p{number}@example.org,,," for number in range(CHUNK_ROWS)]
    near = "boris@example.org,,press,yes"
    importer.take(HEADER, BORIS, near, *others, near, onto=NEWS)
    assert (set(), False) == choices(importer)["boris@example.org"]


def test_a_topic_that_the_list_has_not_is_no_row(importer):
    """Whoever has only that one would hear of nothing; what there is stands in the reason."""
    result = importer.take(HEADER, "anna@example.org,,Press;choir,", onto=NEWS)
    assert 1 == result.rejected
    assert {} == importer.people()
    (fault,) = result.reject_reasons
    assert "topics: one is no topic of this list; there are: women, press" == fault.problem


def test_without_topics_a_column_of_that_name_is_sealed_like_any_other(importer):
    """A file of before is taken as it was."""
    result = importer.take(HEADER, "anna@example.org,,choir,", onto=make_list())
    assert (1, ("topics",)) == (result.added, result.sealed_columns)
    assert {"topics": "choir"} == importer.people()["anna@example.org"]["fields"]


def test_undoing_takes_the_choices_back_with_the_people(importer):
    """Of whom it brought, wholly; of whom another list has, those of this list."""
    importer.take("email,topics", "boris@example.org,press", onto=HELP)
    before = importer.everything()["membership_topic"]
    result = importer.take(HEADER, ANNA, "boris@example.org,,women,", onto=NEWS, now=LATER)
    assert 4 == len(importer.rows(tables.membership_topic))
    undone = undo_import(importer.store, importer.seal_keys, result.batch, LATER)
    assert UndoResult(removed=1, restored=1) == undone
    assert before == importer.everything()["membership_topic"]


def test_what_a_broken_off_import_left_is_not_chosen(importer, monkeypatch):
    """Whoever it brought and the next file brings has the next file's topics."""
    with monkeypatch.context() as patched:
        patched.setattr("mailer.audience.imports._Importer.end", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            importer.take(HEADER, "boris@example.org,,women,", onto=NEWS)
    importer.take(HEADER, "boris@example.org,,press,", onto=NEWS, now=LATER)
    assert {"boris@example.org": ({"press"}, False)} == choices(importer)


def test_an_export_brings_the_choices_along(importer, tmp_path):
    """In the list's order; into an empty list they come as they were."""
    importer.take(HEADER, ANNA, BORIS, onto=NEWS)
    path = tmp_path / "out.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        export_list(importer.store, importer.seal_keys, NEWS, file)
    header, anna, _ = path.read_text(encoding="utf-8").splitlines()
    assert {"topics", "text_only"} <= set(header.split(","))
    assert "women;press" in anna.split(",")
    assert 2 == importer.take(path, onto=NEWS, now=LATER).unchanged
    before = choices(importer)
    elsewhere = make_list("elsewhere", "lantern", topics=TOPICS)
    assert 2 == importer.take(path, onto=elsewhere).added
    assert [before[one] for one in before] == list(choices(importer).values())
    with path.open("w", encoding="utf-8", newline="") as file:
        export_list(importer.store, importer.seal_keys, make_list(), file)
    assert "topics" not in path.read_text(encoding="utf-8")
