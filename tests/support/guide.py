"""Read a guide of commands as its reader does: what to type, what it prints, which file to write.

In: Markdown. Out: its blocks in order, and whether what a command printed is what the guide shows.

    ```console        `# ` before what root types, `$ ` before what the user mailer types; below
                      each, what it prints. `…` stands for what differs from time to time; alone
                      on a line, for any number of lines.
    ```toml FILE      what a file is to hold, below the folder one is in or from /

A comment just before a block says why it is not run as it stands:

    <!-- not run here: WHY -->       it changes the system, or asks somebody else
    <!-- not yet: COMMAND -->        the program has no such command so far
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLOCK = re.compile(
    r"(?:<!-- (?P<kind>not run here|not yet): (?P<word>[^>]+?) -->\n)?"
    r"```(?P<info>[^\n]*)\n(?P<body>.*?)```",
    re.DOTALL,
)
#: Stands for text that differs from time to time.
ANY = "…"


@dataclass
class Typed:
    """One command, who types it, and what the guide says it prints."""

    #: Root, at the prompt `#`; else the user mailer, at `$`.
    is_root: bool
    command: str
    shown: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Return it as it stands in the guide."""
        return [f"{'#' if self.is_root else '$'} {self.command}", *self.shown]


@dataclass
class Block:
    """A block of the guide."""

    #: Where it begins in the text, its fence included, and where it ends.
    start: int
    end: int
    info: str
    body: str
    #: Command the program has not yet.
    not_yet: str = ""
    #: Why it is not run.
    not_run: str = ""

    @property
    def is_console(self) -> bool:
        """Return whether commands are typed in it."""
        return self.info == "console"

    @property
    def file(self) -> str:
        """Return the path of the file whose text it is; "" when it is none."""
        return self.info.partition(" ")[2].strip()

    def typed(self) -> list[Typed]:
        """Return its commands; a line that ends in a backslash goes on in the next."""
        found: list[Typed] = []
        going_on = False
        for line in self.body.splitlines():
            if going_on:
                found[-1].command += "\n" + line
            elif line.startswith(("# ", "$ ")):
                found.append(Typed(line[0] == "#", line[2:]))
            else:
                found[-1].shown.append(line)
            going_on = not found[-1].shown and line.endswith("\\")
        return found


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a guide in order."""
    for found in _BLOCK.finditer(text):
        word, kind = found["word"] or "", found["kind"]
        yield Block(
            found.start("info"), found.end("body"), found["info"].strip(), found["body"],
            not_yet=word if kind == "not yet" else "", not_run=word if kind == "not run here" else "",
        )  # fmt: skip


def unlike(shown: list[str], printed: list[str]) -> str:
    """Return "" when what was printed is what the guide shows; else both, to be compared."""
    wanted = "".join(
        r"(?:[^\n]*\n)*" if line.strip() == ANY else _line_pattern(line) + r"\n" for line in shown
    )
    text = "".join(f"{line.rstrip()}\n" for line in printed)
    if re.fullmatch(wanted, text):
        return ""
    told = "\n".join(shown)
    return f"the guide shows\n{told}\nbut it printed\n{text}"


def _line_pattern(line: str) -> str:
    return r"[^\n]*".join(re.escape(part) for part in line.rstrip().split(ANY))
