"""Find the phrases of faults in the code, so that the desk can say them in its languages.

In: the modules whose faults the desk shows. Out: each phrase that a fault, or another thing told to a
person, is made of; and the places where words are put together so that no catalog can know them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mailer.model.states import MailingState

ROOT = Path(__file__).parent.parent
#: Whose faults the desk shows. Those of config.toml and of mail templates are for who keeps the files.
SOURCES = (
    "mailer/statements/*.py",
    "mailer/audience/*.py",
    "mailer/schedule/hours.py",
    "mailer/schedule/cron.py",
    "mailer/model/breaker.py",
    "mailer/model/sign_in.py",
    "mailer/model/toml_lines.py",
    "mailer/compose/checks.py",
    "mailer/app/approving.py",
    "mailer/app/catching_up.py",
    "mailer/app/correcting.py",
    "mailer/app/draft_preview.py",
    "mailer/app/newsletters.py",
    "mailer/app/planning.py",
    "mailer/app/preview.py",
    "mailer/app/rows_in.py",
    "mailer/app/saving_segments.py",
    "mailer/app/scheduling.py",
    "mailer/app/staff_sends.py",
    "mailer/app/supporters.py",
    "mailer/app/translating.py",
    "mailer/app/uploading.py",
    "mailer/app/workspace.py",
    "mailer/app/writing.py",
    "mailer/app/writing_files.py",
    "mailer/app/writing_revisions.py",
    "mailer/desk/mailings.py",
    "mailer/desk/scheduling.py",
)
#: Modules of those folders whose words are for logs and the command line.
_NOT_SHOWN = frozenset({"mailer/statements/catalog.py", "mailer/audience/lists.py"})
#: What takes words for a person, and which of its arguments these are.
_MAKERS: Mapping[str, tuple[int, ...]] = {
    "Fault": (3, 4),
    "error": (2, 3),
    "warning": (2, 3),
    "note": (2, 3),
    "fault": (1, 2),
    "_fault": (1, 2),
    "value": (2, 3),
    "text": (1,),
    "table": (1,),
    "_word": (1,),
    "_words": (1,),
    "LetterFault": (1, 2),
    "LinkProblem": (0, 1),
    "UnusablePicture": (0, 1),
    "NotReadable": (0, 1),
    "CannotBeWritten": (1, 2),
    "NotCron": (0, 1),
    "Bad": (1, 2),
    "BadRow": (0,),
    "BadAddress": (0,),
    "LineTold": (2,),
    "StaffRefused": (0, 1),
}
#: What is named like one of those and takes other arguments, by module.
_OTHERWISE: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("mailer/audience/records.py", "_refused"): (2, 3),
    ("mailer/audience/records.py", "Record"): (2,),
    ("mailer/audience/decoding.py", "_refused"): (1, 2),
    ("mailer/audience/undoing.py", "_refused"): (0, 1),
    ("mailer/audience/mentions.py", "fault"): (0, 1),
    ("mailer/audience/corrections.py", "fault"): (0, 1),
    ("mailer/audience/rows.py", "value"): (),
    ("mailer/statements/document.py", "text"): (),
    ("mailer/audience/building.py", "_fault"): (),
    ("mailer/schedule/cron.py", "_Field"): (0,),
}


@dataclass(frozen=True)
class Unknown:
    """Words that no catalog can know, as they are put together while the program runs."""

    file: str
    line: int
    code: str


def fault_phrases(root: Path = ROOT) -> list[tuple[str, str]]:
    """Return every phrase of faults: msgid, and "" as none has a plural."""
    found = {words for path in sources(root) for words in _Module(path, root).phrases()}
    # A fault may name what state a mailing is in.
    found |= {state.value.replace("_", " ") for state in MailingState}
    return [(words, "") for words in sorted(found)]


def unknown_words(root: Path = ROOT) -> list[Unknown]:
    """Return the places where words of a fault are no phrase."""
    found: list[Unknown] = []
    for path in sources(root):
        module = _Module(path, root)
        for _ in module.phrases():
            pass
        found += module.unknown
    return found


def sources(root: Path = ROOT) -> list[Path]:
    """Return the modules whose faults the desk shows."""
    found = {path for pattern in SOURCES for path in root.glob(pattern)}
    return sorted(one for one in found if one.relative_to(root).as_posix() not in _NOT_SHOWN)


class _Module:
    """The phrases of one module."""

    def __init__(self, path: Path, root: Path) -> None:
        self.file = path.relative_to(root).as_posix()
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.unknown: list[Unknown] = []
        self._function: ast.AST = self.tree
        self._seen: set[tuple[ast.AST, str]] = set()

    def phrases(self) -> Iterator[str]:
        for node, function in _calls(self.tree, self.tree):
            self._function = function
            name = _name(node.func)
            if name == "worded" and node.args:
                yield from self._of(node.args[0])
                continue
            positions = _OTHERWISE.get((self.file, name), _MAKERS.get(name, ()))
            texts = [node.args[one] for one in positions if one < len(node.args)]
            named = [one.value for one in node.keywords if one.arg in ("problem", "remedy")]
            for text in (*texts, *(named if positions else ())):
                yield from self._of(text)

    def _of(self, text: ast.expr) -> Iterator[str]:
        """Yield what an argument may be."""
        match text:
            case ast.Constant(value=str(words)):
                if words:
                    yield words
            case ast.Constant():
                pass
            case ast.IfExp(body=one, orelse=other):
                yield from self._of(one)
                yield from self._of(other)
            case ast.BoolOp(values=several):
                for one in several:
                    yield from self._of(one)
            case ast.Name(id=name):
                yield from self._named(name)
            case ast.Subscript(value=ast.Name(id=name)):
                yield from self._named(name)
            case ast.Dict(values=several):
                for one in several:
                    yield from self._of(one)
            case ast.Attribute(attr="problem" | "remedy" | "reason" | "name" | "text"):
                # It was made elsewhere, and is found there.
                pass
            case ast.Call(func=called) if _name(called) in _HANDED_ON:
                pass
            case _:
                self.unknown.append(Unknown(self.file, text.lineno, ast.unparse(text)))

    def _named(self, name: str) -> Iterator[str]:
        """Yield what a name may stand for, in the function and in the module."""
        if (self._function, name) in self._seen:
            return
        self._seen.add((self._function, name))
        for scope in (self._function, self.tree):
            found = list(_assigned(scope, name, deep=scope is not self.tree))
            for one in found:
                yield from self._of(one)
            if found:
                return


#: What gives back words that were phrases already.
_HANDED_ON = frozenset({
    "worded", "there_are", "said_places", "_nearest", "_remedy", "_tag_remedy", "getattr", "str",
    "with_values", "say", "replace", "_remarks",
})  # fmt: skip


def _calls(node: ast.AST, function: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.Call):
            yield child, inner
        yield from _calls(child, inner)


def _assigned(scope: ast.AST, name: str, *, deep: bool) -> Iterator[ast.expr]:
    nodes = ast.walk(scope) if deep else ast.iter_child_nodes(scope)
    for node in nodes:
        targets: list[ast.expr] = []
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets, value = [node.target], node.value
        for target in targets:
            if value is None:
                continue
            if isinstance(target, ast.Name) and target.id == name:
                yield value
            elif isinstance(target, ast.Tuple):
                yield from _part(target, value, name)


def _part(target: ast.Tuple, value: ast.expr, name: str) -> Iterator[ast.expr]:
    """Yield what stands for one name of several that are assigned at once."""
    for place, one in enumerate(target.elts):
        if isinstance(one, ast.Name) and one.id == name:
            values = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            yield from (each.elts[place] for each in values if isinstance(each, ast.Tuple))


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""
