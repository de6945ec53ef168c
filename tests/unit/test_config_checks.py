"""`config.toml`: what its parts may not say of each other, each at its line, beside all else."""

import pytest

from mailer.model.faults import FaultsFound
from mailer.model.pacing import Pace, Pacing
from tests.unit.config_texts import DKIM, EXAMPLE, changed, faults, load

LIVE = (
    ("live = false", "live = true"),
    ('base_url = "http://127.0.0.1:8025"', 'base_url = "https://mail.example.org"'),
)


def placed(folder, text):
    """Return what is wrong with a config of this text: by field, the line of the file it points at."""
    with pytest.raises(FaultsFound) as raised:
        load(folder, text)
    lines = ["", *text.splitlines()]
    return {fault.field: lines[fault.line] for fault in raised.value.faults}


def signed(sender, dkim, *changes):
    """Return the example with a signature at one of its two senders."""
    text = changed(*changes)
    begin = {"harbor": '[[senders]]\nkey = "lantern"', "lantern": "[[relays]]"}[sender]
    assert begin in text
    return text.replace(begin, f"{dkim}\n{begin}", 1)


def test_a_key_that_is_missing_is_told_at_its_own_table(tmp_path):
    """The first sender's missing address does not point at the second one's."""
    text = changed(('address = "news@harbor.example.org"\n', ""))
    assert {"senders[0].address": "[[senders]]"} == placed(tmp_path, text)
    with pytest.raises(FaultsFound) as raised:
        load(tmp_path, text)
    (fault,) = raised.value.faults
    assert 'key = "harbor"' == text.splitlines()[fault.line + 1]


def test_what_two_parts_say_of_each_other_is_told_at_a_line(tmp_path):
    """A key twice, an organisation that is not there, a key file, a domain, a relay, a variable."""
    text = signed(
        "harbor", DKIM,
        ("live = false", "live = true"),
        ('url_env = ""', 'url_env = "MAILER_NOT_THERE"'),
        ('organisation = "lantern"', 'organisation = "lanterns"'),
    )  # fmt: skip
    text = text[: text.index("[[relays]]")] + '[[organisations]]\nkey = "harbor"\nname = {}\n'
    assert {
        "database.url_env": 'url_env = "MAILER_NOT_THERE"',
        "organisations.harbor": 'key = "harbor"',
        "organisations.harbor.name": "name = {}",
        "senders.lantern.organisation": 'organisation = "lanterns"',
        "senders.harbor.dkim[0].key_file": 'key_file = "dkim.key"',
        "web.base_url": 'base_url = "http://127.0.0.1:8025"',
        "workspace.live": "live = true",
    } == placed(tmp_path, text)


def test_a_value_that_cannot_be_read_does_not_hide_what_parts_say_of_each_other(tmp_path):
    """A bad port, a missing address and an organisation that is not there are told together."""
    text = changed(
        ("port = 8025", "port = 80250"),
        ('organisation = "harbor"', 'organisation = "haven"'),
        ('address = "letters@lantern.example.net"\n', ""),
        ("smtp_port = 8026", "smtp_port = 8027"),
    )
    assert {
        "web.port": "port = 80250",
        "senders.harbor.organisation": 'organisation = "haven"',
        "senders[1].address": "[[senders]]",
        "sandbox.inbox_port": "inbox_port = 8027",
    } == placed(tmp_path, text)


def test_a_row_with_a_fault_of_its_own_still_has_its_key(tmp_path):
    """Senders of a nameless organisation are not blamed, and a key it shares is told."""
    text = changed(('name = { en = "Harbor Solidarity", ru = "«Гав', 'name = { english = "«Гав'))
    assert ["organisations[0].name"] == [field for field, _ in faults(tmp_path, text)]
    text += '\n[[organisations]]\nkey = "harbor"\nname = { en = "H" }\n'
    found = [field for field, _ in faults(tmp_path, text)]
    assert ["organisations.harbor", "organisations[0].name"] == sorted(found)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        # The organisation that a sender names may be the one whose key cannot be read.
        ([('key = "harbor"\n# Its name', 'key = "Harbor"\n# Its name')], "organisations[0].key"),
        ([('[[organisations]]\n# What', "[organisations]\n# What"),
          ('[[organisations]]\nkey = "lantern"', '[organisations.lantern]\nkey = "lantern"')],
         "organisations"),
        # There is a relay, though it cannot be used.
        ([*LIVE, ('tls = "starttls"', 'tls = "perhaps"')], "relays[0].tls"),
        # What stands for a faulty address or port is not held against the file.
        ([LIVE[0], ('base_url = "http://127.0.0.1:8025"', 'base_url = "ftp://x.example.org"')],
         "web.base_url"),
        ([("\nport = 8025", "\nport = 80250"), ("smtp_port = 8026", "smtp_port = 8025")],
         "web.port"),
        # Whether it is live is not known.
        ([("live = false", 'live = "yes"')], "workspace.live"),
    ],
)  # fmt: skip
def test_nothing_is_blamed_for_what_was_left_out(tmp_path, changes, field):
    """One mistake is one fault, whatever hangs on the part that cannot be read."""
    assert [field] == [name for name, _ in faults(tmp_path, changed(*changes))]


