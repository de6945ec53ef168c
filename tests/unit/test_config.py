"""`config.toml`: what loads, and how everything that is wrong is said at once."""

import re
from pathlib import Path

import pytest

from mailer.config import CONFIG_FILE, Config, hooks, load_config, sections
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Sender
from tests.unit.config_texts import EXAMPLE, changed, faults, load


def test_the_example_loads_and_says_what_the_program_does_by_itself(tmp_path):
    """`config.example.toml` has no fault, and its settings are the defaults."""
    config = load(tmp_path, EXAMPLE)
    assert ["harbor", "lantern"] == [one.key for one in config.organisations]
    assert ["harbor", "lantern"] == [one.key for one in config.senders]
    assert ["main"] == [one.key for one in config.relays]
    bare = Config(root=tmp_path)
    own = {"workspace": {"name", "staff", "time_zone"}}
    for name in (
        "workspace",
        "database",
        "keys",
        "web",
        "sandbox",
        "delivery",
        "schedule",
        "retention",
    ):
        assert getattr(bare, name).model_dump(exclude=own.get(name)) == getattr(
            config, name
        ).model_dump(exclude=own.get(name)), name


def test_the_example_names_every_key_there_is():
    """Whoever reads it has seen all that can be set."""
    missing = [
        f"{name}.{key}"
        for name, section in {**vars(sections), **vars(hooks)}.items()
        if name.endswith("Section")
        for key in section.model_fields
        if not re.search(
            rf"(?m)^(# )?{key} = |^(# )?\[\[senders\.{key}\]\]"
            rf"|^(# )?\[(feedback|sign_up)\.{key}[.\]]",
            EXAMPLE,
        )
    ]
    assert [] == missing


def test_a_config_without_anything_is_a_workspace_that_reaches_nobody(tmp_path):
    """Every section has defaults; the sandbox takes all mail."""
    config = load(tmp_path, "")
    assert not config.workspace.live
    assert () == config.relays
    assert f"sqlite:///{tmp_path.resolve()}/data/mailer.db" == config.database_url


def test_paths_are_below_the_workspace_wherever_one_stands(tmp_path, monkeypatch):
    """Database, journal and keys are found from the config's own folder."""
    (tmp_path / CONFIG_FILE).write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    config = load_config(Path())
    assert tmp_path / "data" / "journal" == config.journal_dir
    assert tmp_path / "seal.key" == config.seal_key_path
    assert f"sqlite:///{tmp_path}/data/mailer.db" == config.database_url


def test_all_problems_are_named_at_once_with_line_key_and_reason(tmp_path):
    """Six mistakes in five sections: six faults, each at its line."""
    text = changed(
        ("live = false", 'live = "no"'),
        ("port = 8025", "port = 80250"),
        ("grace_s = 7200", "grace_s = 0"),
        ('address = "letters@lantern.example.net"', 'address = "letters"'),
        ('tls = "starttls"', 'tls = "perhaps"'),
        ("connections = 4\nmessages", "conections = 4\nmessages"),
    )
    with pytest.raises(FaultsFound) as raised:
        load(tmp_path, text)
    lines = text.splitlines()
    found = {fault.field: lines[fault.line - 1].split(" =")[0] for fault in raised.value.faults}
    assert {
        "workspace.live": "live",
        "web.port": "port",
        "schedule.grace_s": "grace_s",
        "senders[1].address": "address",
        "relays[0].tls": "tls",
        "relays[0].conections": "conections",
    } == found
    assert all(fault.problem for fault in raised.value.faults)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("[workspace]", "colour = 1\n[workspace]", "colour"),
        ("[keys]", "[keyz]", "keyz"),
        ("keep = 5000", "kept = 5000", "sandbox.kept"),
        ('key = "main"', 'key = "main"\npassword = "x"', "relays[0].password"),
    ],
)
def test_a_key_nobody_knows_is_refused(tmp_path, old, new, field):
    """A slip of the pen is not dropped silently, in whatever table it stands."""
    assert [(field, "is not a key that config.toml knows")] == faults(tmp_path, changed((old, new)))


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("live = false", 'live = "false"', "workspace.live"),
        ("grace_s = 7200", "grace_s = true", "schedule.grace_s"),
        ("port = 8025", "port = 8025.5", "web.port"),
        ("port = 8025", 'port = "8025"', "web.port"),
        ("first_retry_s = 600.0", 'first_retry_s = "600"', "delivery.first_retry_s"),
        ('staff = ["editor@harbor.example.org"]', 'staff = "a@example.org"', "workspace.staff"),
    ],
)
def test_a_value_of_another_type_is_not_bent_into_one(tmp_path, old, new, field):
    """A quoted false is no false, and true is no number."""
    assert [field] == [name for name, _ in faults(tmp_path, changed((old, new)))]


