"""What is kept of what came back: sealed from the process that writes it, through rotation, not for ever."""

import shutil
from datetime import timedelta

import pytest

from mailer.app.rotation import keys_in_use, reseal, retire_seal, rotate_seal
from mailer.app.workspace import Workspace, hand_out_box_key
from mailer.box import BoxError, SmallBoxes
from mailer.config import Config
from mailer.config.sections import DatabaseSection
from mailer.keys import KeyFileError, load_seal_keys
from mailer.model.staff import BY_ITSELF
from mailer.schedule.housekeeping import Housekeeper, Retention
from mailer.store.settings import FEEDBACK_BOX_KEY, read_setting
from mailer.store.supporters import erase
from tests.support.came_back import World, dsn


@pytest.fixture
def world(sqlite_ground, tmp_path):
    """Anna and Boris got a mailing."""
    return World(sqlite_ground, tmp_path)


def box_of(world):
    """Return the box of the only event."""
    (event,) = world.rows("feedback_event")
    return event.raw_box


def test_without_a_key_on_record_nothing_is_kept_as_it_came(world):
    """What it says is."""
    world.taker.take(dsn(world.token(), "anna@example.org"))
    assert box_of(world) is None
    assert world.suppressed() == ["bounced"]


def test_what_came_is_opened_by_the_sealing_key_alone(world, seal_keys):
    """The public half is on record; it opens nothing, and nobody's address is in the clear."""
    hand_out_box_key(world.store, seal_keys)
    raw = dsn(world.token(), "anna@example.org")
    world.taker.take(raw)
    box = box_of(world)
    assert b"anna" not in box
    with world.store.read() as connection:
        public = SmallBoxes.of_public(read_setting(connection, FEEDBACK_BOX_KEY))
    with pytest.raises(BoxError):
        public.open(box, "it")
    secret = seal_keys.box_secret_of[seal_keys.current]
    assert SmallBoxes.of_secret(secret).open(box, "it") == raw


@pytest.fixture
def workspace(world, key_files, tmp_path):
    """A workspace on the world's database, with key files of its own."""
    for name in ("seal.key", "service.key"):
        shutil.copy(key_files / name, tmp_path / name)
    config = Config(root=tmp_path, database=DatabaseSection(url=f"sqlite:///{tmp_path}/test.db"))
    opened = Workspace(config)
    yield opened
    opened.store.close()


def test_a_box_is_closed_anew_when_the_key_is_rotated(world, workspace):
    """It counts as sealed with the old key until then, which cannot be retired before."""
    _ = workspace.seal_keys
    raw = dsn(world.token(), "anna@example.org")
    world.taker.take(raw)
    new = rotate_seal(workspace, BY_ITSELF)
    world.taker.take(dsn(world.token("boris"), "boris@example.org", number=2))
    # The people's addresses and fields, and a box each.
    assert keys_in_use(workspace).sealed == {1: 7, new: 1}
    with pytest.raises(KeyFileError):
        retire_seal(workspace, BY_ITSELF, 1)
    assert reseal(workspace, BY_ITSELF) == 7
    retire_seal(workspace, BY_ITSELF, 1)
    keys = load_seal_keys(workspace.config.seal_key_path)
    boxes = [row.raw_box for row in world.rows("feedback_event")]
    assert SmallBoxes.of_secret(keys.box_secret_of[new]).open(boxes[0], "it") == raw


def test_what_came_is_dropped_and_what_it_says_later(world, seal_keys, tmp_path):
    """The box after its days, the findings with the deliveries; the suppression stays."""
    hand_out_box_key(world.store, seal_keys)
    world.taker.take(dsn(world.token(), "anna@example.org"))
    day = timedelta(days=1)
    kept = Retention(
        attempts=90 * day, journals=90 * day, deliveries=400 * day, rejects=30 * day,
        undo=30 * day, feedback=30 * day, journal_dir=tmp_path / "j", rejects_dir=tmp_path / "r",
    )  # fmt: skip
    keeper = Housekeeper(world.store, world.clock, kept)
    for days, has_box, findings in ((29, True, 1), (2, False, 1), (370, None, 0)):
        world.after(days=days)
        while keeper.step():
            pass
        if has_box is not None:
            assert (box_of(world) is not None) is has_box
        assert len(world.rows("feedback_finding")) == findings
    assert world.rows("feedback_event") == []
    assert world.suppressed() == ["bounced"]


def test_erasing_a_person_drops_what_came_back_of_them(world, seal_keys):
    """Others' stays."""
    hand_out_box_key(world.store, seal_keys)
    for number, name in enumerate(("anna", "boris")):
        world.taker.take(dsn(world.token(name), f"{name}@example.org", number=number))
    with world.store.write() as connection:
        assert erase(connection, world.digest(), [1]) == 1
    assert [row.address_digest for row in world.rows("feedback_finding")] == [world.digest("boris")]
    assert [row.raw_box is None for row in world.rows("feedback_event")] == [True, False]
