"""The main job, from an empty folder to the report, by real processes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


def _mailer(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "mailer", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "COLUMNS": "140"}, **options,
    )  # fmt: skip


def _get(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def demo_once(tmp_path_factory):
    """A demo that has ended by itself: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    ended = _mailer("demo", "--once", cwd=folder)
    return folder / "demo", ended


def test_the_demo_ends_by_itself_with_every_delivery_accounted_for(demo_once):
    """Exit status 0, and the line that says so."""
    _, ended = demo_once
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Accounted for" in ended.stdout


def test_the_report_shows_every_outcome(demo_once):
    """Accepted, refused and in doubt are all there, and someone was deferred first."""
    folder, _ = demo_once
    ended = _mailer("-w", str(folder), "report", "her-rights-1", "--json", cwd=folder)
    figures = json.loads(ended.stdout)
    assert set(figures["by_outcome"]) == {"accepted", "refused", "in_doubt"}
    assert figures["by_outcome"]["accepted"] > 400
    assert figures["by_relay"]["sandbox"]["deferred"] > 0
    assert figures["open"] == 0
    assert figures["state"] == "finished"
    assert set(figures["by_language"]) == {"en", "ru"}
    assert figures["not_mailed"]["duplicate_address"] > 0


def test_the_report_shows_what_people_chose(demo_once):
    """Pauses, urgent appeals only and other topics are reasons, as many as were told before."""
    folder, ended = demo_once
    told = re.search(
        r"(\d+) people chose topics, (\d+) plain text, (\d+) a pause, and (\d+) urgent",
        ended.stdout,
    )
    topics, plain, paused, urgent = map(int, told.groups())
    assert min(topics, plain, paused, urgent) >= 10
    shown = _mailer("-w", str(folder), "report", "her-rights-1", "--json", cwd=folder)
    figures = json.loads(shown.stdout)
    reasons = figures["not_mailed"]
    assert (paused, urgent) == (reasons["supporter_paused"], reasons["only_urgent"])
    # Who is on another list, too, which has no topics, is mailed by that.
    assert 0 < reasons["topic_not_chosen"] < topics
    entries = re.search(r"(\d+) entries on the lists", ended.stdout)[1]
    assert int(entries) == sum(figures["by_outcome"].values()) + sum(reasons.values())


def test_no_address_or_name_is_readable_anywhere_in_the_workspace(demo_once):
    """Database, write-ahead log, journals, run log: a person on the lists is in none of them."""
    folder, ended = demo_once
    addresses = set()
    names = set()
    for path in sorted((folder / "lists").glob("example-*.csv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines[1:]:
            addresses.update(re.findall(r"[^\s,;\"]+@[^\s,;\"]+", line))
            names.update(re.findall(r"[^\W\d_]{3,} [^\W\d_]{3,}", line))
    assert len(addresses) > 400
    for path in sorted((folder / "data").rglob("*")):
        if not path.is_file() or "rejects" in path.parts:
            continue
        content = path.read_bytes()
        found = [one for one in addresses | names if one.encode() in content]
        assert found == [], path
    printed = ended.stdout + ended.stderr
    assert [one for one in addresses if one in printed] == []


def test_the_database_is_for_its_owner_alone(demo_once):
    """Nobody else on the machine may read it."""
    folder, _ = demo_once
    assert oct((folder / "data" / "mailer.db").stat().st_mode & 0o777) == "0o600"


def test_the_report_tells_of_those_deferred_at_first(demo_once):
    """What the relay answered attempt by attempt is on the terminal too."""
    _, ended = demo_once
    assert re.search(r"attempts at sandbox: \d+ accepted, \d+ deferred, ", ended.stdout)


def test_deliveries_come_as_csv_without_anybody_in_them(demo_once):
    """One row per delivery, and no at sign in any."""
    folder, _ = demo_once
    ended = _mailer("-w", str(folder), "deliveries", "her-rights-1", "--csv", cwd=folder)
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("delivery,list,language,state")
    assert len(lines) > 450
    assert "@" not in ended.stdout


@contextlib.contextmanager
def _serving_demo(folder, until):
    """Run a demo until it prints `until`; give the process and what it printed so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mailer", "demo"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "COLUMNS": "140"},
        # Started in the background, as a test runner may be, a shell has it ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    try:
        printed = ""
        for line in process.stdout:
            printed += line
            if until in line:
                break
        yield process, printed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _working_below(folder):
    """Return the ids of processes that were given a path below the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def _await_none_of(folder):
    """Wait until no process works below a folder."""
    for _ in range(100):
        if not _working_below(folder):
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {_working_below(folder)}")


def test_a_demo_serves_until_ctrl_c_and_leaves_no_process(tmp_path):
    """The links work while it serves; the inbox is not under base_url; Ctrl-C ends everything."""
    with _serving_demo(tmp_path, "Serving until Ctrl-C") as (process, printed):
        inbox = re.search(r"inbox\s+(\S+)", printed)[1]
        view = re.search(r"web view\s+(\S+)", printed)[1]
        unsubscribe = re.search(r"unsubscribe link\s+(\S+)", printed)[1]
        base = view.split("/w/")[0]
        assert _get(inbox)[0] == 200
        status, page = _get(view)
        assert status == 200
        assert 'lang="ru"' in page
        assert _get(unsubscribe)[0] == 200
        for path in ("/inbox", "/api/mails", "/mails", "/metrics"):
            assert _get(base + path)[0] == 404, path
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 0, printed + rest
    _await_none_of(tmp_path)


def test_a_killed_demo_leaves_no_process(tmp_path):
    """Whatever ends it, the servers it started end too."""
    with _serving_demo(tmp_path, "4. Scheduler, sender") as (process, _):
        process.kill()
        process.wait()
        _await_none_of(tmp_path)


def test_the_wheel_works_outside_the_tree(tmp_path):
    """Built, installed into a folder of its own, `mailer init` and the demo run from it."""
    root = Path(__file__).parent.parent.parent
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, root],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    wheel = next(tmp_path.glob("*.whl"))
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "140"}
    where = subprocess.run(
        [sys.executable, "-c", "import mailer; print(mailer.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(site / "mailer" / "__init__.py")
    for arguments in (["init", "fresh"], ["-w", "fresh", "check"], ["demo", "--once"]):
        ended = subprocess.run(
            [sys.executable, "-m", "mailer", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
