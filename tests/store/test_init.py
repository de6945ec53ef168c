"""`mailer init`: a workspace is made, and nothing that was there is written over."""

import resource

import pytest

from mailer.app.checking import check_workspace
from mailer.cli.workspace import make_workspace
from mailer.keys import KeyFileError
from mailer.model.faults import errors_in
from mailer.store.engine import StoreUnavailable


def test_what_a_person_wrote_stays(tmp_path):
    """Lists, templates and keys that are there already are kept byte for byte."""
    mine = {
        "lists/harbor-news.toml": "# mine\n",
        "templates/mail/statement/style.css": "p { color: red }\n",
        ".gitignore": "mine\n",
    }
    for name, text in mine.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    make_workspace(tmp_path).store.close()
    assert mine == {name: (tmp_path / name).read_text(encoding="utf-8") for name in mine}
    assert (tmp_path / "templates" / "mail" / "statement" / "message.html").is_file()


def test_a_key_that_cannot_be_used_stops_it_before_there_is_a_workspace(tmp_path):
    """After the file is mended, the same command works."""
    (tmp_path / "seal.key").write_text("garbage", encoding="utf-8")
    (tmp_path / "seal.key").chmod(0o600)
    with pytest.raises(KeyFileError):
        make_workspace(tmp_path)
    assert not (tmp_path / "config.toml").exists()
    (tmp_path / "seal.key").unlink()
    make_workspace(tmp_path).store.close()
    assert (tmp_path / "config.toml").exists()


def test_keys_are_for_their_owner_alone(tmp_path):
    """Mode 0600 for both, 0700 for the folder of the database."""
    make_workspace(tmp_path).store.close()
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in
             ("seal.key", "service.key", "data")}  # fmt: skip
    assert {"seal.key": 0o600, "service.key": 0o600, "data": 0o700} == modes


@pytest.mark.parametrize("takes", [1_000, 60_000])
def test_on_a_full_disk_it_can_be_tried_again(tmp_path, takes):
    """Be it full at a template or at the database: nothing half-made is taken for whole later."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (takes, hard))
    try:
        with pytest.raises((OSError, StoreUnavailable)):
            make_workspace(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "config.toml").exists()
    workspace = make_workspace(tmp_path)
    assert () == errors_in(check_workspace(workspace))
    workspace.store.close()
