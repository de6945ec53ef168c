"""A workspace with the sample statement, its API served on loopback."""

import pytest

from tests.support.api import served_api
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.drafts import drafting_workspace


@pytest.fixture(scope="module")
def api(tmp_path_factory, sqlite_template):
    """The API of a workspace that the tests of a module share."""
    folder = tmp_path_factory.mktemp("api")
    store = sqlite_copy(sqlite_template, folder / "test.db")
    (folder / "data").mkdir()
    with served_api(drafting_workspace(folder, store, FixedClock())) as served:
        yield served
    store.close()


@pytest.fixture(scope="module")
def program(api):
    """A program whose token is for everything."""
    with api.client() as client:
        yield client
