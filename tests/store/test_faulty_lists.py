"""A list whose file has a fault: that is told, and nobody who names the list is blamed."""

import pytest

from mailer.app.checking import check_workspace
from mailer.app.planning import chosen_lists
from mailer.app.segments import saved_counts
from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.model.faults import FaultsFound

LIST = "lists/harbor-volunteers.toml"
ASKS = '{% if supporter.hours == "4" %}Thank you for four hours.{% endif %}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workspace whose newsletter, sign-up, segments and mails all hang on one list."""
    root = tmp_path_factory.mktemp("workspace")
    workspace = make_workspace(root)
    newsletter = root / "templates/newsletters/harbor-letters/newsletter.toml"
    newsletter.write_text(
        newsletter.read_text().replace('["harbor-news"]', '["harbor-volunteers"]')
        + '\nexclude = "hours > 40"\n'
    )
    config = root / "config.toml"
    config.write_text(
        config.read_text().replace(
            'lists = []\nconsent_version = ""',
            'lists = ["harbor-volunteers"]\nconsent_version = "1"',
        )
    )
    layout = root / "templates/mail/base/layout.txt"
    layout.write_text(
        layout.read_text().replace("{% if supporter.name %}", f"{ASKS}{{% if supporter.name %}}")
    )
    assert [] == check_workspace(workspace.reread())
    yield root
    workspace.store.close()


@pytest.fixture
def broken(folder, request):
    """The workspace, with one thing changed in the list's file."""
    path = folder / LIST
    whole = path.read_text()
    old, new = request.param
    assert old in whole
    path.write_text(whole.replace(old, new, 1))
    workspace = Workspace.open(folder)
    yield workspace
    workspace.store.close()
    path.write_text(whole)


FAULTS = pytest.mark.parametrize(
    "broken",
    [
        ('sender = "harbor"', 'sender = "nobody"'),
        ('time_zone = "', "time_zone = "),
        ('type = "number"', 'type = "hours"'),
    ],
    ids=["a field", "no TOML", "an attribute"],
    indirect=True,
)


@FAULTS
def test_only_the_cause_is_told(broken):
    """Neither the newsletter, nor sign-up, nor what asks for a field of its people is named."""
    (fault,) = check_workspace(broken)
    assert LIST == fault.file


@FAULTS
def test_whoever_chooses_the_list_is_told_what_is_wrong_with_its_file(broken):
    """Scheduling, counting and exporting say it; none says that there is no such list."""
    for ask in (
        lambda: chosen_lists(broken, ("harbor-volunteers",)),
        lambda: saved_counts(broken, ["harbor-volunteers"]),
        lambda: broken.list_of("harbor-volunteers"),
    ):
        with pytest.raises(FaultsFound) as raised:
            ask()
        assert [LIST] == [one.file for one in raised.value.faults]


@FAULTS
def test_a_list_that_is_not_there_is_still_told(broken):
    """A slip of the pen is named with all lists there are, the faulty one included."""
    with pytest.raises(FaultsFound) as raised:
        chosen_lists(broken, ("harbor-volunters",))
    named = {one.field: str(one) for one in raised.value.faults}["--list"]
    assert named.endswith("There are: harbor-news, harbor-volunteers, lantern-friends.")
