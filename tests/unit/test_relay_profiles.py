"""A profile gives defaults, every key may be overridden, and what contradicts itself is refused."""

import re

import pytest

from mailer.app.sending import signers_for
from mailer.app.workspace import Workspace
from mailer.compose.composer import CannotCompose
from mailer.compose.wire import MalformedMail, check_message
from mailer.config import RelaySection
from mailer.model.faults import FaultsFound
from mailer.model.relays import PROFILES, ProfileName, RelayHandling, ReturnPath
from tests.support.clocks import NOW
from tests.support.mail import raw_headers
from tests.support.mails import composer, harbor_sender, outgoing
from tests.unit.config_texts import changed


def _section(**values):
    return RelaySection.model_validate({"key": "main", **values})


@pytest.mark.parametrize("name", list(ProfileName))
def test_every_profile_is_a_relay_that_can_be_configured(name):
    """With its host where the profile has none."""
    one = PROFILES[name]
    section = _section(profile=name.value, **({} if one.host else {"host": "smtp.example.org"}))
    assert (one.host or "smtp.example.org", one.port, one.tls) == (
        section.host, section.port, section.tls,
    )  # fmt: skip
    assert (one.signs, one.return_path) == (section.signs, section.return_path)
    assert one == section.known


def test_what_is_written_stands_before_the_profile():
    """Every key but the fields that switch tracking off."""
    section = _section(
        profile="mailgun", host="smtp.eu.mailgun.org", port=465, tls="implicit",
        signs="mailer", return_path="fixed", headers={"X-Mailgun-Tag": "letters"},
    )  # fmt: skip
    assert ("smtp.eu.mailgun.org", 465, "mailer") == (section.host, section.port, section.signs)
    assert RelayHandling(
        ReturnPath.FIXED,
        (
            ("X-Mailgun-Tag", "letters"), ("X-Mailgun-Track", "no"),
            ("X-Mailgun-Track-Clicks", "no"), ("X-Mailgun-Track-Opens", "no"),
        ),
    ) == section.handling  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"profile": "mailgun", "headers": {"X-MAILGUN-track": "yes"}}, "switches tracking off"),
        ({"profile": "ses", "host": "smtp.example.org", "signs": "mailer"}, "anew after we signed"),
        (
            {"profile": "plain", "host": "a.example.org", "headers": {"Bcc": "x"}},
            "none for a relay",
        ),
        ({"host": "a.example.org", "headers": {"X-A": "b\r\nBcc: x"}}, "without blanks"),
        ({"profile": "sendmail", "host": "a.example.org"}, "Input should be"),
        ({"profile": "ses"}, "Field required"),
    ],
)
def test_what_contradicts_itself_is_refused(values, words):
    """With words that name it."""
    with pytest.raises(ValueError, match=re.escape(words)):
        _section(**values)


@pytest.mark.parametrize(
    ("return_path", "changes", "expected"),
    [
        (ReturnPath.VERP, {}, r"b\+[a-z2-7]+@bounces\.harbor\.example\.org"),
        (ReturnPath.FIXED, {}, r"b@bounces\.harbor\.example\.org"),
        (ReturnPath.FIXED, {"return_path_address": "office@harbor.example.org"},
         r"office@harbor\.example\.org"),
        (ReturnPath.RELAY, {}, r"news@harbor\.example\.org"),
    ],
)  # fmt: skip
def test_the_return_path_is_as_the_relay_wants_it(tokens, return_path, changes, expected):
    """A token of its own, one mailbox, or the address the relay knows."""
    made = composer(tokens, sender=harbor_sender(**changes), handling=RelayHandling(return_path))
    assert re.fullmatch(expected, made.compose(outgoing(), NOW).envelope.mail_from)


def test_fields_for_a_relay_go_to_that_relay_only(tokens):
    """They stand last, and without them being named a mail that has them does not leave."""
    handling = _section(profile="postmark").handling
    content = composer(tokens, handling=handling).compose(outgoing(), NOW).content
    assert [("X-PM-TrackLinks", "None"), ("X-PM-TrackOpens", "false")] == raw_headers(content)[-2:]
    plain = composer(tokens).compose(outgoing(), NOW).content
    assert b"X-PM" not in plain
    with pytest.raises(MalformedMail, match="not allowed"):
        check_message(content, "reader@inbox.example.net", utf8=False)


def test_an_address_that_fits_no_envelope_is_no_mail(tokens):
    """The person's own address is still looked at first."""
    with pytest.raises((CannotCompose, FaultsFound)):
        composer(tokens).compose(outgoing(address="no address"), NOW)


@pytest.mark.parametrize("signs", ["mailer", "relay"])
def test_people_get_nothing_that_nobody_signs(tmp_path, signs):
    """A relay verified by one sender's mail says nothing of a sender without a key."""
    text = changed(
        ("live = false", "live = true"),
        ('base_url = "http://127.0.0.1:8025"', 'base_url = "https://mail.harbor.example.org"'),
        ('signs = "mailer"', f'signs = "{signs}"'),
    )
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    sender = workspace.config.sender("lantern")
    if signs == "relay":
        assert () == signers_for(sender, workspace.config.relays[0])
        return
    with pytest.raises(FaultsFound) as refused:
        signers_for(sender, workspace.config.relays[0])
    assert ["senders.lantern.dkim"] == [one.field for one in refused.value.faults]
