"""A live workspace, its relay a real Postfix: nothing before it is verified, then everything."""

import base64
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailer.app.preview import preview_mail
from mailer.app.relays import verify_relay
from mailer.app.routing import relay_digest
from mailer.app.senders import send_now
from mailer.app.sending import unverified
from mailer.app.workspace import Workspace
from mailer.domains.records import quoted
from mailer.domains.resolver import SystemResolver
from mailer.model.audit import AuditAction
from mailer.model.findings import Grade
from mailer.model.staff import BY_ITSELF
from mailer.model.states import MailingState
from mailer.store.audit import entries_before
from mailer.store.mailings import find_mailing
from mailer.store.relays import mark_relay_verified
from tests.support.dns_server import dns_server
from tests.support.mail import html_of, raw_headers, text_of

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

DOMAIN = "harbor.example.org"
PEOPLE = {
    "anna@inbox.example.net": "en",
    "boris@inbox.example.net": "ru",
    "c.o'neil@inbox.example.net": "ro",
    "dot.dot@xn--80ahcnbt0b.example": "uk",
    "елена@inbox.example.net": "ru",
}


def _mailer(folder, *arguments, given=None):
    ended = subprocess.run(
        [sys.executable, "-m", "mailer", "-w", str(folder), *arguments],
        capture_output=True, timeout=90, check=False, input=given,
        env={**os.environ, "COLUMNS": "140"},
    )  # fmt: skip
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
    )


def _write_key(path, key):
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)


@pytest.fixture
def live(tmp_path, postfix, smtp_server):
    """A live workspace with both DKIM keys, five people, and a Postfix that relays to a server."""
    server = smtp_server()
    relay = postfix(server.port)
    folder = tmp_path / "ws"
    assert _mailer(folder, "init", str(folder)).returncode == 0
    rsa_key = rsa.generate_private_key(65537, 2048)
    ed_key = ed25519.Ed25519PrivateKey.generate()
    _write_key(folder / "rsa.key", rsa_key)
    _write_key(folder / "ed.key", ed_key)
    config = (folder / "config.toml").read_text()
    signatures = "".join(
        f'[[senders.dkim]]\ndomain = "{DOMAIN}"\nselector = "{name}"\nkey_file = "{name}.key"\n'
        for name in ("rsa", "ed")
    )
    for old, new in {
        "live = false": "live = true",
        'base_url = "http://127.0.0.1:8025"': 'base_url = "https://mail.harbor.example.org"',
        'host = "smtp.example.org"\nport = 587': f'host = "127.0.0.1"\nport = {relay.port}',
        'tls = "starttls"': 'tls = "none"',
        "# Sign with DKIM": f"{signatures}\n# Sign with DKIM",
    }.items():
        assert config.count(old) >= 1, old
        config = config.replace(old, new, 1)
    (folder / "config.toml").write_text(config)
    rows = "\n".join(f"{address},{language},yes" for address, language in PEOPLE.items())
    (folder / "people.csv").write_text(f"email,languages,consent_source\n{rows}\n")
    public = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = ed_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    records = {
        f"rsa._domainkey.{DOMAIN}.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(public),
        f"ed._domainkey.{DOMAIN}.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw),
    }
    for arguments in (
        ["statements", "load", str(folder / "templates/statements/her-rights")],
        ["import", str(folder / "people.csv"), "--list", "harbor-news"],
    ):
        ended = _mailer(folder, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder, relay, server, records


SEND = ("send", "--statement", "her-rights", "--list", "harbor-news", "--yes", str(len(PEOPLE)))


def test_nothing_leaves_before_the_relay_is_verified_and_then_everything_does(live):
    """Invariant 13, and the whole way: composed, signed twice, through Postfix, and on record."""
    folder, relay, server, records = live
    refused = _mailer(folder, *SEND)
    assert refused.returncode == 1
    assert 'the relay "main" has not been verified' in refused.stderr
    assert "Traceback" not in refused.stderr
    assert relay.queue() == server.mails == []
    listed = json.loads(_mailer(folder, "mailings", "list", "--json").stdout)
    assert listed == []

    workspace = Workspace.open(folder)
    (section,) = workspace.config.relays
    with workspace.store.write() as connection:
        mark_relay_verified(connection, section.key, relay_digest(section))
    workspace.store.close()
    sent = _mailer(folder, *SEND)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    mails = server.wait_for(len(PEOPLE), 30)
    relay.wait_until_empty()
    assert sorted(address for mail in mails for address in mail.rcpt_tos) == sorted(PEOPLE)
    figures = json.loads(_mailer(folder, "report", "her-rights-1", "--json").stdout)
    assert figures["by_outcome"] == {"accepted": len(PEOPLE)}
    assert list(figures["by_relay"]) == ["main"]
    for mail in mails:
        _check(mail, records)


def _check(mail, records):
    (recipient,) = mail.rcpt_tos
    assert re.fullmatch(r"b\+[a-z2-7]+@bounces\.harbor\.example\.org", mail.mail_from)
    # What Postfix added stands before what we signed.
    names = [name for name, _ in raw_headers(mail.content) if name != "Received"]
    assert names[:3] == ["DKIM-Signature", "DKIM-Signature", "From"]
    for index in (0, 1):
        verifier = dkim.DKIM(mail.content)
        assert verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: records[name.decode()])
    said = {"ro": "Limbi disponibile: engleză, rusă", "uk": "Доступні мови: англійська, російська"}
    text, html = text_of(mail.content), html_of(mail.content)
    for language, notice in said.items():
        assert (notice in text) == (PEOPLE[recipient] == language)
    assert text.count("https://mail.harbor.example.org/u/") == 1
    assert html.count("https://mail.harbor.example.org/u/") == 1


