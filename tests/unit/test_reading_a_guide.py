"""A guide is read as its reader reads it."""

import pytest

from tests.support.guide import blocks, unlike
from tests.support.guided import Said, filled

GUIDE = """\
Type:

```console
$ mailer lists
 harbor  …
# postconf -e 'a = b' \\
  'c = d'
```

<!-- not yet: relay check -->
```console
$ mailer relay check
…
```

<!-- not run here: systemctl -->
```console
# systemctl restart mailer
```

```toml >> config.toml
live = false
```
"""


def test_blocks_come_in_order_with_what_is_said_about_them():
    """Consoles and files, and why one is not run."""
    first, second, third, fourth = blocks(GUIDE)
    assert (True, "", "") == (first.is_console, first.not_yet, first.not_run)
    assert ("relay check", "") == (second.not_yet, second.not_run)
    assert ("", "systemctl") == (third.not_yet, third.not_run)
    assert (False, ">> config.toml", "live = false\n") == (
        fourth.is_console,
        fourth.file,
        fourth.body,
    )


def test_commands_are_roots_or_the_users_and_may_go_over_two_lines():
    """What stands below a command is what it prints."""
    lists, postconf = next(blocks(GUIDE)).typed()
    assert (False, "mailer lists", [" harbor  …"]) == (lists.is_root, lists.command, lists.shown)
    assert (True, []) == (postconf.is_root, postconf.shown)
    assert "postconf -e 'a = b' \\\n  'c = d'" == postconf.command


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ([], [], True),
        (["one"], ["one  "], True),
        (["due … Europe/Chisinau"], ["due 2026-12-01 09:00 Europe/Chisinau"], True),
        (["…"], [], True),
        (["one", "…", "four"], ["one", "two", "three", "four"], True),
        (["one … two"], ["one", "two"], False),
        (["one"], [], False),
        ([], ["one"], False),
        (["one", "two"], ["two", "one"], False),
        (["a.b"], ["axb"], False),
    ],
)
def test_what_is_printed_is_held_against_what_is_shown(shown, printed, same):
    """An ellipsis stands for text of one line; alone on a line, for any number of lines."""
    assert same == (unlike(shown, printed) == "")


def test_the_guide_is_filled_in_where_it_differs_and_only_there():
    """A mark of what was run is taken out, and hours become ellipses."""
    first, second, *_ = blocks(GUIDE)
    said = [
        Said(first, first.typed()[0], [" harbor  3"], 0),
        Said(first, first.typed()[1], [], 0),
    ]
    assert GUIDE == filled(GUIDE, said)
    said[0] = Said(first, first.typed()[0], ["at 2027-01-02 03:04"], 0)
    said.append(Said(second, second.typed()[0], ["ok"], 0))
    text = filled(GUIDE, said)
    assert "$ mailer lists\nat …\n# postconf" in text
    assert "\n\n```console\n$ mailer relay check\nok\n```\n" in text
    assert "<!-- not run here: systemctl -->" in text
