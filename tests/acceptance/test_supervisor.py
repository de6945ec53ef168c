"""The parent of the program's processes: when it starts a child again, and how it ends them."""

import contextlib
import os
import signal
import sys

import pytest

from mailer.app.demo import adapt_config
from mailer.app.supervisor import LONGEST_PAUSE_S, RestartPolicy, sender_parts
from mailer.cli.workspace import make_workspace
from mailer.store.workers import worker_name, worker_process
from tests.acceptance.processes import background, is_alive, until

#: Supervises roles with short pauses; `role, …`, seconds of grace, seconds of slack.
_PARENT = """
import sys
from pathlib import Path
from mailer.app import supervisor
from mailer.app.roles import run_part
from mailer.app.workspace import Workspace
from mailer.cli.common import plain_errors
from mailer.events import configure_logging

folder, roles, grace_s, slack_s = sys.argv[1:]
supervisor.SLACK_S = float(slack_s)
configure_logging(process="supervisor")
end = plain_errors(supervisor.supervise)(
    [supervisor.Part(supervisor.Role(role)) for role in roles.split(",")],
    lambda part: run_part(part, Workspace.open(Path(folder))), float(grace_s),
    supervisor.RestartPolicy(first_pause_s=0.05, longest_pause_s=0.15),
)
sys.exit(0 if end.clean else 1)
"""


@pytest.fixture
def supervising(tmp_path):
    """A function that starts a parent of the named roles on a new workspace."""
    folder = tmp_path / "campaign"
    make_workspace(folder).store.close()
    adapt_config(folder, desk=False)
    with contextlib.ExitStack() as block:

        def start(*roles, grace_s=5.0, slack_s=10.0):
            arguments = [str(folder), ",".join(roles), str(grace_s), str(slack_s)]
            command = [sys.executable, "-c", _PARENT, *arguments]
            return block.enter_context(background(folder, command))

        yield start


def deaths(parent):
    """Return the pauses that were announced, one for each death."""
    return [line["again_in_s"] for line in parent.lines() if line["event"] == "process died"]


def test_pauses_double_with_each_death_up_to_the_longest():
    """Half a second, one, two, … half a minute, however often it dies."""
    policy = RestartPolicy()
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == [
        policy.pause_after(number) for number in range(1, 9)
    ]
    assert LONGEST_PAUSE_S == policy.pause_after(100_000)


def test_several_senders_are_numbered_and_one_is_not():
    """By these names events, `mailer status` and `ps` know them."""
    assert ["senders"] == [part.name for part in sender_parts(1)]
    assert ["senders-1", "senders-2"] == [part.name for part in sender_parts(2)]
    assert (os.getpid(), 0) == worker_process(worker_name(0))
    assert (os.getpid(), 2) == worker_process(worker_name(2))


def test_a_child_that_keeps_dying_is_started_again_after_growing_pauses(supervising):
    """Here one that cannot do anything as configured; a signal ends the waiting too."""
    parent = supervising("feedback")
    until(lambda: len(deaths(parent)) >= 3, "three deaths")
    assert [0.05, 0.1, 0.15] == deaths(parent)[:3]
    assert {("feedback", 1)} == {
        (line["process"], line["code"])
        for line in parent.lines()
        if line["event"] == "process died"
    }
    parent.process.send_signal(signal.SIGTERM)
    parent.process.wait(30)
    assert {} == parent.children()


def test_sigterm_to_the_parent_ends_every_child_cleanly(supervising):
    """Each is told once and waited for; then the parent ends with status 0."""
    parent = supervising("scheduler", "web")
    until(lambda: len([line for line in parent.lines() if line["event"] == "started"]) == 3,
          "parent and children to start")  # fmt: skip
    children = parent.children()
    assert {"scheduler", "web"} == set(children)
    # Who answers people goes first.
    priority = {role: os.getpriority(os.PRIO_PROCESS, pid) for role, pid in children.items()}
    assert priority["web"] < priority["scheduler"]
    assert {os.getpgid(parent.process.pid)} == {os.getpgid(pid) for pid in children.values()}
    assert 0 == parent.stop()
    assert [] == [pid for pid in children.values() if is_alive(pid)]
    assert {
        "level": "info",
        "event": "all processes ended",
        "clean": True,
    }.items() <= parent.lines()[-1].items()


def test_a_child_that_does_not_end_is_killed_and_the_end_is_not_called_clean(supervising):
    """After its grace; the exit status is honest about it."""
    parent = supervising("scheduler", grace_s=0.2, slack_s=0.2)
    until(lambda: [one for one in parent.lines() if one.get("process") == "scheduler"
                   and one["event"] == "started"], "the child to start")  # fmt: skip
    (child,) = parent.children().values()
    os.kill(child, signal.SIGSTOP)
    assert 1 == parent.stop()
    assert not is_alive(child)
    assert "process killed: it did not end in time" in [line["event"] for line in parent.lines()]
