"""A workspace with many invented people and a frozen mailing, made as the program makes it.

In: a folder and how many people. Out: `Ground`: SQLite databases, one per way of signing, in each of
which a mailing of the sample statement is running and nothing of it has been sent yet.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mailer.app.domains import make_key
from mailer.app.languages import resolver_for
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import schedule
from mailer.app.workspace import Workspace
from mailer.audience.imports import import_csv
from mailer.cli.workspace import make_workspace
from mailer.model.staff import BY_ITSELF
from mailer.model.states import MailingState
from mailer.schedule.ticker import Ticker
from mailer.statements.source import read_statement
from mailer.store.mailings import load_mailing
from mailer.store.statements import save_revision

STATEMENT = "keep-the-line-open"
LIST = "harbor-news"
#: How the mails are signed → the algorithms of the sender's keys.
SIGNED: dict[str, tuple[str, ...]] = {"none": (), "rsa": ("rsa",), "ed25519": ("ed25519",)}
#: They read the edition in English: its mails are the size that the yardstick is given.
_LANGUAGES = ("en", "en;ru", "en;uk")
_NAMES = (
    "Мээрим Булакбаева",
    "Elke Birkenfels",
    "Elena Ghiocel",
    "Роман Ельников",
    "Уляна Гайворіжко",
)


@dataclass(frozen=True)
class Ground:
    """What the measurements stand on."""

    folder: Path
    people: int

    def workspace(self, signed: str) -> Path:
        """Return a workspace whose mailing has not been sent; it is made anew each time."""
        made = self.folder / "fresh"
        if made.exists():
            shutil.rmtree(made)
        shutil.copytree(self.folder / signed, made)
        return made


def make_ground(folder: Path, people: int, ways: tuple[str, ...]) -> Ground:
    """Make the workspaces: import once, then schedule and freeze for each way of signing."""
    first = folder / "imported"
    workspace = make_workspace(first)
    source, _ = read_statement(workspace.config.templates_dir / "statements" / STATEMENT, first)
    if source is None:
        raise ValueError("the sample statement has faults")
    with workspace.store.write() as connection:
        save_revision(connection, source, workspace.clock.now())
    people_file = folder / "people.csv"
    _write_people(people_file, people)
    definitions, _ = workspace.lists
    import_csv(
        workspace.store, workspace.seal_keys, workspace.service_keys, people_file,
        definitions[LIST], rejects_dir=first / "data" / "rejects", now=workspace.clock.now(),
        log=workspace.suppression_log,
    )  # fmt: skip
    workspace.store.close()
    for way in ways:
        target = folder / way
        shutil.copytree(first, target)
        _freeze(target, SIGNED[way])
    return Ground(folder, people)


def person_address(number: int) -> str:
    """Return the address of an invented person, counted from 0."""
    return f"person{number}@mail{number % 400}.example.org"


def _write_people(path: Path, people: int) -> None:
    dice = random.Random(20_261_126)
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,languages,country,city,tags\n")
        for number in range(people):
            file.write(
                f"{person_address(number)},{dice.choice(_NAMES)},"
                f"{dice.choice(_LANGUAGES)},MD,Chisinau,press\n"
            )


def _freeze(folder: Path, algorithms: tuple[str, ...]) -> None:
    workspace = Workspace.open(folder)
    _sign(workspace, algorithms)
    workspace = Workspace.open(folder)
    plan = make_plan(workspace, Wish(STATEMENT, (LIST,), sender="harbor"))
    mailing = schedule(
        workspace, BY_ITSELF, plan, due_at=workspace.clock.now() - timedelta(seconds=1), time_zone="UTC",
        grace_s=86_400,
    )  # fmt: skip
    ticker = Ticker(workspace.store, workspace.clock, resolver_for(workspace.store))
    while True:
        ticker.tick()
        with workspace.store.read() as connection:
            state = load_mailing(connection, mailing.row_id).state
        if state is MailingState.RUNNING:
            break
        if state not in (MailingState.SCHEDULED, MailingState.FREEZING):
            raise RuntimeError(f"the mailing is {state}")
    with workspace.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM lease")
    workspace.store.close()


def _sign(workspace: Workspace, algorithms: tuple[str, ...]) -> None:
    sender = workspace.config.sender("harbor")
    path = workspace.config.root / "config.toml"
    text = path.read_text(encoding="utf-8")
    tables = ""
    for algorithm in algorithms:
        key = make_key(
            workspace, BY_ITSELF, sender, f"bench-{algorithm}", ed25519=algorithm == "ed25519"
        )
        tables += (
            f'[[senders.dkim]]\ndomain = "harbor.example.org"\nselector = "bench-{algorithm}"\n'
            f'key_file = "{key.name}"\n\n'
        )
    text = text.replace('[[senders]]\nkey = "lantern"', f'{tables}[[senders]]\nkey = "lantern"')
    path.write_text(text, encoding="utf-8")
