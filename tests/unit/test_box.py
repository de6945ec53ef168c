"""Boxes: what a machine closes and cannot open."""

import io

import pytest

from mailer import box as boxes
from mailer.box import (
    BoxError,
    BoxReader,
    BoxWriter,
    create_backup_keys,
    load_private_key,
    load_public_key,
)
from mailer.keys import KeyFileError


@pytest.fixture
def pair(tmp_path):
    """Both halves of a new pair."""
    create_backup_keys(tmp_path / "backup.key", tmp_path / "backup.pub")
    return load_private_key(tmp_path / "backup.key"), load_public_key(tmp_path / "backup.pub")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(boxes, "CHUNK_BYTES", 100)


def closed(content, public):
    """Return a box with this in it."""
    file = io.BytesIO()
    box = BoxWriter(file, public)
    for start in range(0, len(content), 37):
        box.write(content[start : start + 37])
    box.close()
    return file.getvalue()


def opened(box, private):
    """Return all that is in a box."""
    return BoxReader(io.BytesIO(box), private, "x.backup").read()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1_000])
def test_what_was_put_in_comes_out(pair, size):
    """Also where the last chunk is full, or there is nothing."""
    private, public = pair
    content = bytes(number % 251 for number in range(size))
    assert content == opened(closed(content, public), private)


def test_every_cut_flip_and_swap_is_noticed(pair):
    """At any byte: a cut at the end of a chunk too, and two whole chunks in the other order."""
    private, public = pair
    box = closed(bytes(350), public)
    start, chunk = len(box) - 350 - 4 * 16, 116
    broken = [box[:length] for length in range(len(box))]
    broken += [box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :] for at in range(len(box))]
    one, two = box[start : start + chunk], box[start + chunk : start + 2 * chunk]
    broken += [box[:start] + two + one + box[start + 2 * chunk :], box + b"x"]
    for damaged in broken:
        with pytest.raises(BoxError):
            opened(damaged, private)


def test_another_key_and_another_version_are_told_apart(pair, tmp_path):
    """Each says what to do."""
    private, public = pair
    create_backup_keys(tmp_path / "other.key", tmp_path / "other.pub")
    box = closed(b"x", public)
    with pytest.raises(BoxError, match=r"another backup\.key"):
        opened(box, load_private_key(tmp_path / "other.key"))
    with pytest.raises(BoxError, match="newer program"):
        opened(box.replace(b"mailer-box\x01", b"mailer-box\x02"), private)
    with pytest.raises(BoxError, match="is not a backup"):
        opened(b"PK" + bytes(200), private)


def test_key_files_that_cannot_be_used_are_said_plainly(pair, tmp_path):
    """Missing, open to others, another file; a pair is never written over."""
    with pytest.raises(FileExistsError):
        create_backup_keys(tmp_path / "backup.key", tmp_path / "new.pub")
    assert not (tmp_path / "new.pub").exists()
    (tmp_path / "backup.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_private_key(tmp_path / "backup.key")
    with pytest.raises(KeyFileError, match="is missing"):
        load_private_key(tmp_path / "none.key")
    (tmp_path / "backup.pub").write_text("garbage")
    with pytest.raises(KeyFileError, match="holds no key of a backup"):
        load_public_key(tmp_path / "backup.pub")
