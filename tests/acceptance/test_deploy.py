"""`mailer deploy`, and what it writes: systemd takes the units, and the program bears them."""

import ctypes
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mailer.app.deploying import Site, server_files
from mailer.config import load_config
from mailer.model.faults import FaultsFound
from tests.acceptance.processes import ENVIRONMENT, answers, ports, until

pytestmark = [pytest.mark.acceptance]

UNITS = (
    "mailer.service", "mailer-backup.service", "mailer-backup.timer",
    "mailer-domain-check.service", "mailer-domain-check.timer",
)  # fmt: skip
SERVICES = tuple(name for name in UNITS if name.endswith(".service"))
#: From prctl(2).
_PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE, _REFUSE_EXEC_GAIN = 38, 65, 1


@pytest.fixture
def systemd():
    """A function that runs systemd-analyze."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed: apt install systemd")

    def run(*arguments):
        return subprocess.run(
            ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip

    return run


@pytest.fixture
def deploy(mailer):
    """A function that runs `mailer deploy`, the program being found in the workspace."""

    def run(workspace, *arguments):
        return mailer(workspace, "deploy", *arguments, PATH=f"{workspace}:/usr/bin")

    return run


@pytest.fixture
def deployed(deploy, program, workspace, change):
    """The files, written for a workspace with https, below server/ in it."""
    change(workspace / "config.toml", 'base_url = "http://', 'base_url = "https://pages.')
    ended = deploy(workspace, "server")
    assert (0, "") == (ended.status, ended.err)
    told = re.findall(r"(?m)^  (\S+)  +→", ended.out)
    found = {str(path.relative_to(workspace)) for path in (workspace / "server").rglob("*.*")}
    assert found <= set(told)
    return workspace / "server"


@pytest.fixture
def program(workspace):
    """A command `mailer` that the units can name."""
    path = workspace / "mailer"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("grace_s", "seconds"), [("5.0", 45), ("300.5", 341)])
def test_systemd_waits_longer_than_the_senders_do(workspace, change, grace_s, seconds):
    """Whatever shutdown_grace_s is: a sender that is killed would leave deliveries in doubt."""
    path = workspace / "config.toml"
    change(path, "shutdown_grace_s = 5.0", f"shutdown_grace_s = {grace_s}")
    change(path, 'base_url = "http://', 'base_url = "https://pages.')
    files = server_files(load_config(workspace), Site(Path("/opt/mailer"), "mailer"))
    assert f"\nTimeoutStopSec={seconds}\n" in files["systemd/mailer.service"]


def test_systemd_takes_every_unit(deployed, systemd):
    """Without a word: no key is unknown, no command missing."""
    for name in UNITS:
        ended = systemd("verify", deployed / "systemd" / name)
        assert (0, "") == (ended.returncode, ended.stdout + ended.stderr), name


def test_what_the_services_may_do_is_little(deployed, systemd):
    """By systemd's own measure, of 100 for everything and 0 for nothing."""
    for name in SERVICES:
        ended = systemd("security", "--offline=true", "--threshold=15", deployed / "systemd" / name)
        assert 0 == ended.returncode, ended.stdout


def test_the_services_name_this_program_workspace_and_user(program, deploy, deployed, workspace):
    """Nothing is left to fill in, and everything is ours."""
    texts = {path: path.read_text() for path in deployed.rglob("*") if path.is_file()}
    assert [] == [path for path, text in texts.items() if re.search(r"@[A-Z]+@", text)]
    for name in SERVICES:
        text = texts[deployed / "systemd" / name]
        assert f"\nWorkingDirectory={workspace}\n" in text
        assert f"\nReadWritePaths={workspace}\n" in text
        assert f"\nExecStart={program} " in text
        assert "\nUser=mailer\n" in text
    web = ports(workspace)[0]
    caddy = texts[deployed / "caddy" / "Caddyfile"]
    assert f"reverse_proxy 127.0.0.1:{web} " in caddy
    deploy(workspace, "server", "--user", "campaign")
    assert "\nUser=campaign\n" in (deployed / "systemd" / "mailer.service").read_text()


def test_every_sender_has_its_host_in_the_caddyfile(deploy, deployed, workspace, change):
    """Each once, in the order of the settings."""
    reply_to = 'reply_to = "desk@lantern.example.net"\n'
    own = f'{reply_to}base_url = "https://links.example.net"'
    change(workspace / "config.toml", f'{reply_to}base_url = ""', own)
    assert 0 == deploy(workspace, "server").status
    hosts = re.search(r"(?m)^(\S.*) \{$", (deployed / "caddy" / "Caddyfile").read_text())[1]
    assert re.fullmatch(r"pages\.\S+, links\.example\.net", hosts)


