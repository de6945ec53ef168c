"""Say everything that is wrong with a workspace, at once.

In: a workspace. Out: faults over config, keys, database, catalogs, mail templates, statements,
lists, segments and relay. Nothing is changed and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from mailer.app.sending import relay_settings
from mailer.app.workspace import Workspace
from mailer.audience.lists import load_lists
from mailer.audience.segments import load_segments
from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.design import read_design
from mailer.compose.dkim import load_signers
from mailer.compose.fixed import check_headers
from mailer.keys import KeyFileError
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Design, Sender
from mailer.model.statement import StatementKind
from mailer.statements.checks import check_statement
from mailer.statements.source import read_statement
from mailer.store.engine import StoreUnavailable, WrongKeys, ping


def check_workspace(workspace: Workspace) -> list[Fault]:
    """Return every fault of the workspace; an empty list means that it can be used."""
    faults: list[Fault] = []
    faults += _guarded("", lambda: _check_store(workspace))
    faults += _guarded("lists", lambda: _check_lists(workspace))
    faults += _guarded("templates", lambda: _check_templates(workspace))
    faults += _guarded("senders", lambda: _check_senders(workspace))
    return sorted(set(faults))


def _guarded(place: str, check: Callable[[], Iterable[Fault]]) -> list[Fault]:
    """Turn what a check raises into faults, so that one room's fault hides no other's."""
    try:
        return list(check())
    except FaultsFound as error:
        return list(error.faults)
    except KeyFileError as error:
        return [Fault(error.path.name, 0, "", error.problem, error.remedy)]
    except StoreUnavailable as error:
        return [Fault("config.toml", 0, "database.url", error.problem, error.remedy)]
    except WrongKeys as error:
        return [Fault(error.file_name, 0, "", "belongs to another database", "Put back its own")]
    except OSError as error:
        name = Path(str(error.filename)).name if error.filename else place
        return [Fault(name, 0, "", f"cannot be read: {error.strerror}", "Check its owner")]


def _check_store(workspace: Workspace) -> Iterable[Fault]:
    ping(workspace.store)
    _ = workspace.service_keys
    _ = workspace.seal_keys
    return ()


def _check_lists(workspace: Workspace) -> Iterable[Fault]:
    config = workspace.config
    definitions, faults = load_lists(config.lists_dir, config)
    yield from faults
    attributes = {
        name: one
        for definition in definitions.values()
        for name, one in definition.attributes.items()
    }
    load_segments(config.lists_dir, attributes)


def _check_templates(workspace: Workspace) -> Iterable[Fault]:
    config = workspace.config
    catalogs = workspace.catalogs
    definitions, _ = load_lists(config.lists_dir, config)
    fields = frozenset(name for one in definitions.values() for name in one.attributes)
    designs: dict[StatementKind, Design] = {}
    for kind in StatementKind:
        if (config.templates_dir / "mail" / kind.value).is_dir():
            designs[kind] = read_design(config.templates_dir, kind, catalogs)
            yield from check_design(designs[kind], fields)
    statements = config.templates_dir / "statements"
    for folder in sorted(path for path in statements.glob("*") if path.is_dir()):
        revision, faults = read_statement(folder, config.root)
        yield from faults
        if revision is None:
            continue
        yield from check_statement(folder, config.root, catalogs)
        if revision.kind not in designs:
            yield Fault(
                f"templates/statements/{folder.name}/statement.toml",
                0,
                "kind",
                f'there is no mail template for "{revision.kind.value}"',
                f"Add templates/mail/{revision.kind.value}/",
            )
            continue
        yield from check_revision_with_design(revision, designs[revision.kind], fields)
        for definition in definitions.values():
            sender = config.sender(definition.sender)
            if sender is not None:
                yield from check_headers(revision, sender, [definition])


def _check_senders(workspace: Workspace) -> Iterable[Fault]:
    config = workspace.config
    for section in config.senders:
        sender = config.sender(section.key)
        if sender is not None:
            yield from _guarded(section.key, partial(_signers, sender))
    if not config.workspace.live:
        return
    yield from _guarded("relays", lambda: _relay(workspace))


def _signers(sender: Sender) -> Iterable[Fault]:
    load_signers(sender)
    return ()


def _relay(workspace: Workspace) -> Iterable[Fault]:
    relay_settings(workspace)
    return ()
