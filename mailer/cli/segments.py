"""`mailer segments list|count|explain`: whom a segment means, before anything is scheduled."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from mailer.app import segments as app
from mailer.audience.explaining import Explanation
from mailer.cli.common import console, open_workspace, plain_errors, print_json

Expression = Annotated[
    str,
    typer.Argument(metavar="EXPR", help="An expression in quotes, or the key of a saved segment."),
]
Lists = Annotated[
    list[str], typer.Option("--list", help="Only people on this list; may be repeated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ALL: list[str] = []

group = typer.Typer(
    help=(
        "Segments: which there are, and whom one means.\n\n"
        "Example: mailer segments explain 'country in (MD, UA) and \"press\" in tags'"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command("list")
@plain_errors
def list_command(lists: Lists = _ALL, as_json: AsJson = False) -> None:
    """List the saved segments with the people each means, over all lists or those named.

    Example: mailer segments list --list harbor-news
    """
    workspace = open_workspace()
    found = app.saved_counts(workspace, lists)
    if as_json:
        print_json(
            [
                {"segment": one.key, "name": one.name, "expression": one.text, "people": one.people}
                for one in found
            ]
        )
        return
    if not found:
        console.print("No segment is saved yet. Write one into lists/segments.toml.")
        return
    table = Table(box=None, header_style="bold")
    table.add_column("Segment", no_wrap=True)
    table.add_column("Name", overflow="fold")
    table.add_column("People", justify="right", no_wrap=True)
    table.add_column("Expression", overflow="fold")
    for one in found:
        table.add_row(one.key, one.name, str(one.people), one.text.replace("[", "\\["))
    console.print(table)


@group.command("count", no_args_is_help=True)
@plain_errors
def count_command(expression: Expression, lists: Lists = _ALL, as_json: AsJson = False) -> None:
    """Count the people a segment means, each address once, over all lists or those named.

    Example: mailer segments count 'language = ru and country != BY' --list harbor-news
    """
    workspace = open_workspace()
    question = app.ask(workspace, expression, lists)
    people, on_lists = app.count(workspace, question)
    if as_json:
        print_json(
            {
                "expression": question.expression.text,
                "lists": list(question.lists),
                "people": people,
                "on_lists": on_lists,
            }
        )
        return
    console.print(f"{people} of {on_lists} people on {_named(question)}")


def _named(question: app.Question) -> str:
    return ", ".join(question.lists) or "no list: there is none yet"


@group.command("explain", no_args_is_help=True)
@plain_errors
def explain_command(expression: Expression, lists: Lists = _ALL, as_json: AsJson = False) -> None:
    """Say in words what a segment asks, how many pass each part, and what is not known of people.

    Example: mailer segments explain active-volunteers --list harbor-volunteers
    """
    workspace = open_workspace()
    question = app.ask(workspace, expression, lists)
    found = app.explanation(workspace, question)
    if as_json:
        print_json(
            {
                "expression": question.expression.text,
                "lists": list(question.lists),
                "people": found.people,
                "on_lists": found.on_lists,
                "lacking": dict(found.lacking),
                "by_language": dict(found.by_language),
                "parts": [
                    {"depth": one.depth, "words": one.words, "people": one.people}
                    for one in found.parts
                ],
            }
        )
        return
    console.print(f"{found.people} of {found.on_lists} people on {_named(question)}", style="bold")
    _print_tree(found)
    _print_lacking(found)
    _print_languages(found)


def _print_tree(found: Explanation) -> None:
    console.print()
    table = Table(box=None, show_header=True, header_style="bold")
    table.add_column("What is asked", overflow="fold")
    table.add_column("People", justify="right")
    for one in found.parts:
        table.add_row("  " * one.depth + one.words.replace("[", "\\["), str(one.people))
    console.print(table)


def _print_lacking(found: Explanation) -> None:
    if not found.lacking:
        return
    console.print()
    table = Table("Not known", box=None, header_style="bold")
    table.add_column("People", justify="right")
    for name, people in found.lacking.items():
        table.add_row(name, str(people))
    console.print(table)
    if any(found.lacking.values()):
        console.print(
            "A comparison with what is not known never holds, also !=. "
            "Ask for those people with: is missing",
            markup=False,
        )


def _print_languages(found: Explanation) -> None:
    if not found.by_language:
        return
    console.print()
    table = Table("First language", box=None, header_style="bold")
    table.add_column("People", justify="right")
    for language, people in found.by_language.items():
        table.add_row(language or "not named", str(people))
    console.print(table)


GROUPS = {"segments": group}
COMMANDS = ()
