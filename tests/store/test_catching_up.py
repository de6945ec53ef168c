"""Catching up: a mailing to exactly those who had no edition, once there is one."""

import pytest

from mailer.app.catching_up import catching_up
from mailer.app.workspace import Workspace
from mailer.audience.segments import parse_segment
from mailer.cli.workspace import make_workspace
from mailer.model.audience import LanguageStep
from mailer.model.faults import FaultsFound
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.store.segment_counts import count_people, list_ids
from mailer.store.statements import save_revision
from tests.support.clocks import FixedClock
from tests.support.factories import Ground, make_revision

LIST = "harbor-news"


@pytest.fixture
def workspace(tmp_path):
    """The sample workspace, with a clock that stands."""
    make_workspace(tmp_path / "workspace").store.close()
    opened = Workspace.open(tmp_path / "workspace", FixedClock())
    yield opened
    opened.store.close()


@pytest.fixture
def mailing(workspace):
    """A mailing in English that is over: one got it, one with a notice, one had no edition."""
    ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    ground.add_list(LIST)
    sent = ground.add_mailing([LIST], MailingState.FINISHED, make_revision(("en",)))
    got, noticed, none = (
        ground.add_supporter(f"{name}@example.org", LIST, languages=languages)
        for name, languages in (("anna", ("en",)), ("boris", ("uk", "en")), ("vera", ("uk",)))
    )
    ground.add_delivery(sent, got, DeliveryState.ACCEPTED)
    ground.add_delivery(sent, noticed, DeliveryState.ACCEPTED, wanted="uk", step=LanguageStep.LATER)
    ground.add_delivery(
        sent, none, DeliveryState.SKIPPED, None, skip_reason=SkipReason.NO_ACCEPTABLE_EDITION
    )
    return sent


def load(workspace, *languages):
    """Load another revision of the statement."""
    with workspace.store.write() as connection:
        save_revision(connection, make_revision(languages), workspace.clock.now())


def meant(workspace, wish):
    """How many people the wish's segment means."""
    with workspace.store.read() as connection:
        segment = parse_segment(wish.segment, {})
        return count_people(connection, list_ids(connection, wish.lists), segment)


def test_those_without_an_edition_are_meant_once_there_is_one(workspace, mailing):
    """On the lists and from the sender of the mailing; those with a notice only where they are asked for."""
    load(workspace, "en", "uk")
    found = catching_up(workspace, mailing)
    assert (("uk",), 1) == (found.added, found.people)
    assert ((LIST,), "harbor") == (found.wish.lists, found.wish.sender)
    assert 1 == meant(workspace, found.wish)
    both = catching_up(workspace, mailing, with_fallback=True)
    assert (2, 2) == (both.people, meant(workspace, both.wish))


def test_there_is_nothing_to_catch_up_with(workspace, mailing):
    """While no edition has come since, or the mailing goes on."""
    with pytest.raises(FaultsFound):
        catching_up(workspace, mailing)
    ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    ground.add_list(LIST)
    with pytest.raises(FaultsFound):
        catching_up(
            workspace, ground.add_mailing([LIST], MailingState.RUNNING, make_revision(("en",)))
        )
