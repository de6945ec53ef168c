"""Audiences of a workspace: counted by lists and expressions, segments saved into its file."""

import pytest

from mailer.app.audience import audience_of
from mailer.app.saving_segments import remove_segment, save_segment
from mailer.app.workspace import Workspace
from mailer.audience.imports import import_csv
from mailer.audience.segments import saved_segments
from mailer.cli.workspace import make_workspace
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound
from mailer.model.staff import Actor, ActorKind
from mailer.model.states import SkipReason
from mailer.store.audit import entries_in_order
from tests.support.clocks import FixedClock

ANA = Actor(ActorKind.STAFF, "ana")
NEWS, VOLUNTEERS = "harbor-news", "harbor-volunteers"
PEOPLE = """email,languages,never_languages,country,time_zone,tags,consent
anna@example.org,ru;en,ru,MD,Europe/Chisinau,press,yes
boris@example.org,uk,,UA,Europe/Kyiv,,yes
vera@example.org,,,,,,yes
grisha@example.org,ru,,MD,,,
"""


@pytest.fixture
def workspace(tmp_path):
    """The sample workspace with four people on one list, one of them on another too."""
    make_workspace(tmp_path / "workspace").store.close()
    opened = Workspace.open(tmp_path / "workspace", FixedClock())
    for key, text in ((NEWS, PEOPLE), (VOLUNTEERS, "".join(PEOPLE.splitlines(keepends=True)[:2]))):
        path = tmp_path / f"{key}.csv"
        path.write_text(text, encoding="utf-8")
        import_csv(
            opened.store, opened.seal_keys, opened.service_keys, path, opened.list_of(key),
            rejects_dir=None, now=opened.clock.now(),
        )  # fmt: skip
    yield opened
    opened.store.close()


def test_an_audience_is_counted_by_what_staff_look_at(workspace):
    """Language is the first that a person does not forbid; what is not known counts as that."""
    found = audience_of(workspace, [NEWS, VOLUNTEERS])
    assert (3, 4) == (found.people, found.on_lists)
    assert {"": 1, "en": 1, "uk": 1} == found.by_language
    assert {"": 1, "MD": 1, "UA": 1} == found.by_country
    assert {"": 1, "Europe/Chisinau": 1, "Europe/Kyiv": 1} == found.by_zone
    assert {NEWS: 3, VOLUNTEERS: 0} == found.by_list
    assert {SkipReason.NO_CONSENT: 1, SkipReason.DUPLICATE_ADDRESS: 1} == found.left_out


def test_a_segment_and_an_exclusion_narrow_it(workspace):
    """By an expression, or by the key of a saved segment."""
    save_segment(workspace, ANA, "from-moldova", "From Moldova", "country = MD")
    found = audience_of(workspace, [NEWS], "from-moldova", '"press" in tags')
    assert (0, {SkipReason.NO_CONSENT: 1, SkipReason.EXCLUDED: 3}) == (found.people, found.left_out)
    assert 1 == audience_of(workspace, [NEWS], "from-moldova").people


def test_faults_of_an_audience_are_told(workspace):
    """Of the list, of either expression, of a statement nobody knows."""
    for lists, segment, exclude in (
        (["no-list"], "", ""),
        ([NEWS], "town = x", ""),
        ([NEWS], "", "country ="),
        ([NEWS], 'received("never-written")', ""),
    ):
        with pytest.raises(FaultsFound):
            audience_of(workspace, lists, segment, exclude)


def test_nobody_was_brought_onto_a_list_yet(workspace):
    """Its audience is empty, and no fault."""
    assert 0 == audience_of(workspace, ["lantern-friends"]).on_lists


def test_segments_are_saved_changed_and_removed_in_the_file(workspace):
    """Each is in the audit log in the name of who did it; the others stay as they are."""
    before = set(saved_segments(workspace.config.lists_dir).by_key)
    save_segment(workspace, ANA, "new-one", "New", "country = MD")
    save_segment(workspace, ANA, "new-one", "New", "country = UA", seen="country = MD")
    assert "country = UA" == saved_segments(workspace.config.lists_dir).by_key["new-one"].text
    remove_segment(workspace, ANA, "new-one")
    assert before == set(saved_segments(workspace.config.lists_dir).by_key)
    with workspace.store.read() as connection:
        entries = [(one.action, one.subject, one.actor) for one in entries_in_order(connection)][
            -3:
        ]
    assert [
        (AuditAction.SEGMENT_SAVED, "new-one", ANA),
        (AuditAction.SEGMENT_SAVED, "new-one", ANA),
        (AuditAction.SEGMENT_REMOVED, "new-one", ANA),
    ] == entries


def test_nobody_saves_over_what_they_have_not_seen(workspace):
    """Somebody else may have changed or removed it meanwhile."""
    save_segment(workspace, ANA, "new-one", "", "country = MD")
    for seen in ("", "country = RO"):
        with pytest.raises(FaultsFound) as caught:
            save_segment(workspace, ANA, "new-one", "", "country = UA", seen=seen)
        assert "key" == caught.value.faults[0].field
    with pytest.raises(FaultsFound):
        save_segment(workspace, ANA, "gone", "", "country = UA", seen="country = MD")


def test_a_segment_that_others_name_stays_and_none_names_itself(workspace):
    """Else lists/segments.toml would be refused from then on."""
    save_segment(workspace, ANA, "inner", "", "country = MD")
    save_segment(workspace, ANA, "outer", "", "segment(inner) or country = UA")
    with pytest.raises(FaultsFound) as caught:
        remove_segment(workspace, ANA, "inner")
    assert "outer" in caught.value.faults[0].problem
    with pytest.raises(FaultsFound):
        save_segment(workspace, ANA, "inner", "", "segment(outer)", seen="country = MD")
    with pytest.raises(FaultsFound):
        save_segment(workspace, ANA, "broken", "", "country =")
    assert {"inner", "outer"} <= set(saved_segments(workspace.config.lists_dir).by_key)