def test_a_section_that_is_no_table_is_said_plainly(tmp_path):
    """A word where a table belongs."""
    text = EXAMPLE.replace("[schedule]\n", "[schedule_]\n").replace("[workspace]", "schedule = 1\n[workspace]", 1)  # fmt: skip
    assert [("schedule", "is not a table"),
            ("schedule_", "is not a key that config.toml knows")] == faults(tmp_path, text)  # fmt: skip


def test_the_workspaces_folder_is_no_key(tmp_path):
    """It is where the file is; another is refused, not passed over."""
    text = f'root = "/srv"\n{EXAMPLE}'
    assert {"root": 'root = "/srv"'} == placed(tmp_path, text)


@pytest.mark.parametrize("host", ["", " ", "smtp example.org", "smtp.example.org:587", "a..b",
                                  "-x.example.org", "[::1]", "smtp.example.org\\r\\nX: y"])  # fmt: skip
def test_a_host_is_a_name_or_an_ip_address(tmp_path, host):
    """Also of a relay: an empty one would be this machine."""
    problem = "is not a host name or an IP address"
    text = changed(('host = "127.0.0.1"', f'host = "{host}"'))
    assert [("web.host", problem)] == faults(tmp_path, text)
    text = changed(('host = "smtp.example.org"', f'host = "{host}"'))
    assert [("relays[0].host", problem)] == faults(tmp_path, text)


@pytest.mark.parametrize(
    ("host", "read"),
    [("mail", "mail"), ("::1", "::1"), ("192.0.2.1", "192.0.2.1"), ("smtp_relay", "smtp_relay"),
     ("smtp.example.org.", "smtp.example.org."), ("почта.example.org", "xn--80a1acny.example.org")],
)  # fmt: skip
def test_hosts_of_every_kind_are_taken(tmp_path, host, read):
    """A machine's name alone, both kinds of IP address, the root's dot, letters of any script."""
    config = load(tmp_path, changed(('host = "smtp.example.org"', f'host = "{host}"')))
    assert read == config.relays[0].host


def test_each_server_of_ours_has_a_port_of_its_own(tmp_path):
    """Two on one port would not start; 0 lets the system pick and is never the same."""
    text = changed(("smtp_port = 8026", "smtp_port = 8025"), ("inbox_port = 8027", "inbox_port = 8025"))  # fmt: skip
    assert [
        ("sandbox.smtp_port", "is 8025, as web.port is"),
        ("sandbox.inbox_port", "is 8025, as web.port is"),
    ] == faults(tmp_path, text)
    load(tmp_path, changed(("smtp_port = 8026", "smtp_port = 0"), ("inbox_port = 8027", "inbox_port = 0")))  # fmt: skip


def test_the_desk_has_a_port_of_its_own_while_it_is_on(tmp_path):
    """Where it is off its port is nobody's."""
    met = ("port = 8029", "port = 8025")
    assert [("desk.port", "is 8025, as web.port is")] == faults(tmp_path, changed(met))
    load(tmp_path, changed(met, ("enabled = true", "enabled = false")))


DESK_ADDRESS = 'base_url = ""\n# Where it answers'
DESK_AT = 'base_url = "https://desk.example.org"\n# Where it answers'
DESK_HOST = 'host = "127.0.0.1"\nport = 8029'


@pytest.mark.parametrize(
    ("changes", "sound"),
    [
        ([], True),
        ([(DESK_ADDRESS, DESK_AT.replace("https", "http"))], False),
        ([(DESK_ADDRESS, DESK_AT)], True),
        ([(DESK_HOST, 'host = "0.0.0.0"\nport = 8029')], False),
        ([(DESK_HOST, 'host = "0.0.0.0"\nport = 8029'),
          (DESK_ADDRESS, DESK_AT)], True),
        ([(DESK_HOST, 'host = "0.0.0.0"\nport = 8029'),
          ("enabled = true", "enabled = false")], True),
    ],
)  # fmt: skip
def test_the_desk_of_a_live_workspace_is_reached_by_https_or_on_this_machine(
    tmp_path, changes, sound
):
    """Passwords do not go through a network in clear; who needs no other machine needs no https."""
    text = changed(*LIVE, *changes)
    if sound:
        load(tmp_path, text)
    else:
        told = ("desk.base_url", "is not https, and the workspace is live")
        assert [told] == faults(tmp_path, text)
    load(tmp_path, changed(*changes))


