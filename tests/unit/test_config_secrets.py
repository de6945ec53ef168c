"""`config.toml`: what its parts say of each other, what live means, and where secrets come from."""

import pytest

from mailer.config import CONFIG_FILE, load_config
from mailer.model.faults import FaultsFound
from tests.unit.config_texts import DKIM, EXAMPLE, changed, faults, load

SECRET = "correct-horse-battery"
LOGIN = ('username = ""', 'username = "harbor"')
BY_FILE = ('password_file = ""', 'password_file = "relay.password"')
BY_ENVIRONMENT = ('password_env = ""', 'password_env = "MAILER_TEST_RELAY"')


@pytest.fixture(autouse=True)
def _no_password_in_the_environment(monkeypatch):
    """A machine's own variable does not answer for the one a test wants."""
    monkeypatch.delenv("MAILER_TEST_RELAY", raising=False)


def test_two_of_a_kind_may_not_have_one_key(tmp_path):
    """Organisations, senders and relays are named by their keys; all are told at once."""
    relay = EXAMPLE[EXAMPLE.index("[[relays]]") :]
    text = changed(
        ('key = "lantern"\norganisation = "lantern"', 'key = "harbor"\norganisation = "lantern"')
    )
    lantern = '[[organisations]]\nkey = "lantern"\nname = { en = "L" }\n'
    assert [
        ("organisations.lantern", "two have this key"),
        ("relays.main", "two have this key"),
        ("senders.harbor", "two have this key"),
    ] == sorted(faults(tmp_path, f"{text}\n{lantern}\n{relay}"))


def test_a_sender_speaks_for_an_organisation_there_is(tmp_path):
    """The fault names the sender, and the organisation that is not there."""
    text = changed(('organisation = "lantern"', 'organisation = "lanterns"'))
    wanted = ("senders.lantern.organisation", 'there is no organisation "lanterns"')
    assert [wanted] == faults(tmp_path, text)


def test_a_sender_without_a_name_in_any_language_is_refused(tmp_path):
    """The From field needs one."""
    line = next(one for one in EXAMPLE.splitlines() if one.startswith('address = "news@'))
    before = EXAMPLE[: EXAMPLE.index(line)].splitlines()
    name = [one for one in before if one.startswith("name = ")][-1]
    text = changed((f"{name}\n# The From address", "name = {}\n# The From address"))
    assert [("senders.harbor.name", "has no language")] == faults(tmp_path, text)


def test_a_signature_needs_its_key_file(tmp_path):
    """A mail that was to be signed does not go unsigned because a file is missing."""
    dkim = DKIM.replace("harbor.example.org", "lantern.example.net")
    text = EXAMPLE.replace("[[relays]]", f"{dkim}\n[[relays]]", 1)
    missing = ("senders.lantern.dkim[0].key_file", "names a file that is not there")
    assert [missing] == faults(tmp_path, text)
    (tmp_path / "dkim.key").touch()
    sender = load(tmp_path, text).sender("lantern")
    assert [str(tmp_path / "dkim.key")] == [key.key_file for key in sender.dkim]


def test_live_needs_a_relay(tmp_path):
    """A workspace that says it is live and has no way out is refused."""
    text = changed(("live = false", "live = true"), ("http://127", "https://127"))
    text = text[: text.index("[[relays]]")]
    assert [("workspace.live", "is true but there is no relay")] == faults(tmp_path, text)


def test_a_relay_elsewhere_is_spoken_to_encrypted(tmp_path):
    """Without TLS only on this machine."""
    refused = 'tls = "none" is for a relay on this machine only'
    assert [("relays[0]", refused)] == faults(
        tmp_path, changed(('tls = "starttls"', 'tls = "none"'))
    )
    for host in ("127.0.0.1", "::1", "localhost"):
        load(
            tmp_path,
            changed(
                ('tls = "starttls"', 'tls = "none"'),
                ('host = "smtp.example.org"', f'host = "{host}"'),
            ),
        )


def test_a_user_name_needs_a_password(tmp_path):
    """Where it is to come from has to be said."""
    problem = "username needs password_file or password_env"
    assert [("relays[0]", problem)] == faults(tmp_path, changed(LOGIN))


TOKEN = ("token_command = []", 'token_command = ["relay-token", "--fresh"]')
XOAUTH2 = ('auth = "auto"', 'auth = "xoauth2"')


def test_a_token_comes_from_a_program(tmp_path):
    """With its arguments, and no password is looked for."""
    config = load(tmp_path, changed(LOGIN, XOAUTH2, TOKEN))
    assert ("relay-token", "--fresh") == config.relays[0].token_command
    assert "" == config.relay_password(config.relays[0])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([XOAUTH2, TOKEN], 'auth = "xoauth2" needs username and token_command'),
        ([LOGIN, XOAUTH2], 'auth = "xoauth2" needs username and token_command'),
        ([LOGIN, XOAUTH2, ("token_command = []", 'token_command = [" "]')],
         'auth = "xoauth2" needs username and token_command'),
        ([LOGIN, XOAUTH2, TOKEN, BY_FILE], 'auth = "xoauth2" takes a token and no password'),
        ([LOGIN, TOKEN], 'token_command is for auth = "xoauth2"'),
        ([('auth = "auto"', 'auth = "plain"')], 'auth = "plain" needs username'),
    ],
)  # fmt: skip
def test_a_login_that_cannot_be_made_is_refused(tmp_path, changes, problem):
    """What is missing or too much is named; nothing is left out silently."""
    assert [("relays[0]", problem)] == faults(tmp_path, changed(*changes))


