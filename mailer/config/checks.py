"""Hold the sections of `config.toml` against each other, and what can be kept of a faulty file.

In: the file's sections as far as they are sound, with their lines. Out: faults. A section that has
faults of its own is not blamed for more, and nothing is blamed for what it would have said.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mailer.config.relay import LOOPBACK_HOSTS
from mailer.config.sections import CONFIG_FILE, Config, DkimSection, SenderSection
from mailer.config.wording import ROWS, TABLES, Location
from mailer.model.faults import Fault
from mailer.model.toml_lines import TomlLines


@dataclass(frozen=True)
class Kept:
    """What a file says, as far as it is sound."""

    config: Config
    #: Where something was not, and so is left out of `config`.
    lost: frozenset[Location]
    #: Kind of row → of each in `config`, its place in the file.
    places: Mapping[str, Sequence[int]]
    #: Kind of row → place in the file and key of each, those left out for another reason included.
    keys: Mapping[str, Sequence[tuple[int, str]]]

    def is_sound(self, *path: int | str) -> bool:
        """Return whether nothing is lost at, above or below a place."""
        return not any(lost[: len(path)] == path[: len(lost)] for lost in self.lost)

    def all_keys(self, kind: str) -> frozenset[str] | None:
        """Return the keys of all rows of a kind; None when one cannot be told."""
        if any(lost[0] == kind and lost[2:] in ((), ("key",)) for lost in self.lost):
            return None
        return frozenset(key for _, key in self.keys[kind])


def keep(data: Mapping[str, Any], root: Path, lost: Iterable[Location]) -> Kept | None:
    """Return what of a file is sound; None when that is not even known.

    Rows with a fault are left out, and keys with one are as if they had not been written.

    Args:
        data: the file's tables.
        root: the workspace's folder.
        lost: where the faults are.

    Raises:
        ValidationError: when there are none, and the file has some.
    """
    places = frozenset(lost)
    try:
        config = Config.model_validate({**_without(data, places), "root": root})
    except ValidationError:
        if not places:
            raise
        return None
    rows = {kind: data[kind] if isinstance(data.get(kind), list) else [] for kind in TABLES}
    return Kept(
        config,
        places,
        places={kind: _left(len(rows[kind]), _lost_inside(places, kind)) for kind in TABLES},
        keys={
            kind: [
                (index, row["key"])
                for index, row in enumerate(rows[kind])
                if isinstance(row, dict) and isinstance(row.get("key"), str)
            ]
            for kind in ROWS
        },
    )


def _lost_inside(places: Iterable[Location], name: str) -> set[int | str]:
    """Return the rows or keys of a part of the file that something is wrong with."""
    return {place[1] for place in places if place[0] == name and len(place) > 1}


def _left(count: int, lost: set[int | str]) -> list[int]:
    return [index for index in range(count) if index not in lost]


def _without(data: Mapping[str, Any], places: frozenset[Location]) -> dict[str, Any]:
    """Return the file's tables without the rows and keys that something is wrong with."""
    sound: dict[str, Any] = {}
    for name, value in data.items():
        lost = _lost_inside(places, name)
        if (name,) in places:
            continue
        if isinstance(value, list):
            sound[name] = [value[index] for index in _left(len(value), lost)]
        elif isinstance(value, dict):
            sound[name] = {key: one for key, one in value.items() if key not in lost}
        else:
            sound[name] = value
    return sound


def cross_checks(kept: Kept, lines: TomlLines) -> list[Fault]:
    """Return what is wrong between the sections of a file, each fault at its line."""
    checks = _CrossChecks(kept, lines)
    return [
        *checks.keys(),
        *checks.organisations(),
        *checks.senders(),
        *checks.pacing(),
        *checks.alerts(),
        *checks.database(),
        *checks.live(),
        *checks.ports(),
    ]


