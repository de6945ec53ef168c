"""Where in a TOML file a key stands, and where a file that is none breaks."""

import tomllib

import pytest

from mailer.model.toml_lines import TomlLines, not_toml, not_utf8


def test_lines_are_found_through_every_way_of_writing():
    """Dotted keys, sub-tables, long texts and repeated tables are all found."""
    lines = TomlLines(
        'a.b = 1\ntext = """\na = 2\n"""\n[t]\nx = 1\n[[r]]\nx = 1\n[[r]]\n  x = { y = 1 }\n[r.s]\nz = 2\n'
    )
    found = [
        lines.of("a", "b"), lines.of("a"), lines.of("text"), lines.of("t", "x"), lines.of("r", 0, "x"),
        lines.of("r", 1, "x", "y"), lines.of("r", 1, "s", "z"), lines.of("nowhere"),
    ]  # fmt: skip
    assert [1, 1, 2, 6, 8, 10, 12, 0] == found


def test_a_key_that_is_not_there_is_looked_for_in_no_other_table():
    """The line is that of the table it belongs to, be it the last one or written with blanks."""
    lines = TomlLines("[[ s ]]\nkey = 1\n[[ s ]]\nkey = 2\naddress = 3\n[ c ]\n[ d ]\nport = 1\n")
    found = [lines.of("s", 0, "address"), lines.of("s", 1, "address"), lines.of("c", "port")]
    assert [1, 5, 6] == found


def test_only_what_ends_a_line_in_toml_is_counted():
    """A line separator of Unicode within a text moves nothing."""
    assert 2 == TomlLines('a = "x\u2028y\x85z"\nb = 1\n').of("b")


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("a = 1\nb 2\n", 2, 3, "is not TOML: expected '=' after a key in a key/value pair"),
        ("[a.b]\n[c]\n[a.b]\n", 3, 5, "is not TOML: cannot declare [a.b] twice"),
        ("a = 1\n\nb = [1,\n\n", 3, 0, "is not TOML: invalid value"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(text, line, column, problem):
    """Also where the parser says only that the document ended: that is its last line."""
    with pytest.raises(tomllib.TOMLDecodeError) as raised:
        tomllib.loads(text)
    fault = not_toml("x.toml", text, raised.value)
    assert ("x.toml", line, column, problem) == (
        fault.file, fault.line, fault.column, fault.problem,
    )  # fmt: skip


def test_what_is_not_utf8_is_told_with_its_line():
    """The first byte that is none says where."""
    with pytest.raises(UnicodeDecodeError) as raised:
        "a = 1\nb = 'Гавань'\n".encode("cp1251").decode("utf-8")
    assert 2 == not_utf8("x.toml", raised.value).line
