"""Statements and revisions on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from mailer.model.statement import (
    Edition,
    Hashtag,
    Picture,
    RelatedItem,
    RelatedKind,
    Revision,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)
from mailer.store import tables
from mailer.store.documents import UnknownForm, revision_from_document, with_digest
from mailer.store.statements import (
    RevisionDamaged,
    StatementNotFound,
    find_revision,
    find_source_edition,
    latest_revision,
    list_statements,
    load_revision,
    publish,
    save_revision,
)

NOW = datetime(2026, 11, 2, 9, 30, 15, 123456, tzinfo=UTC)


def edition(language, title, **others):
    """Make an edition."""
    values = {
        "subject": title, "preheader": "p", "discreet_subject": "d", "discreet_preheader": "",
        "translated_from": "", "body": f"{title}.", "content_hash": f"{title}-hash", **others,
    }  # fmt: skip
    return Edition(language=language, title=title, **values)


def revision(slug="letter", title="Её права", **others):
    """Make a revision with one of everything."""
    values = {
        "kind": StatementKind.STATEMENT,
        "source_language": "ru",
        "published": datetime(2026, 12, 1, 7, tzinfo=UTC),
        "supports": (Supported(SupportedKind.PERSON, {"en": "Dina"}, ""),),
        "hashtags": (Hashtag("#HerRights", "https://harbor.example.org/tag"),),
        "related": (RelatedItem(RelatedKind.CASE, {"en": "Case"}, "https://a.example.org"),),
        "signatories": (Signatory({"en": "Harbor", "fa": "بندر"}, "MD", ""),),
        "and_others": True,
        # The source edition stands first, whatever its tag.
        "editions": {"ru": edition("ru", title), "en": edition("en", "Her rights")},
        "pictures": {"a.png": Picture("a.png", "image/png", 2, 1, b"\x89PNG\x00bytes")},
        **others,
    }
    return with_digest(Revision(slug=slug, **values))


def save(store, new, now=NOW):
    """Store a revision in a transaction of its own."""
    with store.write() as connection:
        return save_revision(connection, new, now)


def test_what_is_stored_comes_back_as_it_was(store):
    """Every field, the order of editions, pictures and the digest survive."""
    new = revision()
    stored = save(store, new)
    with store.read() as connection:
        assert stored == load_revision(connection, stored.revision_id)
        assert stored == latest_revision(connection, "letter")
        assert stored == find_revision(connection, "letter", 1)
    assert new == stored.revision
    assert ("ru", "en") == stored.revision.languages
    assert (1, NOW) == (stored.number, stored.loaded_at)


def test_loading_the_same_twice_is_one_revision(store):
    """The same text is the same revision, with the hour of its first loading."""
    first = save(store, revision())
    again = save(store, revision(), NOW + timedelta(days=1))
    assert first == again
    with store.read() as connection:
        for table in (tables.revision, tables.revision_picture):
            assert 1 == connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_revisions_are_counted_within_their_statement(store):
    """Each statement counts for itself."""
    numbers = [
        save(store, one).number
        for one in (revision(), revision(title="B"), revision("other"), revision(title="C"))
    ]
    assert [1, 2, 1, 3] == numbers


def test_going_back_to_an_earlier_text_makes_it_the_latest(store):
    """Who loads the earlier text again means to send that one, not the mistake after it."""
    first = save(store, revision())
    save(store, revision(title="A mistake"))
    save(store, revision())
    with store.read() as connection:
        assert first == latest_revision(connection, "letter")
        (summary,) = list_statements(connection)
    assert (1, 2) == (summary.latest, summary.revisions)


def test_another_picture_is_another_revision(store):
    """The digest covers what pictures show."""
    other = Picture("a.png", "image/png", 2, 1, b"other bytes")
    assert 1 == save(store, revision()).number
    assert 2 == save(store, revision(pictures={"a.png": other})).number


def test_a_statement_may_have_no_picture_and_no_hour(store):
    """What is left out stays left out."""
    stored = save(store, revision(pictures={}, published=None, supports=(), and_others=False))
    with store.read() as connection:
        assert stored == load_revision(connection, stored.revision_id)


def test_what_was_changed_in_the_database_is_not_used(store):
    """A text or a picture that was changed after loading is refused, never sent."""
    stored = save(store, revision())
    with store.read() as connection:
        document = connection.execute(select(tables.revision.c.document)).scalar_one()
    document["editions"][0]["body"] = "Something else."
    with store.write() as connection:
        connection.execute(update(tables.revision).values(document=document))
    with store.read() as connection, pytest.raises(RevisionDamaged) as caught:
        load_revision(connection, stored.revision_id)
    assert stored.revision_id == caught.value.revision_id


def test_a_picture_changed_in_the_database_is_not_used(store):
    """Pictures are hashed too."""
    stored = save(store, revision())
    with store.write() as connection:
        connection.execute(update(tables.revision_picture).values(content=b"x"))
    with store.read() as connection, pytest.raises(RevisionDamaged):
        load_revision(connection, stored.revision_id)


def test_publishing_fixes_a_revision_and_its_hour(store):
    """Loading changes nothing public; publishing names the revision."""
    first = save(store, revision())
    save(store, revision(title="B"))
    with store.read() as connection:
        assert list_statements(connection)[0].published is None
    with store.write() as connection:
        publish(connection, "letter", first.revision_id, NOW)
    with store.read() as connection:
        (summary,) = list_statements(connection)
    assert (1, NOW, 2) == (summary.published, summary.published_at, summary.latest)


def test_only_a_statements_own_revision_is_published(store):
    """A revision of another statement, or of none, is refused."""
    save(store, revision())
    other = save(store, revision("other"))
    for slug, revision_id in (("letter", other.revision_id), ("letter", 99), ("nowhere", 1)):
        with store.write() as connection, pytest.raises(StatementNotFound):
            publish(connection, slug, revision_id, NOW)


def test_what_is_not_there_is_said_so(store):
    """No statement, no number, no row."""
    save(store, revision())
    with store.read() as connection:
        assert latest_revision(connection, "nowhere") is None
        assert () == tuple(one for one in list_statements(connection) if one.slug != "letter")
        with pytest.raises(StatementNotFound):
            find_revision(connection, "nowhere")
        with pytest.raises(StatementNotFound) as caught:
            find_revision(connection, "letter", 7)
        with pytest.raises(LookupError):
            load_revision(connection, 99)
    assert ("letter", 7) == (caught.value.slug, caught.value.number)


def test_the_source_a_translation_was_made_from_is_found_again(store):
    """By the beginning of its hash, however many revisions came after it."""
    for title in ("A", "B", "C"):
        save(store, revision(title=title))
    with store.read() as connection:
        assert "B" == find_source_edition(connection, "letter", "B-ha").title
        assert find_source_edition(connection, "letter", "Z") is None
        assert find_source_edition(connection, "other", "B-ha") is None


def test_two_zones_of_one_hour_are_one_revision(store):
    """An instant is the same in whatever zone the file writes it."""
    moved = revision().published.astimezone(datetime.fromisoformat("2026-01-01T00:00+05:00").tzinfo)
    assert save(store, revision()).revision_id == save(store, revision(published=moved)).revision_id


def test_a_document_of_a_later_program_is_not_guessed_at():
    """A form that is not known is refused."""
    with pytest.raises(UnknownForm) as caught:
        revision_from_document({"form": 2}, {})
    assert 2 == caught.value.form


def test_the_digest_covers_every_field():
    """Any change of any field is another digest."""
    base = revision()
    changed = [
        replace(base, slug="x"), replace(base, kind=StatementKind.APPEAL),
        replace(base, source_language="en"), replace(base, published=None),
        replace(base, supports=()), replace(base, hashtags=()), replace(base, related=()),
        replace(base, signatories=()), replace(base, and_others=False), replace(base, pictures={}),
        *(
            replace(base, editions={**base.editions, "en": replace(base.editions["en"], **{name: "x"})})
            for name in ("title", "subject", "preheader", "discreet_subject", "discreet_preheader",
                         "translated_from", "body", "content_hash")
        ),
    ]  # fmt: skip
    digests = {with_digest(one).digest for one in (base, *changed)}
    assert len(changed) + 1 == len(digests)


def test_two_who_load_at_once_get_two_numbers(store):
    """Neither is lost and neither overwrites the other, also for a statement that is new."""
    with ThreadPoolExecutor(4) as pool:
        titles = ["A", "B", "C", "D"]
        stored = list(pool.map(lambda title: save(store, revision(title=title)), titles))
    assert [1, 2, 3, 4] == sorted(one.number for one in stored)
