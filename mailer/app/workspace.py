"""Open a workspace: its config, database and keys, each when it is first asked for.

In: a folder. Out: a `Workspace`. Reading the config raises all its faults at once; a key that does
not belong to the database is refused before anything is written with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mailer.audience.lists import faulty_lists, load_lists
from mailer.box import SmallBoxes
from mailer.clock import SYSTEM_CLOCK, Clock
from mailer.config import Config, load_config, share_dir
from mailer.keys import SealKeys, ServiceKeys, load_seal_keys, load_service_keys
from mailer.model.audience import Attribute, ListDefinition
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.worded import worded
from mailer.statements.catalog import Catalog, load_catalogs
from mailer.store.engine import (
    Store,
    StoreUnavailable,
    check_fingerprint,
    check_version,
    open_store,
)
from mailer.store.settings import FEEDBACK_BOX_KEY, read_setting, write_setting
from mailer.store.suppression_log import FILE_NAME, SuppressionLog
from mailer.tokens import Tokens


@dataclass(frozen=True)
class Workspace:
    """A folder with config.toml, templates/, lists/, data/ and keys, opened."""

    config: Config
    clock: Clock = SYSTEM_CLOCK

    @classmethod
    def open(cls, folder: Path, clock: Clock = SYSTEM_CLOCK) -> Workspace:
        """Read the config of the workspace at `folder`.

        Raises:
            FaultsFound: with everything wrong in config.toml.
        """
        return cls(load_config(folder), clock)

    def reread(self) -> Workspace:
        """Return the workspace with its files as they are now, on the database that is open.

        Raises:
            FaultsFound: with everything wrong in config.toml.
        """
        fresh = Workspace.open(self.config.root, self.clock)
        # What a cached property has found stands in the object's own table.
        fresh.__dict__["store"] = self.store
        return fresh

    @cached_property
    def store(self) -> Store:
        """Return the open database.

        Raises:
            StoreUnavailable: when it is not there, cannot be opened, or needs `mailer upgrade`.
        """
        store = self.store_of_any_version()
        try:
            check_version(store)
        except StoreUnavailable:
            store.close()
            raise
        return store

    def store_of_any_version(self) -> Store:
        """Open the database without looking at its tables: for `mailer upgrade`.

        Raises:
            StoreUnavailable: when it is not there; a lost one is never made anew in silence.
        """
        url = self.config.database_url
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
            raise StoreUnavailable(
                "The database is not there",
                "Put it back from your copy, or mend database.url in config.toml",
            )
        return open_store(url)

    @cached_property
    def seal_keys(self) -> SealKeys:
        """Return the keys that open addresses and names, checked against the database.

        Raises:
            KeyFileError: when the file is missing, open to others or damaged.
            WrongKeys: when it belongs to another database.
        """
        keys = load_seal_keys(self.config.seal_key_path)
        self._check("seal_key", keys.fingerprint, self.config.keys.seal, keys.fingerprints)
        hand_out_box_key(self.store, keys)
        return keys

    @cached_property
    def service_keys(self) -> ServiceKeys:
        """Return the keys of digests and tokens, checked against the database.

        Raises:
            KeyFileError: when the file is missing, open to others or damaged.
            WrongKeys: when it belongs to another database.
        """
        keys = load_service_keys(self.config.service_key_path)
        self._check("service_key", keys.fingerprint, self.config.keys.service)
        return keys

    @cached_property
    def tokens(self) -> Tokens:
        """Return what makes and reads tokens."""
        return Tokens(self.service_keys)

    @cached_property
    def suppression_log(self) -> SuppressionLog:
        """Return the file that has who left on the disk before they are answered."""
        return SuppressionLog(self.config.data_dir / FILE_NAME)

    @cached_property
    def catalogs(self) -> dict[str, Catalog]:
        """Return the fixed phrases by language, as the workspace's files have them now."""
        return load_catalogs(self.config.templates_dir / "locale")

    @cached_property
    def lists(self) -> tuple[dict[str, ListDefinition], tuple[Fault, ...]]:
        """Return the lists by key, as their files have them now, and what is wrong with files."""
        return load_lists(self.config.lists_dir, self.config)

    @cached_property
    def faulty_lists(self) -> dict[str, Mapping[str, Attribute] | None]:
        """Return the lists that cannot be used, see `mailer.audience.lists.faulty_lists`."""
        return faulty_lists(self.config.lists_dir, self.config, self.lists[0])

    def list_of(self, key: str) -> ListDefinition:
        """Return the list of that key.

        Raises:
            FaultsFound: with what is wrong with its file, or that there is none.
        """
        definitions, faults = self.lists
        if key in definitions:
            return definitions[key]
        file = f"{self.config.lists_dir.name}/{key}.toml"
        own = [one for one in errors_in(faults) if one.file == file]
        raise FaultsFound(own or self.no_lists([key]))

    def no_lists(self, keys: Iterable[str]) -> list[Fault]:
        """Return a fault for each key that no list has.

        A list whose file has faults is there: what is wrong with it is told of that file alone.
        """
        known = {*self.lists[0], *self.faulty_lists}
        remedy = worded(
            "There are: %(known)s", known=", ".join(sorted(known)) or worded("none yet")
        )
        return [
            Fault("", 0, "--list", worded('there is no list "%(key)s"', key=key), remedy)
            for key in keys
            if key not in known
        ]

    @cached_property
    def page_catalogs(self) -> dict[str, Catalog]:
        """Return the catalogs of the public pages: the workspace's, completed by those we ship.

        A workspace that was made before a page learned a phrase must not take the pages down, and
        with them the way to unsubscribe.
        """
        shipped = load_catalogs(share_dir() / "templates" / "locale")
        own = self.catalogs
        completed = {
            language: replace(catalog, forms={**shipped[language].forms, **catalog.forms})
            for language, catalog in own.items()
            if language in shipped
        }
        return {**shipped, **own, **completed}

    def _check(
        self, name: str, fingerprint: str, file_name: str, also: Collection[str] = ()
    ) -> None:
        with self.store.write() as connection:
            check_fingerprint(connection, name, fingerprint, file_name, also)


def hand_out_box_key(store: Store, keys: SealKeys) -> None:
    """Write what closes boxes of feedback, for the processes that go without `seal.key`."""
    public = SmallBoxes.of_secret(keys.box_secret_of[keys.current]).public
    with store.read() as connection:
        known = read_setting(connection, FEEDBACK_BOX_KEY)
    if known != public:
        with store.write() as connection:
            write_setting(connection, FEEDBACK_BOX_KEY, public)