def test_a_relay_configured_otherwise_than_it_was_verified_gets_nothing(live):
    """Another host or port is another relay."""
    folder, relay, server, _ = live
    workspace = Workspace.open(folder)
    (section,) = workspace.config.relays
    other = section.model_copy(update={"port": section.port + 1})
    with workspace.store.write() as connection:
        mark_relay_verified(connection, section.key, relay_digest(other))
    workspace.store.close()
    refused = _mailer(folder, *SEND)
    assert refused.returncode == 1
    assert "has not been verified as it stands" in refused.stderr
    assert relay.queue() == server.mails == []


def _set_live(folder, value):
    config = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(re.sub("live = (true|false)", f"live = {value}", config))


def _quoted(records):
    return {
        (name.rstrip("."), "TXT"): [quoted(value.decode())] for name, value in records.items()
    } | {(f"_dmarc.{DOMAIN}", "TXT"): [quoted("v=DMARC1; p=none")]}


def test_a_mail_that_came_through_verifies_the_relay_and_one_that_was_changed_does_not(live):
    """A test send through Postfix, received, and given to the commands: then live is accepted.

    A mail that is as it should be and was not sent by that relay verifies nothing.
    """
    folder, _relay, server, records = live
    checked = _mailer(folder, "relay", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "It can be reached. Nothing was sent." in checked.stdout
    _set_live(folder, "false")
    tested = _mailer(folder, "test-send", "--statement", "her-rights", "--language", "ro")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    (mail,) = server.wait_for(1, 30)
    hour = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M}"
    planned = _mailer(folder, "schedule", *SEND[1:], "--at", hour, "--timezone", "UTC")
    assert planned.returncode == 0, planned.stderr
    workspace = Workspace.open(folder)
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, "her-rights-1")
    other = preview_mail(workspace, mailing, "ro").source
    _set_live(folder, "true")
    workspace = Workspace.open(folder)
    (section,) = workspace.config.relays
    with dns_server(_quoted(records)) as dns:
        tampered = mail.content.replace(b"https://mail.harbor", b"https://click.example")
        found = verify_relay(
            workspace, BY_ITSELF, section, tampered, SystemResolver(dns.host, dns.port)
        )
        assert {"links", "DKIM", "DMARC"} <= {
            one.subject for one in found if one.grade is Grade.WRONG
        }
        found = verify_relay(
            workspace, BY_ITSELF, section, other, SystemResolver(dns.host, dns.port)
        )
        assert {"test send"} == {one.subject for one in found if one.grade is Grade.WRONG}
        assert unverified(workspace, section) is not None
        verified = _mailer(
            folder, "relay", "verify", "--dns", f"{dns.host}:{dns.port}", given=mail.content
        )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "The relay leaves our mails alone." in verified.stdout
    assert "anna@" not in verified.stdout + verified.stderr
    assert unverified(workspace, section) is None
    with workspace.store.read() as connection:
        (told,) = entries_before(connection, None, 1)
    assert (AuditAction.RELAY_VERIFIED, section.key) == (told.action, told.subject)
    workspace.store.close()


def test_what_was_scheduled_in_the_sandbox_never_reaches_people(live):
    """A rehearsal stays one when the workspace goes live: it is held, and nobody is mailed."""
    folder, relay, server, _ = live
    config = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(
        config.replace("live = true", "live = false").replace("https://mail.", "http://mail.")
    )
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"
    planned = _mailer(folder, "schedule", *SEND[1:], "--at", hour, "--timezone", "UTC")
    assert planned.returncode == 0, planned.stderr
    (folder / "config.toml").write_text(config)
    workspace = Workspace.open(folder)
    with workspace.store.write() as connection:
        (section,) = workspace.config.relays
        mark_relay_verified(connection, section.key, relay_digest(section))
        row_id = find_mailing(connection, "her-rights-1").row_id
    assert send_now(workspace, row_id, lambda _mailing, _figures: None)
    with workspace.store.read() as connection:
        found = find_mailing(connection, "her-rights-1")
    workspace.store.close()
    assert found.state is MailingState.HELD
    assert "before the workspace was live, as a rehearsal" in found.held_reason
    assert relay.queue() == server.mails == []
