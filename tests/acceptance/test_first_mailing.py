"""docs/first-mailing.md is done as it stands, on a real Postfix, by the program from its wheel.

To write into the guide what the commands print by now:
MAILER_FILL_GUIDE=1 python -m pytest tests/acceptance/test_first_mailing.py
"""

import contextlib
import os
import re

import pytest
import typer

from mailer.cli.main import app
from tests.acceptance.processes import background
from tests.support import postfix as postfix_support
from tests.support.certificates import Authority
from tests.support.guide import blocks
from tests.support.guided import GUIDE, READER, Server, filled, open_folder
from tests.support.installed import build_wheel, install
from tests.support.smtp_server import smtp_servers

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.xdist_group("first-mailing"),
    pytest.mark.timeout(120),
]


def has_command(name):
    """Tell whether the program has a command, "relay check", or a group of that name."""
    found = typer.main.get_command(app)
    for word in name.split():
        known = hasattr(found, "list_commands") and word in found.list_commands(None)
        if not known:
            return False
        found = found.get_command(None, word)
    return True


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The command `mailer` as its wheel installs it."""
    folder = tmp_path_factory.mktemp("installed")
    return install(build_wheel(folder), folder / "env")


@pytest.fixture(scope="module")
def evening(program, tmp_path_factory):
    """The server at the end of the evening, what was printed, and the world that got the mails."""
    if reason := postfix_support.why_not():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context(smtp_servers(Authority(tmp_path_factory.mktemp("authority"))))
        world = start(dsn=True)
        spool = open_folder(stack)
        files = stack.enter_context(
            postfix_support.postfix_files(world.port, mail_spool_directory=str(spool))
        )
        server = Server(tmp_path_factory.mktemp("server"), program, files, background)
        stack.callback(server.close)
        text = GUIDE.read_text(encoding="utf-8")
        fills = bool(os.environ.get("MAILER_FILL_GUIDE"))

        def is_run(block):
            return not block.not_run and (
                not block.not_yet or (fills and has_command(block.not_yet))
            )

        said = server.follow(text, is_run=is_run)
        if fills:
            GUIDE.write_text(filled(text, said, has_command), encoding="utf-8")
        yield server, said, world


def test_every_command_prints_what_the_guide_shows(evening):
    """Nobody who follows it meets a line they were not told of."""
    _, said, _ = evening
    assert [] == [one.fault for one in said if one.fault]
    assert len(said) > 40


def test_no_command_that_there_is_is_marked_as_not_there_yet():
    """A mark `not yet` is taken out when the command comes."""
    marked = [one.not_yet for one in blocks(GUIDE.read_text(encoding="utf-8")) if one.not_yet]
    assert [] == [name for name in marked if has_command(name)]
