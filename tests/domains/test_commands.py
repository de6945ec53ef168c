"""`mailer domain` for several senders, by the real command."""

from typer.testing import CliRunner

from mailer.cli import common, domain
from tests.unit.config_texts import changed


def test_senders_at_one_domain_have_each_record_once(tmp_path, monkeypatch):
    """What is pasted as it is printed holds one SPF record, by both relays, and one policy."""
    relays = "".join(
        f'[[relays]]\nkey = "{key}"\nprofile = "postfix"\ngreets_as = "{key}.example.org"\n'
        for key in ("first", "second")
    )
    text = changed(
        ("letters@lantern.example.net", "letters@harbor.example.org"),
        ("bounces.lantern.example.net", "bounces.harbor.example.org"),
        ("relays = []\n\n# Sign with", 'relays = ["first"]\n\n# Sign with'),
        (
            'return_path_local = "b"\n\n# The server',
            f'relays = ["second"]\n\n{relays}\n# The server',
        ),
    )
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(common, "_workspace_folder", tmp_path)
    ended = CliRunner().invoke(domain.app, ["records"])
    assert 0 == ended.exit_code, ended.output
    records = [one.split(". 3600 IN ") for one in ended.output.splitlines() if one[0] != ";"]
    assert [
        [
            "bounces.harbor.example.org",
            'TXT "v=spf1 a:first.example.org a:second.example.org -all"',
        ],
        ["bounces.harbor.example.org", "MX 10 first.example.org."],
        [
            "_dmarc.harbor.example.org",
            'TXT "v=DMARC1; p=none; rua=mailto:dmarc@harbor.example.org"',
        ],
        ["bounces.harbor.example.org", "MX 10 second.example.org."],
    ] == records
    assert "; TXT of bounces.harbor.example.org: as above" in ended.output
