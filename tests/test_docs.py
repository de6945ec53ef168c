"""The documents say what the code does: words, standards, settings, commands."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from mailer.cli.main import app
from mailer.model.states import DeliveryState, MailingState, SkipReason

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "mailer").rglob("*.py"))
#: Made by a tool, and read by nobody.
MODULES = [path for path in MODULES if "versions" not in path.parts]


def _tracked():
    """Return the files of the tree: what git knows, else what is not below a folder of tools."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]
    ours = [
        path for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "demo"
    ]
    return [
        one
        for path in [*ours, ROOT / ".ci"]
        for one in ([path] if path.is_file() else path.rglob("*"))
        if one.is_file() and "__pycache__" not in one.parts
    ]


def test_every_rfc_the_code_names_is_in_the_table_of_standards():
    """docs/standards.md tells where each is obeyed."""
    listed = set(re.findall(r"\b\d{4}\b", (ROOT / "docs/standards.md").read_text()))
    cited = {
        number
        for path in MODULES
        for number in re.findall(r"RFC (\d{4})", path.read_text(encoding="utf-8"))
    }
    assert cited - listed == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_classes_and_public_functions_are_documented(path):
    """Each has a docstring that says what it is for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        is_public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if is_public and not node.name.startswith("_") and not ast.get_docstring(node):
            bare.append(node.name)
    assert bare == []


def _commands():
    group = typer.main.get_command(app)
    found = {}
    for name in group.list_commands(None):
        one = group.get_command(None, name)
        for inner, two in getattr(one, "commands", {}).items():
            found[f"{name} {inner}"] = two
        if not hasattr(one, "commands"):
            found[name] = one
    return found


@pytest.mark.parametrize("name", sorted(_commands()))
def test_every_command_explains_itself_with_an_example(name):
    """`--help` ends with a line to copy, and each option has its help."""
    command = _commands()[name]
    assert f"Example: mailer {name}" in command.help
    silent = [one.name for one in command.params if not getattr(one, "help", "") and one.name]
    assert silent == []


def test_the_glossary_names_every_state_and_reason():
    """A word people meet on screen is explained."""
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    words = [one.value.replace("_", " ") for one in (*MailingState, *DeliveryState, *SkipReason)]
    assert [word for word in words if word not in glossary] == []


def test_every_threat_has_its_tests():
    """docs/threats.md names tests that exist, one at least for each of its rows."""
    rows = re.findall(r"^\| (\d+) \|(.*)$", (ROOT / "docs/threats.md").read_text(), re.M)
    assert [str(number) for number in range(1, 29)] == [number for number, _ in rows]
    missing = []
    for number, row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        missing += [] if named else [number]
        for file, test in named:
            path = ROOT / "tests" / file
            if not path.is_file() or f"def {test}(" not in path.read_text(encoding="utf-8"):
                missing.append(f"{number}: {file}::{test}")
    assert missing == []


def test_links_between_the_documents_lead_somewhere():
    """No link in a document of ours points at a file that is not there."""
    broken = []
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        # What stands in a block of code is an example, and no link.
        text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            if not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


def test_nothing_tells_of_one_machine_or_index():
    """No path of a machine and no address of a package index is in the tree, lock files included."""
    told = re.compile(
        rb"(?<![\w/.])/(?:work|root|home/\w+)/|--(?:extra-)?index-url|pypi\.org/simple"
    )
    found = [
        str(path.relative_to(ROOT))
        for path in _tracked()
        if path != Path(__file__)
        # Bounces that others collected name machines of theirs.
        and "corpus" not in path.parts
        and told.search(path.read_bytes())
    ]
    assert found == []
