"""Faults at the desk are told in the reader's language, of statements, imports and segments."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.model.staff import StaffRole
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk
from tests.web.test_desk_audience import chosen, until, upload

_TOLD = re.compile(
    r'<[^>]*class="problems?[" ].*?</(?:p|div)>|<ul class="tasks">.*?</ul>|<th scope="row">.*?</th>',
    re.S,
)
#: Keys, file names and what a person types: they are the same in every language.
_NAMES = re.compile(
    r"«[^»]*»|`[^`]*`|\S+://\S*|[\w-]+\.(?:md|toml|csv|jpg)|\[\[?\w+\]?\]|\(https[^)]*\)"
    r"|\b(?:title|subject|preheader|discreet_\w+|attribution|quote|source|UTF|HTML|Markdown|CSV|tags|"
    r"press|country|expression|key|name|https|languages?|clear|true|example|published)\b"
)


@pytest.fixture
def browser(tmp_path):
    """A browser that reads Ukrainian, in which somebody who writes and sends is signed in."""
    make_workspace(tmp_path / "workspace").store.close()
    workspace = Workspace.open(tmp_path / "workspace", FixedClock(datetime.now(UTC)))
    with (
        served_desk(workspace) as served,
        served.signed_in(StaffRole.SENDER, StaffRole.AUTHOR) as browser,
    ):
        browser.client.headers["Accept-Language"] = "uk"
        yield browser
    workspace.store.close()


def english_in(page) -> list[str]:
    """Return English words among what a page tells of faults, names left out."""
    told = " ".join(_TOLD.findall(page.text))
    assert 'lang="en"' not in told, told
    text = unescape(re.sub(r"<[^>]*>", " ", told))
    return re.findall(r"[A-Za-z]{3,}", _NAMES.sub(" ", text))


def test_a_faulty_statement_is_told_in_ukrainian(browser):
    """Beside the fields, and on the page of its checks."""
    browser.get("/desk/new-statement")
    page = browser.post(
        "/desk/new-statement",
        {"title": "Ferry", "slug": "beacon", "kind": "statement", "source_language": "en"},
    )
    seen = re.findall(r'name="seen" value="(\d*)"', page.text)[-1]
    page = browser.post(
        "/desk/statements/beacon/editions/en",
        {
            "seen": seen, "title": "Ferry", "subject": "",
            "body": "# One\n\n![](missing.jpg)\n\n> quoted\n\n[words](http://example.org)\n\nСлoво\n",
        },
    )  # fmt: skip
    assert "адреса не на https" in page.text
    assert "порожньо" in page.text or "бракує" in page.text
    assert [] == english_in(page)
    checks = browser.get("/desk/statements/beacon/checks?part=1")
    assert "ніхто не підписав" in checks.text
    assert "латиниця" in checks.text
    assert [] == english_in(checks)


def test_a_faulty_import_is_told_in_ukrainian(browser):
    """Before it is read, and what becomes of its lines, which was noted for any language."""
    path = upload(browser)
    columns = chosen(browser.get(path))
    wrong = browser.post(f"{path}/columns", columns | {"column-1": "address"})
    assert "це поле дають два стовпці" in wrong.text
    browser.post(f"{path}/columns", columns)
    page = until(browser, path, "це не адреса електронної пошти")
    assert [] == english_in(page)


def test_a_faulty_segment_is_told_in_ukrainian(browser):
    """With what the person typed, and the fields that there are."""
    path = "/desk/audience/new-segment"
    browser.get(path)
    page = browser.post(
        path,
        {"mode": "text", "key": "x", "name": "x", "expression": "town = Kyiv", "do": "save"},
    )
    assert 422 == page.status_code
    assert "поля «town» немає" in page.text
    assert "is not a field" not in page.text
