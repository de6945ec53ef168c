"""Say everything that is wrong with a workspace, at once.

In: a workspace. Out: faults over config, keys, database, catalogs, mail templates, statements,
newsletters, lists, segments and relay. Nothing is changed and nothing is sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from mailer.app.feedback import workspace_hooks
from mailer.app.sending import check_relay, relays_for, signers_for
from mailer.app.workspace import Workspace
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import Mention, Place, load_segments, read_expression, saved_segments
from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.design import read_design
from mailer.compose.fixed import check_headers
from mailer.config import RelaySection
from mailer.config.sections import CONFIG_FILE
from mailer.feedback.intake.maildir import why_no_maildir
from mailer.keys import KeyFileError, load_seal_keys, load_service_keys
from mailer.model.audience import Attribute
from mailer.model.faults import Fault, FaultsFound, Severity
from mailer.model.mailing import Sender
from mailer.model.newsletter import Newsletter
from mailer.model.statement import (
    ItemText,
    NewsletterItem,
    Picture,
    Revision,
    StatementKind,
    edition_file,
)
from mailer.schedule.cron import NotCron, Recurrence
from mailer.statements.catalog import Catalog, load_catalogs
from mailer.statements.checks import check_folder
from mailer.statements.issues import make_issue
from mailer.statements.newsletters import NewsletterFolder, read_newsletter
from mailer.statements.source import read_folder
from mailer.store.engine import StoreUnavailable, WrongKeys, ping


def check_workspace(workspace: Workspace) -> list[Fault]:
    """Return every fault of the workspace; an empty list means that it can be used."""
    faults: list[Fault] = []
    faults += _guarded("", lambda: _check_store(workspace))
    # One broken key does not hide the other, nor a broken segment what is wrong with the lists.
    faults += _guarded("", lambda: _looked_at(workspace.service_keys))
    faults += _guarded("", lambda: _looked_at(workspace.seal_keys))
    faults += _guarded("lists", lambda: workspace.lists[1])
    faults += _guarded("segments", lambda: _check_segments(workspace))
    faults += _guarded("templates", lambda: _check_templates(workspace))
    faults += _guarded("senders", lambda: _check_senders(workspace))
    faults += _guarded("feedback", lambda: _looked_at(workspace_hooks(workspace)))
    faults += _guarded("sign_up", lambda: _check_sign_up(workspace))
    faults += _guarded("feedback.maildir", lambda: _check_maildir(workspace))
    faults += _guarded("feedback.imap", lambda: _looked_at(workspace.config.imap_password()))
    return sorted(set(faults))


def check_files(root: Path) -> list[Fault]:
    """Return what is wrong with statements and keys of a workspace whose config cannot be read."""
    faults: list[Fault] = []
    catalogs: dict[str, Catalog] = {}
    try:
        catalogs = load_catalogs(root / "templates" / "locale")
    except FaultsFound as error:
        faults += error.faults
    for folder in sorted(path for path in (root / "templates/statements").glob("*/")):
        found = read_folder(folder, root)
        faults += check_folder(found, catalogs) if catalogs else found.faults
    for folder in sorted(path for path in (root / "templates/newsletters").glob("*/")):
        faults += read_newsletter(folder, root).faults
    if (root / "seal.key").exists():
        faults += _guarded("", lambda: _looked_at(load_seal_keys(root / "seal.key")))
    if (root / "service.key").exists():
        faults += _guarded("", lambda: _looked_at(load_service_keys(root / "service.key")))
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


def _looked_at(_part: object) -> Iterable[Fault]:
    """Return no fault: a part of the workspace that can be looked at has none."""
    return ()


def _check_store(workspace: Workspace) -> Iterable[Fault]:
    ping(workspace.store)
    return ()


def _check_segments(workspace: Workspace) -> Iterable[Fault]:
    attributes = _attributes(workspace)
    if attributes is None:
        return ()
    segments = load_segments(workspace.config.lists_dir, attributes)
    _check_mentions(workspace, [one for found in segments.values() for one in found.mentions])
    return ()


def _check_templates(workspace: Workspace) -> Iterable[Fault]:
    config = workspace.config
    # A broken catalog is said once, by itself; what can be told without it is told all the same.
    yield from _guarded("locale", lambda: _looked_at(workspace.catalogs))
    for kind in StatementKind:
        if (config.templates_dir / "mail" / kind.value).is_dir():
            yield from _guarded(kind.value, partial(_check_kind, workspace, kind))
    for folder in statement_folders(workspace):
        yield from _guarded(folder.name, partial(_check_folder, workspace, folder))
    for folder in newsletter_folders(workspace):
        yield from _guarded(folder.name, partial(_check_newsletter, workspace, folder))


def _check_kind(workspace: Workspace, kind: StatementKind) -> Iterable[Fault]:
    design = read_design(workspace.config.templates_dir, kind, workspace.catalogs)
    return check_design(design, _fields(workspace))


def _check_folder(workspace: Workspace, folder: Path) -> Iterable[Fault]:
    return check_statement_folder(workspace, folder)[1]


def _check_newsletter(workspace: Workspace, folder: Path) -> Iterable[Fault]:
    return check_newsletter_folder(workspace, folder)[1]


def _attributes(workspace: Workspace) -> dict[str, Attribute] | None:
    """Return what lists declare, those with faults included; None where that cannot be told.

    What asks for a field is not judged then: the list is to be mended first.
    """
    declared: dict[str, Attribute] = {}
    for faulty in workspace.faulty_lists.values():
        if faulty is None:
            return None
        declared |= faulty
    for definition in workspace.lists[0].values():
        declared |= definition.attributes
    return declared


def _fields(workspace: Workspace) -> frozenset[str] | None:
    declared = _attributes(workspace)
    return None if declared is None else frozenset(declared)


def statement_folders(workspace: Workspace) -> list[Path]:
    """Return the folders of all statements of the workspace."""
    statements = workspace.config.templates_dir / "statements"
    return sorted(path for path in statements.glob("*") if path.is_dir())


def check_statement_folder(
    workspace: Workspace, folder: Path, *, encoded: Mapping[str, Picture] | None = None
) -> tuple[Revision | None, list[Fault]]:
    """Return a statement as its files say it, and every fault of it: as text and as a mail.

    Args:
        workspace: its catalogs, mail templates, lists and senders.
        folder: of the statement.
        encoded: pictures by name that were encoded before, to be taken as they are.
    """
    config = workspace.config
    found = read_folder(folder, config.root, encoded=encoded)
    revision = found.revision
    try:
        catalogs = workspace.catalogs
    except FaultsFound as error:
        return revision, [*found.faults, *error.faults]
    faults = check_folder(found, catalogs)
    if revision is None:
        return None, faults
    if (config.templates_dir / "newsletters" / revision.slug).is_dir():
        place = f"templates/statements/{folder.name}/statement.toml"
        problem = f'there is a newsletter "{revision.slug}" too, and both would have one page'
        faults.append(Fault(place, 0, "slug", problem, "Give the statement another"))
    return revision, sorted({*faults, *check_revision_files(workspace, revision)})


def check_revision_files(workspace: Workspace, revision: Revision) -> list[Fault]:
    """Return what is wrong with a revision as mails, by the files as they are now."""
    config = workspace.config
    if not (config.templates_dir / "mail" / revision.kind.value).is_dir():
        folder, name = edition_file(revision, "").split("/")[1:3]
        place = f"templates/{folder}/{name}/{folder.removesuffix('s')}.toml"
        problem = f'there is no mail template for "{revision.kind.value}"'
        remedy = f"Add templates/mail/{revision.kind.value}/"
        return [Fault(place, 0, "kind", problem, remedy)]
    try:
        design = read_design(config.templates_dir, revision.kind, workspace.catalogs)
    except FaultsFound as error:
        return list(error.faults)
    faults = check_revision_with_design(revision, design, _fields(workspace))
    for definition in workspace.lists[0].values():
        sender = config.sender(definition.sender)
        if sender is not None:
            faults += check_headers(revision, sender, [definition])
    return faults


def newsletter_folders(workspace: Workspace) -> list[Path]:
    """Return the folders of all newsletters of the workspace."""
    newsletters = workspace.config.templates_dir / "newsletters"
    return sorted(path for path in newsletters.glob("*") if path.is_dir())


def check_newsletter_folder(
    workspace: Workspace, folder: Path
) -> tuple[Newsletter | None, list[Fault]]:
    """Return a newsletter as its files say it, and every fault of it: as text and as a mail."""
    found = read_newsletter(folder, workspace.config.root)
    newsletter = found.newsletter
    if newsletter is None:
        return None, list(found.faults)
    faults = [*found.faults, *_reference_faults(workspace, newsletter, found)]
    sample = make_issue(newsletter, _sample_items(newsletter), 1, workspace.clock.now().date())
    if sample is not None:
        faults += check_revision_files(workspace, sample)
    return newsletter, sorted(set(faults))


def _sample_items(newsletter: Newsletter) -> list[NewsletterItem]:
    """Return two invented items, so that each language has one of its own and names one more."""
    text = ItemText("Title", "Lead")
    everywhere = dict.fromkeys(newsletter.intros, text)
    return [
        NewsletterItem("sample", 1, newsletter.source_language, everywhere),
        NewsletterItem("another", 1, "eo", {"eo": text}),
    ]


def _reference_faults(
    workspace: Workspace, newsletter: Newsletter, found: NewsletterFolder
) -> Iterator[Fault]:
    """Yield what the file names and the workspace has not, and hours that cannot be read."""

    def fault(key: str, problem: str, remedy: str) -> Fault:
        return Fault(found.file, found.lines.of(key), key, problem, remedy)

    try:
        Recurrence(newsletter.cron, newsletter.time_zone)
    except NotCron as error:
        yield fault("cron", error.problem, error.remedy)
    config = workspace.config
    if (config.templates_dir / "statements" / newsletter.slug).is_dir():
        problem = f'there is a statement "{newsletter.slug}" too, and both would have one page'
        yield fault("slug", problem, "Give the newsletter another")
    definitions, _ = workspace.lists
    lists = [definitions[key] for key in newsletter.lists if key in definitions]
    for one in workspace.no_lists(newsletter.lists):
        yield fault("lists", one.problem, one.remedy)
    senders = sorted({one.sender for one in lists})
    if newsletter.sender and config.sender(newsletter.sender) is None:
        there = ", ".join(one.key for one in config.senders) or "none yet"
        yield fault("sender", f'there is no sender "{newsletter.sender}"', f"There are: {there}")
    elif not newsletter.sender and len(senders) > 1:
        problem = f"the lists have different senders: {', '.join(senders)}"
        yield fault("sender", problem, "Say which of them the newsletter comes from")
    # What a list with faults declares is not known for sure: it is to be mended first.
    if any(key in workspace.faulty_lists for key in newsletter.lists):
        return
    attributes = {name: value for one in lists for name, value in one.attributes.items()}
    for key, text in (("segment", newsletter.segment), ("exclude", newsletter.exclude)):
        try:
            if text:
                saved = saved_segments(config.lists_dir)
                asked = read_expression(text, attributes, Place(key), saved)
                _check_mentions(workspace, asked.mentions)
        except FaultsFound as error:
            for one in error.faults:
                own = fault(key, one.problem, one.remedy)
                yield one if one.file else own


def _check_mentions(workspace: Workspace, mentions: Sequence[Mention]) -> None:
    """Refuse questions about statements that nobody knows, or whose deliveries are gone."""
    # Without a database nothing can be said about statements, and that it is missing was said.
    with contextlib.suppress(StoreUnavailable), workspace.store.read() as connection:
        faults = mention_faults(connection, mentions)
        if faults:
            raise FaultsFound(faults)


def _check_senders(workspace: Workspace) -> Iterable[Fault]:
    config = workspace.config
    for section in config.senders:
        sender = config.sender(section.key)
        if sender is not None:
            yield from _guarded(section.key, partial(_signers, workspace, sender))
    if config.workspace.live:
        for relay in config.relays_in_use:
            yield from _guarded(relay.key, partial(_relay, workspace, relay))


def _check_sign_up(workspace: Workspace) -> Iterable[Fault]:
    section = workspace.config.sign_up
    if not section.lists:
        return
    for one in workspace.no_lists(section.lists):
        remedy = "Add its file or mend the key"
        yield Fault(CONFIG_FILE, 0, "sign_up.lists", one.problem, remedy)
    # Nothing else of `mailer check` wants the web.
    from mailer.web.public.pages import Pages

    spoken = Pages(workspace.page_catalogs).spoken
    unspoken = [one for one in section.consent if one not in spoken]
    if unspoken:
        yield Fault(
            CONFIG_FILE,
            0,
            "sign_up.consent",
            f"has a text in languages that the pages do not speak: {', '.join(unspoken)}",
            f"They speak {', '.join(spoken)}; the form leaves the others out",
            severity=(Severity.WARNING if len(unspoken) < len(section.consent) else Severity.ERROR),
        )


def _check_maildir(workspace: Workspace) -> Iterable[Fault]:
    folder = workspace.config.maildir
    problem = why_no_maildir(folder) if folder is not None else ""
    if problem:
        remedy = "Name the folder that the mail server delivers into, or make it: maildirmake"
        yield Fault("config.toml", 0, "feedback.maildir", problem, remedy)


def _signers(workspace: Workspace, sender: Sender) -> Iterable[Fault]:
    return _looked_at([signers_for(sender, relay) for relay in relays_for(workspace, sender.key)])


def _relay(workspace: Workspace, relay: RelaySection) -> Iterable[Fault]:
    check_relay(workspace, relay)
    return ()
