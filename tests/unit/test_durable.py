"""A file is whole on the disk, or not there."""

import resource

import pytest

from mailer.durable import write_private


def test_a_file_that_cannot_be_written_is_not_left_in_the_way(tmp_path):
    """An empty key would stop the next try, or be taken for a key."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file of this process may grow, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_private(tmp_path / "seal.key", b"secret")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [] == list(tmp_path.iterdir())
