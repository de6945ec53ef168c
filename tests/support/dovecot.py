"""A real Dovecot of our own, in a temporary folder, with one mailbox on a free port of loopback.

Use the fixture `dovecot` (marker `dovecot`), which starts what a test asks for:

    server = dovecot(tls="implicit")
    server.deliver(b"Subject: ...")
    server.messages("Processed")

It is started as root, since Dovecot is made so. The system's own Dovecot, if it runs, is not touched.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.certificates import Authority, Certificate
from tests.support.servers import (
    MailServer,
    free_port,
    wait_until_it_listens,
    why_not_as_root,
)

DOVECOT = "/usr/sbin/dovecot"
IMAPD = Path("/usr/lib/dovecot/imap")
USER, PASSWORD = "returns@harbor.example.org", "correct-horse-battery"
#: Whose the files are: a user of every Debian that owns nothing.
_OWNER = "nobody"


def why_not() -> str:
    """Return why a Dovecot cannot be started here; "" when it can."""
    return why_not_as_root("Dovecot", "dovecot-imapd", Path(DOVECOT), IMAPD)


class Dovecot(MailServer):
    """A running Dovecot."""

    @property
    def maildir(self) -> Path:
        """Return the Maildir in which it keeps the mailbox."""
        return self.folder / "mail"

    @contextlib.contextmanager
    def opened(self) -> Iterator[imaplib.IMAP4]:
        """Give a connection that is logged in, past TLS."""
        with imaplib.IMAP4(self.host, self.port, timeout=20) as client:
            client.login(USER, PASSWORD)
            yield client

    def deliver(self, *messages: bytes) -> None:
        """Put messages into INBOX, as a mail server does: unseen."""
        owner = pwd.getpwnam(_OWNER)
        for number, message in enumerate(messages):
            name = f"{time.time_ns()}.{number}.sample"
            path = self.maildir / "tmp" / name
            path.write_bytes(message)
            os.chown(path, owner.pw_uid, owner.pw_gid)
            path.rename(self.maildir / "new" / name)

    def messages(self, folder: str) -> list[bytes]:
        """Return the messages of a folder."""
        with self.opened() as client:
            if client.select(folder, readonly=True)[0] != "OK":
                return []
            numbers = client.search(None, "ALL")[1][0].replace(b" ", b",").decode()
            _, data = client.fetch(numbers, "(BODY.PEEK[])") if numbers else ("OK", [])
            return [bytes(one[1]) for one in data if isinstance(one, tuple)]

    def unseen(self, folder: str) -> int:
        """Return how many messages of a folder nobody has seen."""
        with self.opened() as client:
            client.select(folder, readonly=True)
            return len(client.search(None, "UNSEEN")[1][0].split())


_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {owner}
default_login_user = {owner}
default_internal_group = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{folder}/mail
disable_plaintext_auth = no
auth_failure_delay = 0
ssl = {ssl}
{certificate}
imap_capability = {capability}
passdb {{
  driver = static
  args = password={{PLAIN}}{password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={folder}/home
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
"""


@contextlib.contextmanager
def dovecot_instance(
    authority: Authority,
    tls: str = "none",
    capability: str = "",
    certificate: Certificate = Certificate.GOOD,
) -> Iterator[Dovecot]:
    """Run a Dovecot with one empty mailbox.

    Args:
        authority: Issues its certificate.
        tls: "none", "starttls" or "implicit".
        capability: What it says it can do, in place of everything.
        certificate: What it shows.
    """
    folder = Path(tempfile.mkdtemp(prefix="mailer-dovecot-"))
    owner = pwd.getpwnam(_OWNER)
    group = "nogroup"
    try:
        folder.chmod(0o755)
        for name in ("mail", "home", "state"):
            (folder / name).mkdir()
        for name in ("new", "cur", "tmp"):
            (folder / "mail" / name).mkdir()
        for path in (folder / "mail", *(folder / "mail").iterdir(), folder / "home"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        port = free_port()
        chain, key = authority.server_files(certificate)
        (folder / "dovecot.conf").write_text(
            _CONFIG.format(
                folder=folder, owner=_OWNER, group=group, password=PASSWORD, capability=capability,
                ssl="no" if tls == "none" else "yes",
                certificate=f"ssl_cert = <{chain}\nssl_key = <{key}" if tls != "none" else "",
                imap_port=0 if tls == "implicit" else port,
                imaps_port=port if tls == "implicit" else 0,
            )
        )  # fmt: skip
        running = Dovecot(folder, port)
        process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(folder / "dovecot.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            wait_until_it_listens("Dovecot", port, process, lambda: running.log)
            yield running
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the master and its children, which are in its process group; nothing is to be saved."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
