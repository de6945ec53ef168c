"""Write a statement's files: `statement.toml` and `<language>.md`.

In: drafts (see `mailer.statements.drafts`). Out: text that the readers of these files read back as it
was. Comments that stood in a file before are not in it any more.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime

from mailer.statements.drafts import EditionDraft, HeadDraft, RowDraft
from mailer.statements.front_matter import FIELDS, unquote

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# TOML 1.0: a basic string holds anything but quotation mark, backslash and controls but tab.
_ESCAPED = re.compile(r'["\\\x00-\x08\x0a-\x1f\x7f]')
#: These are written even where they are empty, so that a fault has a line to stand on.
_ALWAYS = ("title", "subject")


class CannotBeWritten(Exception):
    """A value that the file has no way to hold."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{field} {problem}. {remedy}.")


def one_line(text: str) -> str:
    """Return a text as a field of one line holds it: every gap in it is one blank."""
    return " ".join(text.split())


def write_edition(draft: EditionDraft) -> str:
    """Return the text of `<language>.md`.

    Raises:
        CannotBeWritten: when a field has several lines, or quotes that would be lost.
    """
    lines = ["---"]
    for name in FIELDS:
        value: str = getattr(draft, name)
        if value or name in _ALWAYS:
            lines.append(f"{name}: {_quoted_where_needed(name, value)}".rstrip())
    body = draft.body.replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join([*lines, "---", "", body.rstrip()]).rstrip() + "\n"


def _quoted_where_needed(name: str, value: str) -> str:
    if "\n" in value or "\r" in value:
        raise CannotBeWritten(name, "has several lines", "Write it on one line")
    for written in (value, f'"{value}"', f"'{value}'"):
        if unquote(written) == value:
            return written
    # unquote takes one pair off, unless the same mark stands inside too.
    raise CannotBeWritten(
        name,
        "stands in straight quotes and has an apostrophe inside",
        "Use the curly quotation marks of its language",
    )


def write_head(draft: HeadDraft) -> str:
    """Return the text of `statement.toml`; what was typed wrongly stands in it for the checks."""
    lines = [f"{name} = {_string(getattr(draft, name))}" for name in ("slug", "kind")]
    lines.append(f"source_language = {_string(draft.source_language)}")
    if draft.published:
        lines.append(f"published = {_moment(draft.published)}")
    if draft.and_others:
        lines.append("and_others = true")
    if draft.topics:
        lines.append(f"topics = [{', '.join(map(_string, draft.topics))}]")
    if draft.deadline:
        lines.append(f"deadline = {_moment(draft.deadline)}")
    if draft.why_now:
        lines.append(f"why_now = {_names(draft.why_now)}")
    if draft.action_label or draft.action_address:
        lines += ["", "[action]"]
        if draft.action_label:
            lines.append(f"label = {_names(draft.action_label)}")
        if draft.action_address:
            lines.append(f"address = {_string(draft.action_address)}")
    for name, named in (
        ("supports", "name"), ("hashtags", ""), ("related", "title"), ("signatories", "name"),
    ):  # fmt: skip
        for row in getattr(draft, name):
            lines += ["", f"[[{name}]]", *_row(row, named)]
    return "\n".join(lines) + "\n"


def _row(row: RowDraft, named: str) -> list[str]:
    lines = [
        f"{name} = {_string(value)}"
        for name, value in (("kind", row.kind), ("tag", row.tag))
        if value
    ]
    if row.names and named:
        lines.append(f"{named} = {_names(row.names)}")
    lines += [
        f"{name} = {_string(value)}"
        for name, value in (("country", row.country), ("address", row.address))
        if value
    ]
    return lines


def _names(names: Mapping[str, str]) -> str:
    # On one line, by which faults find it; its keys in the order they were written in.
    pairs = (f"{_key(tag)} = {_string(text)}" for tag, text in names.items())
    return f"{{ {', '.join(pairs)} }}"


def _key(tag: str) -> str:
    return tag if _BARE_KEY.fullmatch(tag) else _string(tag)


def _string(text: str) -> str:
    escaped = _ESCAPED.sub(_escape, text.encode("utf-8", "replace").decode())
    return f'"{escaped}"'


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in '"\\' else f"\\u{ord(found[0]):04X}"


def _moment(text: str) -> str:
    """Return an hour or a day as TOML has it; anything else in quotes, for the check to name."""
    try:
        value = tomllib.loads(f"x = {text}\n")
    except tomllib.TOMLDecodeError:
        return _string(text)
    known = list(value) == ["x"] and isinstance(value["x"], date | datetime)
    return text if known else _string(text)
