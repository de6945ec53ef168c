"""`mailer keys`: make, list, rotate and retire the keys of a workspace."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mailer.app.backup import PRIVATE_KEY, PUBLIC_KEY
from mailer.app.rotation import (
    keys_in_use,
    make_backup_keys,
    reseal,
    retire_seal,
    rotate_seal,
    rotate_tokens,
)
from mailer.cli.common import (
    Command,
    console,
    errors,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    terminal_actor,
)

keys = typer.Typer(
    help="Make, list, rotate and retire keys.\n\nExample: mailer keys list",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Makeable(StrEnum):
    """A key that can be made alone."""

    #: The pair that closes and opens backups.
    BACKUP = "backup"


class Rotatable(StrEnum):
    """A key that can be followed by a new one."""

    #: Seals addresses and names.
    SEAL = "seal"
    #: Makes the tokens in links.
    TOKENS = "tokens"


class Retirable(StrEnum):
    """A key that can be taken out."""

    #: Seals addresses and names.
    SEAL = "seal"


@keys.command("list")
@plain_errors
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the ids of all keys and how many values each seals; never a key itself.

    Example: mailer keys list
    """
    found = keys_in_use(open_workspace())
    if as_json:
        print_json(found)
        return
    for number, count in found.sealed.items():
        now = ", seals now" if number == found.seal_current else ""
        console.print(f"seal {number}: {count} values{now}")
    for name in found.tokens:
        now = ", makes tokens now" if name == found.token_current else ", read for ever"
        console.print(f"tokens {name}{now}")


@keys.command("make")
@plain_errors
def make(
    what: Annotated[Makeable, typer.Argument(help="What to make.", show_default=False)],
) -> None:
    """Make the pair that closes and opens backups, in a workspace that has none.

    Example: mailer keys make backup
    """
    del what
    try:
        make_backup_keys(open_workspace(), terminal_actor())
    except FileExistsError as error:
        fail(
            f"{error.args[0].name} is there already; nothing was changed.",
            "To begin with a new pair, move both files away; old backups need the old one.",
        )
    console.print(f"Made {PUBLIC_KEY}, which closes backups, and {PRIVATE_KEY}, which opens them.")
    console.print(f"Move {PRIVATE_KEY} away from this machine, to two safe places.")


@keys.command("rotate")
@plain_errors
def rotate(
    what: Annotated[Rotatable, typer.Argument(help="Which key.", show_default=False)],
) -> None:
    """Follow a key by a new one; the old one still opens what it sealed and reads its links.

    Example: mailer keys rotate seal

    Example: mailer keys rotate tokens
    """
    workspace = open_workspace()
    if what is Rotatable.TOKENS:
        name = rotate_tokens(workspace, terminal_actor())
        console.print(f"Tokens are made with key {name} from the next start on.")
        console.print("Old links go on working. Copy service.key to your safe place again.")
        return
    number = rotate_seal(workspace, terminal_actor())
    console.print(f"Key {number} seals from now on. Copy seal.key to your safe place again.")
    _reseal()


@keys.command("reseal")
@plain_errors
def reseal_command() -> None:
    """Seal with the current key what an older one sealed; goes on where it was stopped.

    Example: mailer keys reseal
    """
    _reseal()


def _reseal() -> None:
    with errors.status("Sealing anew ...") as status:
        done = reseal(
            open_workspace(),
            terminal_actor(),
            lambda count: status.update(f"Sealing anew ... {count} values"),
        )
    console.print(f"Sealed anew: {done} values.")
    console.print("See with `mailer keys list` what is left; then: mailer keys retire seal ID")


@keys.command("retire")
@plain_errors
def retire(
    what: Annotated[Retirable, typer.Argument(help="Which key.", show_default=False)],
    number: Annotated[int, typer.Argument(metavar="ID", help="Its id, from `mailer keys list`.")],
) -> None:
    """Take an old sealing key out once nothing is sealed with it; older backups still need it.

    Example: mailer keys retire seal 1
    """
    del what
    retire_seal(open_workspace(), terminal_actor(), number)
    console.print(f"Key {number} is out of seal.key.")
    console.print("Keep a copy of the old file as long as you keep backups of that time.")


GROUPS = {"keys": keys}
COMMANDS: tuple[Command, ...] = ()