@dataclass(frozen=True)
class _CrossChecks:
    """Compares the sections of one file."""

    kept: Kept
    lines: TomlLines

    def _fault(
        self, path: Location, problem: str, remedy: str, *, field: str = "", instead: Location = ()
    ) -> Fault:
        """Return a fault at `path`, or where that is left to its default, at `instead`."""
        line = self.lines.of(*path) or self.lines.of(*instead)
        return Fault(CONFIG_FILE, line, field or ".".join(map(str, path)), problem, remedy)

    def keys(self) -> Iterator[Fault]:
        """Yield the keys that two rows of a kind have."""
        for kind in ROWS:
            seen: set[str] = set()
            told: set[str] = set()
            for index, key in self.kept.keys[kind]:
                if key in seen and key not in told:
                    told.add(key)
                    yield self._fault(
                        (kind, index, "key"), "two have this key", "Give each its own",
                        field=f"{kind}.{key}",
                    )  # fmt: skip
                seen.add(key)

    def organisations(self) -> Iterator[Fault]:
        """Yield organisations that have no name."""
        for index, one in zip(
            self.kept.places["organisations"], self.kept.config.organisations, strict=True
        ):
            if not one.name:
                yield self._fault(
                    ("organisations", index, "name"), "has no language",
                    'Write name = { en = "…" }', field=f"organisations.{one.key}.name",
                )  # fmt: skip

    def senders(self) -> Iterator[Fault]:
        """Yield what is wrong with senders."""
        owners = self.kept.all_keys("organisations")
        for index, sender in zip(
            self.kept.places["senders"], self.kept.config.senders, strict=True
        ):
            name = f"senders.{sender.key}"
            if owners is not None and sender.organisation not in owners:
                yield self._fault(
                    ("senders", index, "organisation"),
                    f'there is no organisation "{sender.organisation}"',
                    "Add it under [[organisations]] or mend the key",
                    field=f"{name}.organisation",
                )
            if not sender.name:
                yield self._fault(
                    ("senders", index, "name"), "has no language", 'Write name = { en = "…" }',
                    field=f"{name}.name",
                )  # fmt: skip
            yield from self._relays(index, sender)
            for number, dkim in enumerate(sender.dkim):
                yield from self._signature(index, sender, number, dkim)

    def _relays(self, index: int, sender: SenderSection) -> Iterator[Fault]:
        relays, field = self.kept.all_keys("relays"), f"senders.{sender.key}.relays"
        for number, key in enumerate(sender.relays):
            place: Location = ("senders", index, "relays")
            if relays is not None and key not in relays:
                problem = f'there is no relay "{key}"'
                remedy = "Add it under [[relays]] or mend the key"
                yield self._fault(place, problem, remedy, field=field)
            if key in sender.relays[:number]:
                yield self._fault(place, f'names "{key}" twice', "Take one out", field=field)

    def pacing(self) -> Iterator[Fault]:
        """Yield providers that two tables are about."""
        seen: set[str] = set()
        for index, one in zip(self.kept.places["pacing"], self.kept.config.pacing, strict=True):
            if one.domains in seen:
                problem, remedy = f'two are about "{one.domains}"', "Make one of them"
                place: Location = ("pacing", index, "domains")
                yield self._fault(place, problem, remedy, field=f"pacing[{index}].domains")
            seen.add(one.domains)

    def _signature(
        self, index: int, sender: SenderSection, number: int, dkim: DkimSection
    ) -> Iterator[Fault]:
        place: Location = ("senders", index, "dkim", number)
        name = f"senders.{sender.key}.dkim[{number}]"
        if not (self.kept.config.root / dkim.key_file).is_file():
            yield self._fault(
                (*place, "key_file"), "names a file that is not there",
                "Make the key or take the signature out", field=f"{name}.key_file",
            )  # fmt: skip
        domain = sender.address.rpartition("@")[2].lower()
        # DMARC counts a signature only where its domain is that of the From address.
        if domain != dkim.domain and not domain.endswith(f".{dkim.domain}"):
            yield self._fault(
                (*place, "domain"), f"is neither {domain}, the address's domain, nor one above it",
                f'Write domain = "{domain}"', field=f"{name}.domain",
            )  # fmt: skip

    def alerts(self) -> Iterator[Fault]:
        """Yield what alerts name and is not there."""
        alerts = self.kept.config.alerts
        for name, kind in (("relay", "relays"), ("sender", "senders")):
            keys, wanted = self.kept.all_keys(kind), getattr(alerts, name)
            if wanted and keys is not None and wanted not in keys:
                yield self._fault(
                    ("alerts", name), f'there is no {name} "{wanted}"',
                    f"Add it under [[{kind}]] or mend the key",
                )  # fmt: skip
        place: Location = ("alerts", "addresses")
        staff = self.kept.config.workspace.staff
        if self.kept.is_sound("workspace", "staff") and set(alerts.addresses) - set(staff):
            yield self._fault(
                place, "holds an address that is not in staff of [workspace]", "Add it there too"
            )
        if alerts.addresses and not self.kept.config.senders and self.kept.is_sound("senders"):
            yield self._fault(place, "needs a sender to come from", "Add one under [[senders]]")

    def database(self) -> Iterator[Fault]:
        """Yield an address that is to come from the environment and is not there."""
        variable = self.kept.config.database.url_env
        if variable and not os.environ.get(variable):
            problem = f"the environment has no {variable}"
            yield self._fault(("database", "url_env"), problem, "Set it")

    def live(self) -> Iterator[Fault]:
        """Yield what a workspace that reaches people still wants."""
        config = self.kept.config
        if not config.workspace.live:
            return
        live: Location = ("workspace", "live")
        if not config.relays and self.kept.is_sound("relays"):
            yield self._fault(live, "is true but there is no relay", "Add one under [[relays]]")
        problem, remedy = "is not https, and the workspace is live", "Write one with https://"
        web: Location = ("web", "base_url")
        if self.kept.is_sound(*web) and not _is_https(config.web.base_url):
            yield self._fault(web, problem, remedy, instead=live)
        desk: Location = ("desk", "base_url")
        # Without one it is reached on this machine alone, unless it listens to others.
        if (
            self.kept.is_sound("desk")
            and config.desk.enabled
            and not _is_https(config.desk.address)
            and (config.desk.base_url or config.desk.host not in LOOPBACK_HOSTS)
        ):
            yield self._fault(desk, problem, remedy, instead=live)
        for index, sender in zip(self.kept.places["senders"], config.senders, strict=True):
            if sender.base_url and not _is_https(sender.base_url):
                yield self._fault(
                    ("senders", index, "base_url"), problem, remedy,
                    field=f"senders.{sender.key}.base_url",
                )  # fmt: skip

    def ports(self) -> Iterator[Fault]:
        """Yield ports on this machine that two servers of ours would listen on."""
        config = self.kept.config
        taken: dict[int, Location] = {}
        places: Sequence[tuple[Location, int]] = (
            (("web", "port"), config.web.port),
            (("web", "metrics_port"), config.web.metrics_port),
            (("desk", "port"), config.desk.port if config.desk.enabled else 0),
            (("sandbox", "smtp_port"), config.sandbox.smtp_port),
            (("sandbox", "inbox_port"), config.sandbox.inbox_port),
        )
        for place, port in places:
            # With 0 the system picks one, and never the same twice.
            if port == 0 or not self.kept.is_sound(*place):
                continue
            first = taken.setdefault(port, place)
            if first != place:
                problem = f"is {port}, as {'.'.join(map(str, first))} is"
                yield self._fault(place, problem, "Give each its own", instead=first)


def _is_https(address: str) -> bool:
    return address.startswith("https://")
