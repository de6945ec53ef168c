"""`mailer domain`: make a DKIM key, print the DNS records that senders want, see what is there."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from mailer.app.domains import (
    domain_findings,
    domain_records,
    make_key,
    resolver_at,
    senders_named,
)
from mailer.cli.common import (
    NOT_DONE,
    WRONG_USE,
    console,
    errors,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    terminal_actor,
)
from mailer.cli.findings import print_findings
from mailer.domains.records import Wanted
from mailer.model.findings import Finding, Grade, passes

app = typer.Typer(
    help=(
        "The DNS records of senders' domains: make keys, print records, check what is there."
        "\n\nExample: mailer domain records"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SenderKey = Annotated[
    str, typer.Argument(metavar="[SENDER]", help="Its key in config.toml; all when not named.")
]
Dns = Annotated[
    str, typer.Option("--dns", help="Ask this server, ADDRESS or ADDRESS:PORT, not the system's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("key")
@plain_errors
def key_command(
    sender: Annotated[str, typer.Argument(metavar="SENDER", help="Its key in config.toml.")],
    selector: Annotated[str, typer.Option("--selector", help="Names the key in the DNS.")],
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="Make an Ed25519 key, beside one of RSA.")
    ] = False,
) -> None:
    """Make a DKIM key for a sender, and say which lines of config.toml use it.

    Example: mailer domain key harbor --selector mail2026
    """
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", selector):
        fail(
            "--selector wants a word like mail2026: small letters, digits and hyphens.",
            status=WRONG_USE,
        )
    workspace = open_workspace()
    (found,) = senders_named(workspace, sender)
    path = make_key(workspace, terminal_actor(), found, selector, ed25519=ed25519)
    errors.print(f"Wrote {path.name}. Only you can read it; nobody else needs to.", markup=False)
    errors.print(f'Add this to config.toml, below the sender "{sender}":', markup=False)
    domain = found.address.rpartition("@")[2]
    console.print("[[senders.dkim]]", markup=False)
    console.print(f'domain = "{domain}"', markup=False)
    console.print(f'selector = "{selector}"', markup=False)
    console.print(f'key_file = "{path.name}"', markup=False)
    errors.print("Next: mailer domain records", markup=False)


@app.command("records")
@plain_errors
def records_command(sender: SenderKey = "", as_json: AsJson = False) -> None:
    """Print the DNS records that senders want, as lines to paste into a zone.

    Example: mailer domain records harbor
    """
    workspace = open_workspace()
    printed = {one.key: domain_records(workspace, one) for one in senders_named(workspace, sender)}
    if as_json:
        print_json(printed)
        return
    seen: set[Wanted] = set()
    for key, records in printed.items():
        console.print(f"; Sender {key}", markup=False)
        for record in records:
            # Pasted twice it would be two records at most providers of DNS, of which none counts.
            again = f"; {record.type} of {record.name}: as above"
            for line in (again,) if record in seen else record.lines:
                console.print(line, markup=False)
        seen.update(records)
        relays = workspace.config.relays_of(key)
        for relay in relays:
            if relay.signs == "relay":
                console.print(
                    f'; DKIM: the relay "{relay.key}" signs; its own page shows the records for it.',
                    markup=False,
                )
        we_sign = not relays or any(one.signs == "mailer" for one in relays)
        if we_sign and not next(one for one in workspace.config.senders if one.key == key).dkim:
            console.print(f"; DKIM: no key yet. Run: mailer domain key {key} --selector mail2026")
        if any(record.to_fill_in for record in records):
            console.print("; Replace what stands in <angle brackets>.", markup=False)


@app.command("check")
@plain_errors
def check_command(sender: SenderKey = "", dns: Dns = "", as_json: AsJson = False) -> None:
    """See whether the DNS holds what senders want, and whether their links lead to https.

    Example: mailer domain check harbor
    """
    workspace = open_workspace()
    resolver = resolver_at(dns)
    found = {
        one.key: domain_findings(workspace, one, resolver)
        for one in senders_named(workspace, sender)
    }
    good = all(passes(findings) for findings in found.values())
    if as_json:
        print_json(found)
    else:
        for key, findings in found.items():
            console.print(f"Sender {key}", style="bold", markup=False)
            print_findings(findings)
        _say_how_it_ends([one for findings in found.values() for one in findings])
    if not good:
        raise typer.Exit(NOT_DONE)


def _say_how_it_ends(findings: list[Finding]) -> None:
    wrong = sum(one.grade is Grade.WRONG for one in findings)
    unknown = sum(one.grade is Grade.UNKNOWN for one in findings)
    if unknown:
        console.print(f"{unknown} could not be looked at: this says nothing about the records.")
    console.print(f"{wrong} to mend." if wrong or unknown else "Everything is as it should be.")


GROUPS = {"domain": app}