def test_the_desk_is_reached_where_it_answers_unless_it_is_told_otherwise(tmp_path):
    """An IPv6 address stands in brackets."""
    assert "http://127.0.0.1:8029" == load(tmp_path, EXAMPLE).desk.address
    six = load(tmp_path, changed((DESK_HOST, 'host = "::1"\nport = 8030')))
    assert "http://[::1]:8030" == six.desk.address


def test_a_port_that_meets_a_default_is_told_where_it_is_written(tmp_path):
    """The file does not name the other one."""
    assert {"sandbox.inbox_port": "port = 8027"} == placed(tmp_path, "[web]\nport = 8027\n")


@pytest.mark.parametrize("language", ["english", "xx", "Russian", "und", "mul", "русский"])
def test_a_name_is_in_a_language_there_is(tmp_path, language):
    """Of an organisation and of a sender: a name under another word would never be shown."""
    problem = f'"{language}" is not a language: write a tag like en, ru or sr-Latn'
    wrong = f'name = {{ "{language}" = "Harbor" }}\n'
    first = EXAMPLE.index("[[organisations]]")
    for kind, start in (("organisations", first), ("senders", EXAMPLE.index("[[senders]]"))):
        line = next(one for one in EXAMPLE[start:].splitlines() if one.startswith("name = "))
        text = EXAMPLE[:start] + EXAMPLE[start:].replace(f"{line}\n", wrong, 1)
        assert [(f"{kind}[0].name", problem)] == faults(tmp_path, text)


def test_names_are_kept_by_the_one_form_of_a_tag(tmp_path):
    """However it is written; two forms of one are two texts for one language."""
    line = next(one for one in EXAMPLE.splitlines() if one.startswith('name = { en = "Harbor S'))
    config = load(tmp_path, changed((line, 'name = { EN = "H", sr_latn = "L", rus = "Г" }')))
    assert {"en": "H", "sr-Latn": "L", "ru": "Г"} == config.organisations[0].name
    text = changed((line, 'name = { en = "H", EN = "L" }'))
    assert [("organisations[0].name", "has two texts in en")] == faults(tmp_path, text)


@pytest.mark.parametrize("selector", ["", "mail 2026", ".mail", "mail.", "mail..a", "-mail", "_a",
                                      "почта", "m" * 64, "mail; b=x", "mail\\r\\nX: y"])  # fmt: skip
def test_a_selector_is_labels_of_the_dns(tmp_path, selector):
    """The public key is looked up below it; it stands in every signature."""
    (tmp_path / "dkim.key").touch()
    problem = "is not a selector like mail2026: use letters, digits, hyphens and dots"
    dkim = DKIM.replace("mail2026", selector)
    assert [("senders[0].dkim[0].selector", problem)] == faults(tmp_path, signed("harbor", dkim))


def test_selectors_of_one_label_or_more_are_taken_as_long_as_the_name_is_one(tmp_path):
    """With its domain and what stands between them it is at most 253 characters."""
    (tmp_path / "dkim.key").touch()
    for selector in ("mail2026", "A-1.eu", "m" * 63):
        load(tmp_path, signed("harbor", DKIM.replace("mail2026", selector)))
    long = ".".join(["m" * 63] * 4)
    problem = "selector and domain are too long for one name in the DNS"
    text = signed("harbor", DKIM.replace("mail2026", long))
    assert [("senders[0].dkim[0]", problem)] == faults(tmp_path, text)


@pytest.mark.parametrize("domain", ["lantern.example.net", "mail.harbor.example.org",
                                    "arbor.example.org", "example.net"])  # fmt: skip
def test_a_signature_is_of_the_addresss_domain(tmp_path, domain):
    """One of another domain, or of one below, says nothing for the From address."""
    (tmp_path / "dkim.key").touch()
    text = signed("harbor", DKIM.replace("harbor.example.org", domain))
    assert [
        ("senders.harbor.dkim[0].domain",
         "is neither harbor.example.org, the address's domain, nor one above it")
    ] == faults(tmp_path, text)  # fmt: skip
    assert {"senders.harbor.dkim[0].domain": f'domain = "{domain}"'} == placed(tmp_path, text)


@pytest.mark.parametrize("domain", ["harbor.example.org", "Harbor.Example.org", "example.org"])
def test_a_signature_of_the_domain_or_one_above_is_taken(tmp_path, domain):
    """Case does not matter to the DNS."""
    (tmp_path / "dkim.key").touch()
    text = signed("harbor", DKIM.replace("harbor.example.org", domain),
                  ("news@harbor.example.org", "news@Harbor.example.org"))  # fmt: skip
    assert [domain.lower()] == [one.domain for one in load(tmp_path, text).sender("harbor").dkim]


