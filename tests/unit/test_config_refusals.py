"""Settings that would only fail later, or tell a secret, are refused when they are read."""

import pytest

from mailer.events import scrub
from mailer.keys import KeyFileError, load_seal_keys
from mailer.model.faults import FaultsFound
from tests.unit.config_texts import EXAMPLE, changed, faults, load


def test_what_the_sections_say_of_each_other_is_told_with_the_rest(tmp_path):
    """A malformed value hides no unknown organisation."""
    text = changed(
        ("port = 8025", "port = 80250"), ('organisation = "lantern"', 'organisation = "nobody"')
    )
    found = [field for field, _ in faults(tmp_path, text)]
    assert ["senders.lantern.organisation", "web.port"] == sorted(found)


def test_root_is_no_key_of_the_file(tmp_path):
    """What nobody knows is refused, also where the program has a field of that name."""
    text = changed(("[workspace]", 'root = "/"\n[workspace]'))
    assert [("root", "is not a key that config.toml knows")] == faults(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('return_path_domain = "bounces.harbor.example.org"', 'return_path_domain = ""',
         "senders[0].return_path_domain"),
        ('return_path_domain = "bounces.harbor.example.org"', 'return_path_domain = "not a domain"',
         "senders[0].return_path_domain"),
        ('return_path_local = "b"', r'return_path_local = "b>\r\nRSET"',
         "senders[0].return_path_local"),
        ('return_path_local = "b"', 'return_path_local = ""', "senders[0].return_path_local"),
        ('return_path_local = "b"', 'return_path_local = "u"', "senders[0].return_path_local"),
        ('host = "smtp.example.org"', 'host = ""', "relays[0].host"),
        ('ehlo = "localhost"', r'ehlo = "localhost\r\nMAIL FROM:<>"', "relays[0].ehlo"),
        ('ehlo = "localhost"', 'ehlo = "[smtp.example.org]"', "relays[0].ehlo"),
        ('ehlo = "localhost"', 'ehlo = "[IPv6:fe80::1%eth0]"', "relays[0].ehlo"),
        ('ehlo = "localhost"', 'ehlo = "fe80::1%eth0"', "relays[0].ehlo"),
        ("port = 587", "port = 0", "relays[0].port"),
        ("first_retry_s = 600.0", "first_retry_s = inf", "delivery.first_retry_s"),
        ("give_up_after_h = 96.0", "give_up_after_h = 1e300", "delivery.give_up_after_h"),
        ('base_url = "http://127.0.0.1:8025"', 'base_url = "https://..."', "web.base_url"),
    ],
)  # fmt: skip
def test_what_meets_the_wire_holds_only_what_may_stand_there(tmp_path, old, new, field):
    """Line breaks, blanks and nothing at all are refused at once, not by a relay later."""
    assert [field] == [one for one, _ in faults(tmp_path, changed((old, new)))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("inbox_port = 8027", "inbox_port = 8025"), ("smtp_port = 8026", "smtp_port = 8027"),
        ('service = "service.key"', 'service = "seal.key"'),
        ("longest_retry_s = 21600.0", "longest_retry_s = 1.0"),
    ],
)  # fmt: skip
def test_two_settings_that_cannot_both_hold_are_refused(tmp_path, old, new):
    """Two servers on one port, one file for both keys, a longest pause below the first."""
    assert 1 == len(faults(tmp_path, changed((old, new))))


@pytest.mark.parametrize("base", ["web", "sender"])
def test_live_needs_https_wherever_links_lead(tmp_path, base):
    """One-click unsubscribing needs it (RFC 8058), at a sender's own address too."""
    text = changed(
        ("live = false", "live = true"),
        ('base_url = "http://127.0.0.1:8025"',
         f'base_url = "{"http" if base == "web" else "https"}://m.example.org"'),
        ('desk@lantern.example.net"\nbase_url = ""',
         (f'desk@lantern.example.net"\nbase_url = '
         f'"{"http" if base == "sender" else "https"}://n.example.org"')),
    )  # fmt: skip
    assert 1 == len(faults(tmp_path, text))


def test_a_password_from_two_places_is_refused(tmp_path):
    """Nobody has to guess which of them holds."""
    text = changed(
        ('username = ""', 'username = "harbor"'),
        ('password_file = ""', 'password_file = "relay.password"'),
        ('password_env = ""', 'password_env = "MAILER_TEST_RELAY"'),
    )
    assert 1 == len(faults(tmp_path, text))


def _with_file(tmp_path, content, mode):
    (tmp_path / "relay.password").write_text(content)
    (tmp_path / "relay.password").chmod(mode)
    config = load(tmp_path, changed(('username = ""', 'username = "harbor"'),
                                    ('password_file = ""', 'password_file = "relay.password"')))  # fmt: skip
    with pytest.raises(FaultsFound) as raised:
        config.relay_password(config.relays[0])
    return raised.value.faults


def test_a_password_file_open_to_others_is_refused(tmp_path):
    """As a key file is, with the command that mends it."""
    (fault,) = _with_file(tmp_path, "secret", 0o644)
    assert "chmod 600 relay.password" in fault.remedy


def test_an_empty_password_file_is_refused(tmp_path):
    """Nobody logs in with nothing."""
    assert 1 == len(_with_file(tmp_path, "\n", 0o600))


def test_a_password_inside_the_databases_address_is_not_printed(tmp_path):
    """Either refused, pointing at url_env, or hidden."""
    text = changed(("sqlite:///data/mailer.db", "postgresql://mailer:hunter2@localhost/mailer"))
    try:
        told = repr(load(tmp_path, text))
    except FaultsFound as error:
        told = str(error)
    assert "hunter2" not in told


def test_an_organisation_without_a_name_is_refused(tmp_path):
    """Public pages show it."""
    line = next(one for one in EXAMPLE.splitlines() if "«Гавань солидарности»" in one)
    assert 1 == len(faults(tmp_path, changed((line, "name = {}"))))


def test_a_key_file_of_other_bytes_is_damaged(tmp_path):
    """It can be read well enough: its owner is not the trouble."""
    path = tmp_path / "seal.key"
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    with pytest.raises(KeyFileError) as raised:
        load_seal_keys(path)
    assert "is damaged" == raised.value.problem


@pytest.mark.parametrize(
    "text",
    ['"anna yelkina"@example.org', "anna@[192.0.2.1]", "anna%40example.org", "anna@\nexample.org",
     "anna＠example.org"],
)  # fmt: skip
def test_addresses_in_other_clothes_are_struck_out_too(text):
    """Quoted, literal, in a link, over a line's end: libraries print all of these."""
    assert "anna" not in scrub(f"550 to {text} refused")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('profile = "plain"', 'profile = "mailgum"', "is not one of 'plain', 'postfix', "),
        ('staff = ["editor@harbor.example.org"]', 'staff = "editor"', "is not a list like ["),
    ],
)
def test_what_may_stand_in_a_key_is_shown(tmp_path, old, new, said):
    """In words of the file, not of Python."""
    ((_, problem),) = faults(tmp_path, changed((old, new)))
    assert problem.startswith(said)
