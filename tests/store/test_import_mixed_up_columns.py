"""Nobody stays readable, whatever column an address is put into by mistake."""

import pytest

from mailer.model.faults import FaultsFound
from tests.store.import_ground import Importer


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports into `store`."""
    return Importer(store, seal_keys, service_keys, tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        "a@example.org,nightjar@example.net,",
        "a@example.org,,nightjar@example.net",
    ],
    ids=["tags", "clear-attribute"],
)
def test_an_address_in_a_column_that_stays_readable_is_refused(importer, row):
    """Columns get mixed up: nobody's address ends in a clear column, or in a result."""
    result = importer.take("email,tags,city", row)
    assert not importer.holds("nightjar")
    assert 1 == result.rejected


def test_a_file_without_a_header_names_nobody(importer):
    """Its first row is taken for one; what is wrong with it is said without quoting it."""
    with pytest.raises(FaultsFound) as raised:
        importer.take("nightjar@example.org,nightjar@example.org", "b@example.org,b@example.org")
    assert "nightjar" not in str(raised.value)
