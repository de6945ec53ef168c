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
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Authority, Certificate
from tests.support.postfix import free_port

DOVECOT = "/usr/sbin/dovecot"
IMAPD = Path("/usr/lib/dovecot/imap")
USER, PASSWORD = "returns@harbor.example.org", "correct-horse-battery"
#: Whose the files are: a user of every Debian that owns nothing.
_OWNER = "nobody"


def why_not() -> str:
    """Return why a Dovecot cannot be started here; "" when it can."""
    if not Path(DOVECOT).exists() or not IMAPD.exists():
        return "Dovecot is not installed: apt install dovecot-imapd"
    if os.geteuid() != 0:
        return "Dovecot is started by root only"
    return ""


@dataclass(frozen=True)
class Dovecot:
    """A running Dovecot."""

    folder: Path
    port: int
    host: str = "127.0.0.1"

    @property
    def maildir(self) -> Path:
        """Return the Maildir in which it keeps the mailbox."""
        return self.folder / "mail"

    @property
    def log(self) -> str:
        """Return what it logged so far."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

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
            _await_answer(running, process)
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


def _await_answer(running: Dovecot, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((running.host, running.port), 2),
        ):
            return
        time.sleep(0.02)
    raise TimeoutError(f"Dovecot does not answer\n{running.log}")


@contextlib.contextmanager
def dovecots(authority: Authority) -> Iterator[Callable[..., Dovecot]]:
    """Give a function that starts instances; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> Dovecot:
            return stack.enter_context(dovecot_instance(authority, **settings))

        yield start