def test_the_desk_is_reached_where_its_settings_say(deploy, deployed, workspace, change):
    """Below a host of links, or at a host of its own; by default on this machine only."""
    caddyfile = deployed / "caddy" / "Caddyfile"
    path = workspace / "config.toml"
    change(path, "enabled = false", "enabled = true")
    port = int(re.search(r"(?s)\[desk\].*?\nport = (\d+)", path.read_text())[1])
    assert 0 == deploy(workspace, "server").status
    assert str(port) not in caddyfile.read_text()
    own = 'host = "127.0.0.1"\nport = ' + str(port)
    for host, lines in (
        ("desk.example.net", "\ndesk.example.net {\n"),
        ("", "\thandle @desk {\n"),
    ):
        shared = re.search(r'\[web\][^[]*?\nbase_url = "https://([^"]+)"', path.read_text())[1]
        text = re.sub(
            r'(?s)(\[desk\].*?\nbase_url = )"[^"]*"',
            rf'\1"https://{host or shared}"',
            path.read_text(),
        )
        path.write_text(text)
        assert own in text
        assert 0 == deploy(workspace, "server").status
        assert lines in caddyfile.read_text()
        assert f"reverse_proxy 127.0.0.1:{port}\n" in caddyfile.read_text()


def test_postfix_takes_mail_for_return_paths_and_what_every_domain_has(deployed):
    """Each sender's two, and postmaster and abuse, once; nobody else."""
    lines = (deployed / "postfix" / "mailer-recipients").read_text().splitlines()
    assert [
        f"{local}@bounces.{domain} mailer:"
        for domain in ("harbor.example.org", "lantern.example.net")
        for local in ("b", "u", "postmaster", "abuse")
    ] == [line for line in lines if not line.startswith("#")]


def test_the_service_may_write_into_a_maildir_outside_the_workspace(workspace, change):
    """And not into one that it has anyway, which would be no path of its own."""
    path = workspace / "config.toml"
    change(path, 'base_url = "http://', 'base_url = "https://pages.')
    for maildir, more in (("/var/mail/returns", " /var/mail/returns"), ("in", "")):
        config = load_config(workspace)
        feedback = config.feedback.model_copy(update={"maildir": maildir})
        files = server_files(
            config.model_copy(update={"feedback": feedback}), Site(Path("/opt/mailer"), "mailer")
        )
        unit = files["systemd/mailer.service"]
        assert f"\nReadWritePaths={config.root}{more}\n" in unit


def test_it_says_what_it_cannot_do_and_writes_nothing(deploy, program, workspace, change):
    """Links without https, a name that is no user's, a folder that is a file."""
    for arguments, told in (
        (["server"], "web.base_url: is http://"),
        (["server", "--user", "two words"], "is no name of a user on Debian"),
    ):
        ended = deploy(workspace, *arguments)
        assert 1 == ended.status
        assert told in ended.err
    change(workspace / "config.toml", 'base_url = "http://', 'base_url = "https://pages.')
    assert 2 == deploy(workspace, "server", "--user", "Root!").status
    assert not (workspace / "server").exists()
    (workspace / "server").write_text("mine")
    assert 2 == deploy(workspace, "server").status
    assert "mine" == (workspace / "server").read_text()


@pytest.mark.parametrize("home", ["/home/anna", "/root"])
def test_a_program_in_a_home_is_refused_since_no_service_sees_it(home, prepared):
    """It says where to install it."""
    place = f"{home}/.local/bin/mailer"
    config = load_config(prepared)
    https = config.model_copy(
        update={"web": config.web.model_copy(update={"base_url": "https://mail.example.org"})}
    )
    with pytest.raises(FaultsFound) as raised:
        server_files(https, Site(Path(place), "mailer"))
    (fault,) = raised.value.faults
    assert (place, "is in a home folder, which a service does not see") == (
        fault.file,
        fault.problem,
    )


def test_the_program_bears_what_the_unit_forbids(workspace):
    """No new privileges, no memory that is written and run, no core file, all files for the owner.

    All parts come up, serve, and end at SIGTERM with 0, as the unit has it.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def restrict():
        assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        # Linux has it since 6.3; where it is older, the unit's own filter does the same.
        libc.prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    with (workspace / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailer", "run"], cwd=workspace, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, env=ENVIRONMENT, preexec_fn=restrict, umask=0o077,
            start_new_session=True,
        )  # fmt: skip
    try:
        for port in ports(workspace):
            until(lambda port=port: answers(port), "all parts to answer")
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(60), (workspace / "run.log").read_text()
    finally:
        process.kill()
        process.wait(30)
    made = [path for path in (workspace / "data" / "journal").rglob("*") if path.is_file()]
    assert [] == [path for path in made if path.stat().st_mode & 0o077]
