"""One person at the desk: found, added, corrected, put on lists and taken off, each on record."""

import pytest

from mailer.app import supporters
from mailer.app.barring import erase_person, lift_from_person, scope_of, suppress_person
from mailer.app.people import NobodyThere, find_person, person_of
from mailer.app.supporters import Joined
from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound
from mailer.model.staff import Actor, ActorKind
from mailer.store.audit import entries_in_order
from tests.support.clocks import FixedClock

ANA = Actor(ActorKind.STAFF, "ana")
NEWS, VOLUNTEERS, FRIENDS = "harbor-news", "harbor-volunteers", "lantern-friends"
ADDRESS = "anna@example.org"


@pytest.fixture
def workspace(tmp_path):
    """The sample workspace, with a clock that stands."""
    make_workspace(tmp_path / "workspace").store.close()
    opened = Workspace.open(tmp_path / "workspace", FixedClock())
    yield opened
    opened.store.close()


def added(workspace, list_key=NEWS, **said):
    """The id of Anna, added to a list."""
    found, joined = supporters.add_person(
        workspace, ANA, list_key, ADDRESS, {"name": "Anna", **said}, "by telephone on 1 December"
    )
    assert Joined.JOINED is joined
    return found


def entries(workspace):
    """What the audit log has of Ana: action, subject, facts."""
    with workspace.store.read() as connection:
        return [
            (one.action, one.subject, dict(one.facts))
            for one in entries_in_order(connection)
            if one.actor == ANA
        ]


def test_whoever_is_added_is_found_by_the_whole_address(workspace):
    """With consent and where it came from; whoever looks is on record, and nobody is named there."""
    who = added(workspace, languages="ru;en", country="md", tags="press")
    person = find_person(workspace, ANA, "Anna@Example.org")
    row = person.row(who)
    assert ("Anna", ("ru", "en"), "MD", ("press",)) == (
        row.name, row.languages, row.country, row.tags,
    )  # fmt: skip
    assert [(NEWS, True, "consent", "by telephone on 1 December")] == [
        (one.key, one.is_on, one.consent_basis, one.consent_source) for one in row.lists
    ]
    assert ADDRESS == person_of(workspace, ANA, who).address
    log = entries(workspace)
    assert [AuditAction.SUPPORTER_ADDED, *[AuditAction.SUPPORTER_SHOWN] * 2] == [
        action for action, _, _ in log
    ]
    assert {f"supporter {who}"} == {subject for _, subject, _ in log}
    assert "anna" not in repr(log).lower()
    assert "anna" not in repr(person).lower()


def test_nobody_is_there(workspace):
    """An address nobody knows has no row; that it was asked for is on record."""
    assert () == find_person(workspace, ANA, ADDRESS).rows
    assert (AuditAction.SUPPORTER_SHOWN, "nobody on record", {}) == entries(workspace)[-1]
    for change in (
        lambda: person_of(workspace, ANA, 77),
        lambda: supporters.correct_person(workspace, ANA, 77, {"name": "x"}),
        lambda: supporters.take_off_list(workspace, ANA, 77, NEWS),
        lambda: supporters.put_on_list(workspace, ANA, 77, NEWS, "x"),
    ):
        with pytest.raises(NobodyThere):
            change()


def test_what_is_corrected_takes_the_place_of_what_was_there(workspace):
    """An empty text takes away, what is not said stays; the log names fields and no values."""
    who = added(workspace, languages="ru", country="MD", tags="press;choir", city="Bălți")
    changed = supporters.correct_person(
        workspace, ANA, who,
        {"name": "Anna M.", "country": "", "tags": "choir", "city": "Chișinău", "discreet": "yes"},
    )  # fmt: skip
    assert {"name", "country", "tags", "city", "discreet"} == set(changed)
    row = person_of(workspace, ANA, who).row(who)
    assert ("Anna M.", "", ("ru",), ("choir",), "Chișinău", True) == (
        row.name, row.country, row.languages, row.tags, row.attributes["city"], row.discreet,
    )  # fmt: skip
    assert () == supporters.correct_person(workspace, ANA, who, {"name": "Anna M."})
    with pytest.raises(FaultsFound) as caught:
        supporters.correct_person(workspace, ANA, who, {"name": "B", "country": "Moldova"})
    assert "country" == caught.value.faults[0].field
    assert "Anna M." == person_of(workspace, ANA, who).row(who).name
    facts = next(one for one in entries(workspace) if one[0] is AuditAction.SUPPORTER_CORRECTED)[2]
    assert set(changed) == set(facts["changed"])
    assert "Chișinău" not in repr(entries(workspace))


def test_lists_are_left_and_joined_by_what_people_told_staff(workspace):
    """Whoever left comes back by their own wish alone; a list of others takes their address."""
    who = added(workspace)
    assert Joined.JOINED is supporters.put_on_list(workspace, ANA, who, VOLUNTEERS, "at the stand")
    assert Joined.BEFORE is supporters.put_on_list(workspace, ANA, who, VOLUNTEERS, "again")
    assert supporters.take_off_list(workspace, ANA, who, VOLUNTEERS)
    assert not supporters.take_off_list(workspace, ANA, who, VOLUNTEERS)
    assert VOLUNTEERS in (workspace.config.data_dir / "suppressions.log").read_text()
    assert Joined.LEFT is supporters.put_on_list(workspace, ANA, who, VOLUNTEERS, "no word")
    again = supporters.put_on_list(workspace, ANA, who, VOLUNTEERS, "a letter", returns=True)
    assert Joined.JOINED is again
    on = {one.key: one for one in person_of(workspace, ANA, who).row(who).lists}
    assert (True, "a letter") == (on[VOLUNTEERS].is_on, on[VOLUNTEERS].consent_source)
    for list_key, source in ((FRIENDS, "x"), (NEWS, " "), ("no-list", "x")):
        with pytest.raises(FaultsFound):
            supporters.put_on_list(workspace, ANA, who, list_key, source)


def test_whoever_is_suppressed_is_put_on_the_list_and_not_mailed(workspace):
    """That is said, so that staff can lift what stands; what is erased is gone."""
    who = added(workspace)
    person = person_of(workspace, ANA, who)
    suppress_person(workspace, ANA, person.digest, scope_of(workspace))
    assert Joined.SUPPRESSED is supporters.put_on_list(workspace, ANA, who, VOLUNTEERS, "asked")
    barred = person_of(workspace, ANA, who).barred
    assert [("", False)] == [(one.organisation, one.is_own_word) for one in barred]
    lift_from_person(workspace, ANA, person.digest, [one.entry for one in barred], "a mistake")
    assert () == person_of(workspace, ANA, who).barred
    erase_person(workspace, ANA, person.digest, scope_of(workspace))
    found = find_person(workspace, ANA, ADDRESS)
    assert ((), [True]) == (found.rows, [one.is_own_word for one in found.barred])


def test_what_is_said_wrong_is_told_by_its_field(workspace):
    """Nothing is written then, and no address is repeated."""
    for said, field in (({"languages": "мова"}, "languages"), ({"hours": "many"}, "hours")):
        with pytest.raises(FaultsFound) as caught:
            supporters.add_person(workspace, ANA, VOLUNTEERS, ADDRESS, said, "by letter")
        assert field == caught.value.faults[0].field
    assert () == find_person(workspace, ANA, ADDRESS).rows
