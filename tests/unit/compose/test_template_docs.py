"""docs/templates.md names everything that templates may use."""

import re
from pathlib import Path

import pytest

from mailer.compose.checks import CLIPPED_BYTES
from mailer.compose.conditions import MAX_VECTORS
from mailer.compose.context import SCHEMA
from mailer.compose.environment import FILTERS, LOOP_FIELDS, MAX_SOURCE_CHARACTERS
from mailer.compose.ledger import MAIL_FIELDS
from mailer.compose.tree import SUPPORTER
from mailer.model.statement import StatementKind

TEXT = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
#: The rows of the table of names: what is named, and what is said of it.
ROWS = [
    (set(re.findall("`([^`]+)`", row[0])), row[1])
    for row in re.findall(r"^\| (`.+?) \| (.+) \|$", TEXT, re.MULTILINE)
]


def names_in(schema, path=""):
    """Yield the dotted names of leaves and lists, and of each list the fields of one."""
    for name, one in schema.items():
        whole = f"{path}{name}"
        if isinstance(one, tuple):
            yield whole, frozenset(one[0])
        elif isinstance(one, dict):
            yield from names_in(one, f"{whole}.")
        else:
            yield whole, frozenset()


NAMES = [
    *names_in(SCHEMA),
    *((f"loop.{name}", frozenset()) for name in sorted(LOOP_FIELDS)),
    *((f"{SUPPORTER}.{name}", frozenset()) for name in sorted(MAIL_FIELDS)),
]


@pytest.mark.parametrize(("name", "fields"), NAMES)
def test_each_name_is_in_the_table_with_its_fields(name, fields):
    """Who writes a template finds there what the check lets pass."""
    (said,) = [said for named, said in ROWS if name in named]
    assert fields <= set(re.findall("`([^`]+)`", said))


def test_the_table_has_no_name_that_templates_cannot_use():
    """What was taken out of the program is taken out of the table."""
    assert {name for named, _ in ROWS for name in named} == {name for name, _ in NAMES}


def test_what_stands_in_the_groups_of_related_items_is_named():
    """They are lists in a list."""
    (group,) = SCHEMA["statement"]["related"]
    (said,) = [said for named, said in ROWS if "statement.related" in named]
    assert set(group["items"][0]) <= set(re.findall("`([^`]+)`", said))


@pytest.mark.parametrize("name", [*FILTERS, "default", *StatementKind])
def test_filters_and_kinds_are_named(name):
    """In quotes of code, as one writes them."""
    assert re.search(rf"`{name}`|\| {name}\(", TEXT)


@pytest.mark.parametrize(
    "limit", [f"**{MAX_VECTORS}**", f"**{CLIPPED_BYTES // 1000} kB**", f"{MAX_SOURCE_CHARACTERS:,}"]
)
def test_limits_are_as_the_program_has_them(limit):
    """A limit that changes is changed in both."""
    assert limit in TEXT
