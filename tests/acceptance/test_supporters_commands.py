"""One person's wish, answered at the command line without their address in its history."""

import pytest

from mailer.keys import create_seal_key

pytestmark = [pytest.mark.acceptance]

PEOPLE = "email,name,languages\nanna@example.net,Anna,ru\nboris@example.net,Boris,be\n"


@pytest.fixture
def with_people(mailer, workspace):
    """A workspace with two people of its own on a list."""
    (workspace / "people.csv").write_text(PEOPLE, encoding="utf-8")
    assert (
        2
        == mailer(workspace, "import", "people.csv", "--list", "harbor-news", "--json").json()[
            "added"
        ]
    )
    return workspace


def test_a_person_is_shown_stopped_allowed_again_and_erased(mailer, with_people):
    """Each step is seen by the next; what is erased comes back by no file."""

    def ask(*arguments):
        return mailer(with_people, "supporters", *arguments, typed="Anna@example.net\n")

    assert "name: Anna" in ask("show").out
    assert 0 == ask("suppress").status
    assert "manual" == ask("show", "--json").json()["suppressions"][0]["reason"]
    assert 1 == ask("lift").status
    assert "Lifted: 1" in ask("lift", "--yes").out
    assert 1 == ask("erase").status
    assert "Erased in 1" in ask("erase", "--yes").out
    assert {"people": [], "mailings": []}.items() <= ask("show", "--json").json().items()
    assert "--they-asked-for-it" in ask("lift", "--yes").err
    again = mailer(with_people, "import", "people.csv", "--list", "harbor-news", "--json").json()
    assert (1, 1) == (again["suppressed"], again["unchanged"])


def test_an_address_on_the_command_line_is_refused_and_not_repeated(mailer, with_people):
    """It would stay in the shell's history."""
    for command in ("show", "suppress", "lift", "erase"):
        ended = mailer(with_people, "supporters", command, "anna@example.net")
        assert 2 == ended.status
        assert "shell's history" in ended.err


def test_an_import_is_listed_and_undone_by_its_number(mailer, with_people):
    """A second time nothing is left to do; an unknown number is said."""
    listed = mailer(with_people, "import", "--list-batches", "--json").json()
    batch = str(listed[0]["batch"])
    assert 2 == mailer(with_people, "import", "--undo", batch, "--json").json()["removed"]
    assert 0 == mailer(with_people, "import", "--undo", batch, "--json").json()["removed"]
    assert 1 == mailer(with_people, "import", "--undo", "999").status
    assert 2 == mailer(with_people, "import", "--undo", batch, "--list", "harbor-news").status


def test_an_export_is_private_new_and_names_nobody_on_screen(mailer, with_people):
    """It is never written over a file that is there."""
    ended = mailer(with_people, "export", "--list", "harbor-news", "--out", "out.csv")
    assert (0, "") == (ended.status, ended.out)
    assert 0o600 == (with_people / "out.csv").stat().st_mode & 0o777
    told = mailer(with_people, "import", "out.csv", "--list", "harbor-news", "--dry-run", "--json")
    assert told.json()["rows"] == told.json()["unchanged"]
    again = mailer(with_people, "export", "--list", "harbor-news", "--out", "out.csv")
    assert 1 == again.status
    assert "not touched" in again.err


def test_a_dry_run_tells_every_line(mailer, with_people):
    """With number and what would happen; a long one when asked to."""
    (with_people / "people.csv").write_text(PEOPLE + "nobody,,\n" * 60, encoding="utf-8")
    short = mailer(with_people, "import", "people.csv", "--list", "harbor-news", "--dry-run")
    assert "line 2: on the list, nothing new" in short.out
    assert "and 12 more lines" in short.out
    long = mailer(
        with_people, "import", "people.csv", "--list", "harbor-news", "--dry-run", "--lines"
    )
    assert "line 63: cannot be taken (this is not a mail address)" in long.out


def test_another_workspaces_key_opens_writes_and_takes_back_nothing(mailer, with_people, tmp_path):
    """What is put in under two keys can be read by neither."""
    create_seal_key(tmp_path / "seal.key")
    (tmp_path / "seal.key").replace(with_people / "seal.key")
    on_list = ("--list", "harbor-news")
    for command in (
        ("import", "people.csv", *on_list),
        ("import", "people.csv", *on_list, "--dry-run"),
        ("import", "--undo", "1"),
        ("export", *on_list, "--out", "out.csv"),
        ("supporters", "show"),
    ):
        ended = mailer(with_people, *command, typed="anna@example.net\n")
        assert (1, "") == (ended.status, ended.out)
        assert "seal.key is not the one this database was made with" in ended.err
    assert not (with_people / "out.csv").exists()
