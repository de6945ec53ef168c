"""A real Postfix of our own, in a temporary folder, which relays to the test's SMTP server.

Use the fixture `postfix` (marker `postfix`), which starts what a test asks for:

    server = smtp_server()
    relay = postfix(server.port)
    ... hand mail to 127.0.0.1, relay.port; it comes out at `server` ...

It is started as root, since Postfix is made so; its processes run as the system's user postfix. The
system's own Postfix, if it runs, is not touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.servers import MailServer, free_port, why_not_as_root

POSTFIX = "/usr/sbin/postfix"

_SERVICES = """\
pickup    unix  n  -  n  60  1  pickup
cleanup   unix  n  -  n  -   0  cleanup
qmgr      unix  n  -  n  1   1  qmgr
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
rewrite   unix  -  -  n  -   -  trivial-rewrite
bounce    unix  -  -  n  -   0  bounce
defer     unix  -  -  n  -   0  bounce
trace     unix  -  -  n  -   0  bounce
verify    unix  -  -  n  -   1  verify
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -   -  proxymap
smtp      unix  -  -  n  -   -  smtp
relay     unix  -  -  n  -   -  smtp
showq     unix  n  -  n  -   -  showq
error     unix  -  -  n  -   -  error
retry     unix  -  -  n  -   -  error
discard   unix  -  -  n  -   -  discard
local     unix  -  n  n  -   -  local
anvil     unix  -  -  n  -   1  anvil
scache    unix  -  -  n  -   1  scache
postlog   unix-dgram n - n - 1  postlogd
"""


#: Folder of the queue → owner, group, mode, as Postfix's own installation makes them.
_QUEUE = {
    **dict.fromkeys(
        ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
         "saved", "trace"),
        ("postfix", "root", 0o700),
    ),
    "maildrop": ("postfix", "postdrop", 0o730),
    "pid": ("root", "root", 0o755),
    "public": ("postfix", "postdrop", 0o710),
}  # fmt: skip


def why_not() -> str:
    """Return why a Postfix cannot be started here; "" when it can."""
    return why_not_as_root("Postfix", "postfix", Path(POSTFIX))


class Postfix(MailServer):
    """A running Postfix."""

    def queue(self) -> list[str]:
        """Return the ids of the mails it still has."""
        return [
            path.name
            for name in ("incoming", "active", "deferred")
            for path in (self.folder / "queue" / name).rglob("*")
            if path.is_file()
        ]

    def wait_for_log(self, text: str, count: int = 1, timeout_s: float = 15.0) -> None:
        """Wait until it logged a text so often: a process of its own writes the log, and lags."""
        deadline = time.monotonic() + timeout_s
        while self.log.count(text) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not logged {count} times: {text}\n{self.log}")
            time.sleep(0.05)

    def wait_until_empty(self, timeout_s: float = 15.0) -> None:
        """Wait until every mail went on, was refused or bounced."""
        deadline = time.monotonic() + timeout_s
        while self.queue():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.queue())} mails are left\n{self.log}")
            time.sleep(0.05)


def _settings(folder: Path, relay_port: int, **more: str) -> str:
    values = {
        "compatibility_level": "3.6",
        "queue_directory": str(folder / "queue"),
        "data_directory": str(folder / "data"),
        "command_directory": "/usr/sbin",
        "daemon_directory": "/usr/lib/postfix/sbin",
        "maillog_file": str(folder / "log"),
        "maillog_file_prefixes": str(folder),
        "myhostname": "relay.example.net",
        "mydestination": "",
        "local_recipient_maps": "",
        "alias_maps": "",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "relayhost": f"[127.0.0.1]:{relay_port}",
        "smtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        # As docs ask of every relay: the end of data is CRLF.CRLF and nothing else.
        "smtpd_forbid_bare_newline": "normalize",
        "smtpd_forbid_bare_newline_exclusions": "",
        "smtputf8_enable": "yes",
        "append_dot_mydomain": "no",
        "biff": "no",
        # Deferred mail is tried again at once, so that no test waits for minutes.
        "queue_run_delay": "1s",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "1s",
        **more,
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [POSTFIX, "-c", str(folder / "config"), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    )  # fmt: skip


def _make_queue(queue: Path) -> None:
    queue.mkdir(mode=0o755)
    for name, (owner, group, mode) in _QUEUE.items():
        (queue / name).mkdir()
        shutil.chown(queue / name, owner, group)
        (queue / name).chmod(mode)
    # With this file Postfix leaves out its check of the whole installation, which takes seconds.
    (queue / "quick-start").touch()


def _await_answer(running: Postfix, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((running.host, running.port), timeout=2) as connection,
        ):
            if connection.recv(4).startswith(b"220"):
                connection.sendall(b"QUIT\r\n")
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"Postfix does not answer\n{running.log}")
        time.sleep(0.05)


def _stop(folder: Path) -> None:
    """Stop the master and all its children; none is left behind."""
    pid_file = folder / "queue" / "pid" / "master.pid"
    said = pid_file.read_text(encoding="ascii").strip() if pid_file.exists() else ""
    if not said.isdigit():
        return
    master = int(said)
    # The master leads a process group of its own, in which all its children are.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(master, number)
        for _ in range(250):
            try:
                os.killpg(master, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
    raise TimeoutError("Postfix does not stop")


@contextlib.contextmanager
def postfix_files(relay_port: int, **settings: str) -> Iterator[Postfix]:
    """Make the files of a Postfix that hands everything to 127.0.0.1, `relay_port`; start nothing.

    It may be started by `start_postfix`, and is stopped at the end.

    Args:
        relay_port: Where the test's SMTP server listens.
        settings: Lines of main.cf, to add or to override.
    """
    # Not below pytest's own folder: the user postfix must be able to go there.
    folder = Path(tempfile.mkdtemp(prefix="mailer-postfix-"))
    try:
        folder.chmod(0o755)
        for name in ("config", "data"):
            (folder / name).mkdir(mode=0o755)
        _make_queue(folder / "queue")
        shutil.chown(folder / "data", "postfix")
        port = free_port()
        (folder / "config" / "main.cf").write_text(_settings(folder, relay_port, **settings))
        (folder / "config" / "master.cf").write_text(
            f"127.0.0.1:{port} inet n - n - - smtpd\n{_SERVICES}"
        )
        try:
            yield Postfix(folder, port)
        finally:
            _stop(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_postfix(made: Postfix) -> None:
    """Start a Postfix whose files are there, and wait until it answers."""
    started = _run(made.folder, "start")
    if started.returncode:
        raise RuntimeError(f"Postfix does not start: {started.stderr}{made.log}")
    _await_answer(made)


@contextlib.contextmanager
def postfix_instance(relay_port: int, **settings: str) -> Iterator[Postfix]:
    """Run a Postfix that hands everything to 127.0.0.1, `relay_port`; see `postfix_files`."""
    with postfix_files(relay_port, **settings) as made:
        start_postfix(made)
        yield made


def queue_ids(log: str) -> list[str]:
    """Return the queue ids of a log in order of appearance: one for each mail taken."""
    return list(dict.fromkeys(re.findall(r"smtpd\[\d+\]: ([0-9A-F]+): client=", log)))