def test_a_password_comes_from_its_file_without_the_line_break(tmp_path):
    """An editor's last line break is no part of it."""
    (tmp_path / "relay.password").write_text(f"{SECRET}\n")
    (tmp_path / "relay.password").chmod(0o600)
    config = load(tmp_path, changed(LOGIN, BY_FILE))
    assert SECRET == config.relay_password(config.relays[0])


def test_a_password_comes_from_the_environment(tmp_path, monkeypatch):
    """It is read when it is needed, not when the config is."""
    config = load(tmp_path, changed(LOGIN, BY_ENVIRONMENT))
    monkeypatch.setenv("MAILER_TEST_RELAY", SECRET)
    assert SECRET == config.relay_password(config.relays[0])


def test_a_relay_without_a_login_has_no_password(tmp_path):
    """Nothing is looked for."""
    config = load(tmp_path, EXAMPLE)
    assert "" == config.relay_password(config.relays[0])


@pytest.mark.parametrize(
    ("way", "field", "problem"),
    [
        (BY_FILE, "relays.main.password_file", "the file cannot be read"),
        (BY_ENVIRONMENT, "relays.main.password_env", "the environment has no MAILER_TEST_RELAY"),
    ],
)
def test_a_password_that_is_not_there_is_said_plainly(tmp_path, way, field, problem):
    """The key that names the file or variable, and what is wrong with it."""
    config = load(tmp_path, changed(LOGIN, way))
    with pytest.raises(FaultsFound) as raised:
        config.relay_password(config.relays[0])
    assert [(CONFIG_FILE, field, problem)] == [
        (fault.file, fault.field, fault.problem) for fault in raised.value.faults
    ]


def test_no_password_is_ever_printed(tmp_path, monkeypatch):
    """Neither a config nor a section nor a fault tells it, once it was read."""
    (tmp_path / "relay.password").write_text(SECRET)
    (tmp_path / "relay.password").chmod(0o600)
    monkeypatch.setenv("MAILER_TEST_RELAY", SECRET)
    for way in (BY_FILE, BY_ENVIRONMENT):
        config = load(tmp_path, changed(LOGIN, way))
        assert SECRET == config.relay_password(config.relays[0])
        assert SECRET not in f"{config!r} {config} {config.relays!r} {config.model_dump_json()}"


def test_a_fault_never_repeats_what_was_written(tmp_path):
    """A password in the wrong place, or an address with a slip in it, is not in the message."""
    text = changed(
        ('key = "main"', f'key = "main"\npassword = "{SECRET}"'),
        ('staff = ["editor@harbor.example.org"]', f'staff = ["{SECRET}@@example.org"]'),
        ('username = ""', f'username = ["{SECRET}"]'),
        ('return_path = "verp"', f'return_path = "{SECRET}"'),
    )
    with pytest.raises(FaultsFound) as raised:
        load(tmp_path, text)
    assert 4 == len(raised.value.faults)
    assert SECRET not in f"{raised.value} {raised.value!r} {raised.value.faults!r}"


def test_a_database_address_comes_from_the_environment_or_is_missed(tmp_path, monkeypatch):
    """With a password in it, it stands in a variable and not in the file."""
    text = changed(('url_env = ""', 'url_env = "MAILER_TEST_DATABASE"'))
    monkeypatch.delenv("MAILER_TEST_DATABASE", raising=False)
    problem = "the environment has no MAILER_TEST_DATABASE"
    assert [("database.url_env", problem)] == faults(tmp_path, text)
    address = f"postgresql://mailer:{SECRET}@localhost/mailer"
    monkeypatch.setenv("MAILER_TEST_DATABASE", address)
    config = load(tmp_path, text)
    assert address == config.database_url
    assert SECRET not in repr(config)


def test_a_file_that_is_no_config_is_one_plain_fault(tmp_path):
    """Missing, not UTF-8, not TOML: each says what to do."""
    with pytest.raises(FaultsFound) as raised:
        load_config(tmp_path)
    assert "mailer init" in str(raised.value)
    (tmp_path / CONFIG_FILE).write_bytes('name = "Гавань"'.encode("cp1251"))
    with pytest.raises(FaultsFound) as raised:
        load_config(tmp_path)
    assert ["is not UTF-8"] == [fault.problem for fault in raised.value.faults]
    with pytest.raises(FaultsFound) as raised:
        load(tmp_path, "[web]\nport = 1\nport = 2\n")
    (fault,) = raised.value.faults
    assert (3, "is not TOML: cannot overwrite a value") == (fault.line, fault.problem)
