"""What supporters choose, erase and move by themselves, as both databases write it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from mailer.audience.addresses import normalize_address
from mailer.audience.consent import opened_source, sealed_source
from mailer.feedback.own_data import erase_own, held, note_change
from mailer.feedback.preferences import (
    Easing,
    ease_by_token,
    preferences_of,
    save_preferences,
)
from mailer.model.audience import LanguageProfile
from mailer.model.states import DeliveryState
from mailer.store import tables
from mailer.store.preferences import Choices
from mailer.store.suppression_log import SuppressionLog
from mailer.tokens import Purpose
from tests.support.clocks import NOW
from tests.support.own_data import ANNA, NEW, change_address


@pytest.fixture
def log(tmp_path):
    """The log of who left."""
    return SuppressionLog(tmp_path / "suppressions.log")


@pytest.fixture
def anna(ground):
    """Anna, on two lists of Harbor."""
    ground.add_list("news", topics={"press": {"en": "Press"}, "women": {"en": "Women"}})
    ground.add_list("letters")
    return ground.add_supporter(ANNA, "news", "letters", languages=("ru",), never=("fa",))


def save(ground, tokens, log, supporter_id, **changes):
    """Save what stands, with changes."""
    token = tokens.person(Purpose.PREFERENCES, 5, supporter_id)

    def choose(standing):
        return Choices(
            **{
                "profile": standing.profile,
                "time_zone": standing.time_zone,
                "text_only": standing.text_only,
                "only_urgent": standing.only_urgent,
                "paused_until": standing.paused_until,
                **changes,
            }
        )

    return save_preferences(ground.store, tokens, token, choose, NOW, log).standing


def test_choices_are_written_and_read(ground, tokens, log, anna):
    """All of them in one transaction; leaving and coming back are undone by each other."""
    news, letters = ground.lists["news"][0], ground.lists["letters"][0]
    profile = LanguageProfile(("uk", "en"), ("be", "ru"))

    after = save(
        ground, tokens, log, anna,
        profile=profile, time_zone="Europe/Kyiv", text_only=True, only_urgent=True,
        paused_until=NOW + timedelta(days=9), leaves=frozenset({letters}),
        topics={news: frozenset({"press"})},
    )  # fmt: skip

    assert (profile, "Europe/Kyiv", True, True, NOW + timedelta(days=9)) == (
        after.profile, after.time_zone, after.text_only, after.only_urgent, after.paused_until
    )  # fmt: skip
    assert {"letters": (False, frozenset()), "news": (True, {"press"})} == {
        one.definition.key: (one.is_on, one.topics) for one in after.lists
    }
    back = save(ground, tokens, log, anna, returns=frozenset({letters}), topics={news: frozenset()})
    assert {"letters": (True, frozenset()), "news": (True, frozenset())} == {
        one.definition.key: (one.is_on, one.topics) for one in back.lists
    }


def test_a_log_that_cannot_be_written_keeps_nobody_on_a_list(ground, tokens, log, anna):
    """They leave all the same; it is not said to be done until the line is on the disk."""
    log.path.mkdir()
    token = tokens.person(Purpose.PREFERENCES, 5, anna)
    leaves = frozenset({ground.lists["letters"][0]})

    def choose(standing):
        return Choices(standing.profile, "", False, False, None, leaves)

    saved = save_preferences(ground.store, tokens, token, choose, NOW, log)

    assert not saved.logged
    assert {"letters": False, "news": True} == {
        one.definition.key: one.is_on for one in saved.standing.lists
    }
    log.path.rmdir()
    assert save_preferences(
        ground.store, tokens, token, lambda one: Choices(one.profile, "", False, False, None),
        NOW, log,
    ).logged  # fmt: skip
    assert 1 == len(list(log.read()))


def test_a_pause_and_its_end(ground, tokens, anna):
    """By the token of the unsubscribe link; a stranger's writes nothing."""
    token = tokens.person(Purpose.UNSUBSCRIBE, 5, anna)
    shown = tokens.person(Purpose.PREFERENCES, 5, anna)
    for wish, expected in (
        (Easing.PAUSE, (True, False)),
        (Easing.ONLY_URGENT, (True, True)),
        (Easing.RESUME, (False, True)),
        (Easing.ALL_MAILS, (False, False)),
    ):
        assert ease_by_token(ground.store, tokens, token, wish, NOW)
        after = preferences_of(ground.store, tokens, shown)
        assert expected == (after.paused_until is not None, after.only_urgent)
        assert not ease_by_token(ground.store, tokens, "x" * 39, wish, NOW)


def consent_from(ground, list_key, supporter_id, source):
    """Put on record where a consent came from."""
    list_id = ground.lists[list_key][0]
    with ground.store.write() as connection:
        connection.execute(
            tables.membership.update()
            .where(
                tables.membership.c.list_id == list_id,
                tables.membership.c.supporter_id == supporter_id,
            )
            .values(
                consent_source_sealed=sealed_source(ground.seal_keys, source, list_id, supporter_id)
            )
        )
    return list_id


def test_a_new_address_takes_open_deliveries_along(ground, tokens, log, anna):
    """The row keeps its id, and what is due goes where the person is now."""
    mailing = ground.add_mailing(["news"])
    due = ground.add_delivery(mailing, anna, DeliveryState.DUE)

    assert [True, True] == change_address(ground, tokens, log, anna)

    document = held(ground.store, ground.seal_keys, anna)
    assert (NEW, [mailing.key]) == (
        document["address"], [one["mailing"] for one in document["mailings"]]
    )  # fmt: skip
    with ground.store.read() as connection:
        row = connection.execute(select(tables.delivery).where(tables.delivery.c.id == due)).one()
    assert ground.service_keys.address_digest(NEW) == row.address_digest


def test_two_rows_of_a_person_become_one(ground, tokens, log, anna):
    """Where a consent came from is sealed anew for the row that it comes to."""
    kept = ground.add_supporter(NEW, "news", never=("de",), only_urgent=True)
    letters = consent_from(ground, "letters", anna, "the form of May")
    save(ground, tokens, log, anna, topics={letters: frozenset({"x"})})

    assert [True, True] == change_address(ground, tokens, log, anna)

    assert held(ground.store, ground.seal_keys, anna) is None
    document = held(ground.store, ground.seal_keys, kept)
    assert {("news", ""), ("letters", "the form of May")} == {
        (one["list"], one["consent came from"]) for one in document["lists"]
    }
    assert (["de", "fa"], True) == (
        document["languages never to be used"], document["only urgent appeals"]
    )  # fmt: skip
    with ground.store.read() as connection:
        row = connection.execute(
            select(tables.membership).where(tables.membership.c.list_id == letters)
        ).one()
    source = opened_source(ground.seal_keys, row.consent_source_sealed, letters, kept)
    assert "the form of May" == source


def test_erasing_takes_what_waits_along(ground, tokens, log, anna):
    """A new address that was not confirmed yet goes with its person."""
    normal = normalize_address(NEW)
    with ground.store.write() as connection:
        note_change(connection, ground.seal_keys, anna, normal, b"n" * 16, NOW)

    assert erase_own(ground.store, anna, NOW, log)

    assert not erase_own(ground.store, anna, NOW, log)
    with ground.store.read() as connection:
        for table in (tables.supporter, tables.membership, tables.address_change):
            assert [] == connection.execute(select(table)).all()
        assert [("erased", "supporter")] == [
            (row.reason.value, row.source) for row in connection.execute(select(tables.suppression))
        ]
