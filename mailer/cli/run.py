"""`mailer run`: scheduler, senders, web and desk, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.app.ending import settle_and_count
from mailer.app.going_live import note_going_live
from mailer.app.roles import LOOPBACK, Serve, preload, run_part
from mailer.app.sending import unverified
from mailer.app.supervisor import (
    End,
    Part,
    RestartPolicy,
    Role,
    sender_parts,
    supervise,
    taken_ports,
)
from mailer.app.workspace import Workspace
from mailer.cli.common import (
    NOT_DONE,
    Command,
    errors,
    open_workspace,
    plain_errors,
    report_faults,
    terminal_actor,
)
from mailer.config import MOST_SENDERS, Config
from mailer.events import configure_logging
from mailer.model.faults import Fault, FaultsFound


def _desk(workspace: Workspace, number: int) -> Serve:
    # A sender process never loads it.
    from mailer.api.app import api_routes
    from mailer.desk.serving import build_desk

    return build_desk(workspace, number, api_routes(workspace))


#: Parts that stand above `mailer.app`.
_ABOVE = {Role.DESK: _desk}


@plain_errors
def run(
    only: Annotated[
        Role | None, typer.Option("--only", help="Run this part alone, in this process.")
    ] = None,
    senders: Annotated[
        int | None,
        typer.Option(
            "--senders",
            min=1,
            max=MOST_SENDERS,
            help="Sender processes; senders of [delivery] when not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run scheduler, senders, web and desk (and the sandbox while not live) until told to stop.

    A part that dies is started again. Ctrl-C or SIGTERM starts nothing new and waits for what is
    open, as long as shutdown_grace_s of [delivery] says; what gets no final reply is in doubt.

    Example: mailer run

    Example: mailer run --senders 2

    Example: mailer run --only web
    """
    if only is not None:
        if senders is not None:
            problem = "starts processes, and --only runs one part in this one"
            raise FaultsFound([Fault("", 0, "--senders", problem, "Leave one of them out")])
        raise typer.Exit(run_part(Part(only), open_workspace(), _ABOVE))
    # Nothing of a workspace is held any more when the children are forked: no key, no database.
    config, parts = _look_over(senders)
    preload()
    configure_logging(process="supervisor")
    end = supervise(
        parts,
        lambda part: run_part(part, Workspace.open(config.root), _ABOVE),
        config.delivery.shutdown_grace_s,
        RestartPolicy(),
    )
    _say_doubts(end)
    raise typer.Exit(0 if end.clean else NOT_DONE)


def _look_over(senders: int | None) -> tuple[Config, list[Part]]:
    """Make sure that the parts can run, say what will, and return them.

    Raises:
        FaultsFound: when a port is taken.
        KeyFileError: when a key file cannot be used.
        StoreUnavailable: when the database cannot.
        WrongKeys: when a key belongs to another database.
    """
    workspace = open_workspace()
    # Keys and database are looked at before any child starts, so that one clear error comes.
    _ = workspace.seal_keys, workspace.service_keys
    note_going_live(workspace, terminal_actor())
    workspace.store.close()
    config = workspace.config
    roles = [Role.WEB, Role.SCHEDULER]
    ports = {"web.port": (config.web.host, config.web.port)}
    if config.web.metrics_port:
        ports["web.metrics_port"] = (LOOPBACK, config.web.metrics_port)
    if config.desk.enabled:
        roles.append(Role.DESK)
        ports["desk.port"] = (config.desk.host, config.desk.port)
    if config.feedback.is_watched:
        roles.append(Role.FEEDBACK)
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
    if config.desk.enabled:
        errors.print(f"  desk    {config.desk.address}/desk", markup=False)
    if config.workspace.live:
        # What goes by another relay goes; what would go by one of these is held, with the same words.
        report_faults(fault for one in config.relays if (fault := unverified(workspace, one)))
        workspace.store.close()
    return config, [*map(Part, roles), *sender_parts(senders or config.delivery.senders)]


def _say_doubts(end: End) -> None:
    """Say what nobody can know now, and where it is listed."""
    for key, count in settle_and_count(open_workspace(), end.told_at).items():
        errors.print(
            f"In doubt, since no final reply came: {count} of {key}. They are not sent again "
            f"unasked. See: mailer report {key}",
            markup=False,
            style="yellow",
        )


COMMANDS = (Command("run", run),)