def test_a_live_workspace_links_by_https_only(tmp_path):
    """Both the pages' address and a sender's own; a workspace that is not live may link anywhere."""
    own = ('base_url = ""\n# Domain', 'base_url = "http://mail.harbor.example.org"\n# Domain')
    load(tmp_path, changed(own))
    problem = "is not https, and the workspace is live"
    text = changed(("live = false", "live = true"), own)
    assert [("web.base_url", problem), ("senders.harbor.base_url", problem)] == faults(
        tmp_path, text
    )
    assert {
        "web.base_url": 'base_url = "http://127.0.0.1:8025"',
        "senders.harbor.base_url": 'base_url = "http://mail.harbor.example.org"',
    } == placed(tmp_path, text)
    load(tmp_path, changed(*LIVE))


def test_alerts_go_to_staff_by_a_relay_and_from_a_sender_that_there_are(tmp_path):
    """So that what is said of staff before a workspace is live holds for alerts too."""
    text = changed(
        ("addresses = []", 'addresses = ["editor@harbor.example.org", "anna@example.org"]'),
        ('relay = ""', 'relay = "second"'),
        ('\nsender = ""', '\nsender = "nobody"'),
    )
    assert {
        "alerts.addresses": 'addresses = ["editor@harbor.example.org", "anna@example.org"]',
        "alerts.relay": 'relay = "second"',
        "alerts.sender": 'sender = "nobody"',
    } == placed(tmp_path, text)
    good = changed(
        ("addresses = []", 'addresses = ["editor@harbor.example.org"]'),
        ('relay = ""', 'relay = "main"'),
        ("command = []", 'command = ["tell", "--staff"]'),
    )
    alerts = load(tmp_path, good).alerts
    assert ("main", ("tell", "--staff")) == (alerts.relay, alerts.command)


@pytest.mark.parametrize("value", ["[0]", '[" "]', '"tell"'])
def test_a_command_is_a_program_and_its_arguments(tmp_path, value):
    """A line for a shell is none: no shell reads it."""
    (fault, *_) = faults(tmp_path, changed(("command = []", f"command = {value}")))
    assert fault[0].startswith("alerts")


def test_a_sender_names_its_relays_in_order(tmp_path):
    """One that is not there, or is named twice, is told; none named is the first one alone."""
    spare = '[[relays]]\nkey = "spare"\nhost = "smtp.example.net"\n'
    first = "relays = []\n\n# Sign with DKIM"
    text = changed((first, first.replace("[]", '["spare", "main", "third", "main"]'))) + spare
    assert [
        ("senders.harbor.relays", 'names "main" twice'),
        ("senders.harbor.relays", 'there is no relay "third"'),
    ] == sorted(faults(tmp_path, text))
    text = changed((first, first.replace("[]", '["spare", "main"]'))) + spare
    config = load(tmp_path, text)
    assert ["spare", "main"] == [one.key for one in config.relays_of("harbor")]
    assert ["main"] == [one.key for one in config.relays_of("lantern")]
    assert ["main"] == [one.key for one in config.relays_of("nobody")]
    assert ["main", "spare"] == [one.key for one in config.relays_in_use]


def test_a_plan_has_a_first_day_and_a_first_day_a_plan(tmp_path):
    """Each without the other is refused; so is a day in quotation marks."""
    plan = ("per_day_plan = []", "per_day_plan = [200, 500]")
    day = ("# plan_from = 2026-12-01", "plan_from = 2026-12-01")
    assert ["relays[0]"] == [field for field, _ in faults(tmp_path, changed(plan))]
    assert ["relays[0]"] == [field for field, _ in faults(tmp_path, changed(day))]
    quoted = (day[0], 'plan_from = "2026-12-01"')
    assert ["relays[0].plan_from"] == [
        field for field, _ in faults(tmp_path, changed(plan, quoted))
    ]
    config = load(tmp_path, changed(plan, day))
    assert (200, 500) == config.relays[0].cap.plan


def test_pacing_is_of_providers_that_are_known_each_once(tmp_path):
    """Or of every single domain; what another word could mean is told."""
    table = '[[pacing]]\ndomains = "gmail"\nconnections = 2\nper_second = 5.0\n'
    each = '[[pacing]]\ndomains = "each"\nper_second = 1.0\n'
    config = load(tmp_path, EXAMPLE + table + each)
    assert Pacing({"gmail": Pace(2, 5.0)}, Pace(0, 1.0)) == config.paces
    assert [("pacing[1].domains", "Make one of them")] == [
        (fault.field, fault.remedy) for fault in _faults(tmp_path, EXAMPLE + table + table)
    ]
    assert ["pacing[0].domains"] == [
        field for field, _ in faults(tmp_path, EXAMPLE + table.replace("gmail", "hotmail"))
    ]


def _faults(folder, text):
    with pytest.raises(FaultsFound) as raised:
        load(folder, text)
    return raised.value.faults