@pytest.mark.parametrize(
    ("good", "bad", "field"),
    [
        ("port = 65535", "port = 65536", "web.port"),
        ("port = 0", "port = -1", "web.port"),
        ("keep = 1", "keep = 0", "sandbox.keep"),
        ("keep = 100000", "keep = 100001", "sandbox.keep"),
        ("sandbox_connections = 100", "sandbox_connections = 101", "delivery.sandbox_connections"),
        ("first_retry_s = 1", "first_retry_s = 0", "delivery.first_retry_s"),
        ("longest_retry_s = 600.0", "longest_retry_s = nan", "delivery.longest_retry_s"),
        ("give_up_after_h = 0.1", "give_up_after_h = -1.0", "delivery.give_up_after_h"),
        ("shutdown_grace_s = 0", "shutdown_grace_s = -0.1", "delivery.shutdown_grace_s"),
        ("grace_s = 1", "grace_s = 0", "schedule.grace_s"),
        ("messages_per_connection = 1", "messages_per_connection = 0",
         "relays[0].messages_per_connection"),
    ],
)  # fmt: skip
def test_numbers_have_bounds(tmp_path, good, bad, field):
    """The last one that can be meant is taken, the next one is not."""
    name = good.split(" =")[0]
    line = next(line for line in EXAMPLE.splitlines() if line.startswith(f"{name} ="))
    load(tmp_path, changed((f"\n{line}\n", f"\n{good}\n")))
    assert [field] == [one for one, _ in faults(tmp_path, changed((f"\n{line}\n", f"\n{bad}\n")))]


@pytest.mark.parametrize(
    "address",
    ["mail.example.org", "ftp://mail.example.org", "https://", "https://a.example.org/?x=1",
     "https://user:word@a.example.org", "https://a.example.org/ b", "https://почта.example.org",
     "https://a.example.org\\r\\nX: y", "javascript:alert(1)", "https://a.example.org:65536",
     "https://a.example.org:0"],
)  # fmt: skip
def test_a_base_url_is_a_plain_web_address(tmp_path, address):
    """Scheme, host, port and path; what else it may hold would end up in every mail's links."""
    wanted = "is not a web address like https://mail.example.org"
    text = changed(('base_url = "http://127.0.0.1:8025"', f'base_url = "{address}"'))
    assert [("web.base_url", wanted)] == faults(tmp_path, text)
    text = changed(('base_url = ""\n# Where it', f'base_url = "{address}"\n# Where it'))
    assert [("desk.base_url", wanted)] == faults(tmp_path, text)
    text = changed(('base_url = ""\n# Domain', f'base_url = "{address}"\n# Domain'))
    assert [("senders[0].base_url", wanted)] == faults(tmp_path, text)


def test_a_base_url_loses_its_last_slash_and_a_sender_has_the_pages_own(tmp_path):
    """Paths are added to it; a sender without one links where the public pages are."""
    config = load(
        tmp_path, changed(('base_url = "http://127.0.0.1:8025"', 'base_url = "https://m.example/"'))
    )
    assert "https://m.example" == config.web.base_url
    assert "https://m.example" == config.sender("harbor").base_url
    assert isinstance(config.sender("harbor"), Sender)
    assert config.sender("nobody") is None


@pytest.mark.parametrize("zone", ["Moldova", "", "Europe/Kishinev ", "+02:00"])
def test_a_zone_is_one_that_the_world_knows(tmp_path, zone):
    """What hours are shown in is an IANA name."""
    text = changed(('time_zone = "Europe/Chisinau"', f'time_zone = "{zone}"'))
    problem = "is not an IANA time zone like Europe/Chisinau"
    assert [("workspace.time_zone", problem)] == faults(tmp_path, text)


def test_a_key_is_lower_case_letters_digits_and_hyphens(tmp_path):
    """It stands in file names, options and headers."""
    for key in ("Main", "main relay", "-main", "main--relay", "", "гавань"):
        text = changed(('key = "main"', f'key = "{key}"'))
        problem = "use lower-case letters, digits and single hyphens"
        assert [("relays[0].key", problem)] == faults(tmp_path, text)


def test_quiet_days_are_days_and_dates(tmp_path):
    """What is neither is named; a week without a day left is refused too."""
    assert ("sat", "2026-12-25") == load(
        tmp_path, changed(("quiet_days = []", 'quiet_days = ["sat", "2026-12-25"]'))
    ).schedule.quiet_days
    for words, problem in (
        ('["someday"]', '"someday" is neither a day like sat nor a date'),
        ('["mon", "tue", "wed", "thu", "fri", "sat", "sun"]', "every day is quiet"),
    ):
        (found,) = faults(tmp_path, changed(("quiet_days = []", f"quiet_days = {words}")))
        assert "schedule.quiet_days" == found[0]
        assert problem in found[1]
