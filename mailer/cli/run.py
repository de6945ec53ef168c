"""`mailer run`: scheduler, senders and web, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mailer.app.roles import run_role
from mailer.app.sending import unverified
from mailer.app.supervisor import RestartPolicy, Role, supervise, taken_ports
from mailer.cli.common import NOT_DONE, Command, errors, open_workspace, plain_errors, report_faults
from mailer.events import configure_logging
from mailer.model.faults import FaultsFound


@plain_errors
def run(
    only: Annotated[
        Role | None, typer.Option("--only", help="Run this part alone, in this process.")
    ] = None,
) -> None:
    """Run scheduler, senders and web (and the sandbox while not live) until told to stop.

    Example: mailer run

    Example: mailer run --only web
    """
    workspace = open_workspace()
    if only is not None:
        raise typer.Exit(run_role(only, workspace))
    # Keys and database are looked at before any child starts, so that one clear error comes.
    _ = workspace.seal_keys, workspace.service_keys
    workspace.store.close()
    config = workspace.config
    roles = [Role.SCHEDULER, Role.SENDERS, Role.WEB]
    ports = {"web.port": (config.web.host, config.web.port)}
    if not config.workspace.live:
        roles.append(Role.SANDBOX)
        ports["sandbox.smtp_port"] = ("127.0.0.1", config.sandbox.smtp_port)
        ports["sandbox.inbox_port"] = ("127.0.0.1", config.sandbox.inbox_port)
    # So is whether its ports are free: a child would die of that again and again.
    taken = taken_ports(ports)
    if taken:
        raise FaultsFound(taken)
    if not config.workspace.live:
        errors.print("Not live: the sandbox takes every mail.")
        errors.print(f"  inbox   http://127.0.0.1:{config.sandbox.inbox_port}/", markup=False)
    errors.print(f"  pages   http://{config.web.host}:{config.web.port}/", markup=False)
    if config.workspace.live:
        # What goes by another relay goes; what would go by one of these is held, with the same words.
        report_faults(fault for one in config.relays if (fault := unverified(workspace, one)))
        workspace.store.close()
    configure_logging(process="supervisor")
    clean = asyncio.run(
        supervise(roles, config.root, config.delivery.shutdown_grace_s, RestartPolicy())
    )
    raise typer.Exit(0 if clean == 0 else NOT_DONE)


COMMANDS = (Command("run", run),)
