"""`[feedback.imap]` of config.toml: a mailbox that can be logged in to, and nothing in clear."""

import pytest

from tests.unit.config_texts import EXAMPLE, faults, load

LOGIN = 'username = "returns@harbor.example.org"\npassword_file = "mailbox.password"'


def table(*lines):
    """The example with a mailbox."""
    return "\n".join([EXAMPLE, "[feedback.imap]", *lines, ""])


def test_host_and_login_are_enough(tmp_path):
    """Then it is TLS from the first octet on, INBOX, and two folders that are made."""
    feedback = load(tmp_path, table('host = "imap.example.org"', LOGIN)).feedback
    assert feedback.is_watched
    assert feedback.takes_mail
    imap = feedback.imap
    assert (993, "implicit", "INBOX", "Processed", "Unread") == (
        imap.port, imap.tls, imap.folder, imap.processed, imap.unread
    )  # fmt: skip
    assert not load(tmp_path, EXAMPLE).feedback.is_watched


def test_the_password_is_read_when_it_is_needed(tmp_path):
    """From its file, which only its owner may read."""
    config = load(tmp_path, table('host = "imap.example.org"', LOGIN))
    path = tmp_path / "mailbox.password"
    path.write_text("secret\n")
    path.chmod(0o600)
    assert "secret" == config.imap_password()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((LOGIN, 'tls = "none"'), 'tls = "none" is for a server on this machine only'),
        ((LOGIN, 'tls = "starttls"'), 'port 993 is for tls = "implicit"; with "starttls" it is 143'),
        (('username = "b"',), "the password comes from password_file or password_env, one of them"),
        ((LOGIN, 'password_env = "P"'),
         "the password comes from password_file or password_env, one of them"),
        ((LOGIN, 'unread = "Processed"'), "folder, processed and unread are three different ones"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_safely_is_refused(tmp_path, lines, problem):
    """Each with its reason."""
    assert [("feedback.imap", problem)] == faults(
        tmp_path, table('host = "imap.example.org"', *lines)
    )


@pytest.mark.parametrize(
    ("line", "field"),
    [('folder = "a\\nb"', "folder"), ('processed = ""', "processed"), ('poll_s = 0', "poll_s"),
     ('password = "x"', "password")],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named(tmp_path, line, field):
    """A password in the file itself is no key."""
    found = faults(tmp_path, table('host = "imap.example.org"', LOGIN, line))
    assert f"feedback.imap.{field}" in [name for name, _ in found]
