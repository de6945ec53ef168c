"""Mailings at the desk: what is shown of one to which nothing has happened yet."""

from __future__ import annotations

import pytest

from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import make_draft
from mailer.model.staff import BY_ITSELF, StaffRole
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk
from tests.support.drafts import LIST, SLUG, drafting_workspace


@pytest.fixture
def browser(tmp_path, sqlite_store):
    """A browser in which an author is signed in, and a draft of the sample statement."""
    workspace = drafting_workspace(tmp_path, sqlite_store, FixedClock())
    (tmp_path / "data").mkdir(exist_ok=True)
    make_draft(workspace, BY_ITSELF, make_plan(workspace, Wish(SLUG, (LIST,))))
    with served_desk(workspace) as desk, desk.signed_in(StaffRole.AUTHOR) as opened:
        yield opened


def test_a_report_of_nothing_says_so(browser):
    """No table without a figure."""
    page = browser.get(f"/desk/mailings/{SLUG}-1/report").text
    assert "Nothing was counted yet." in page
    assert "<table" not in page


def test_a_reader_of_another_language_is_named_in_words(browser):
    """A language without an edition stands in the choice by its name, with what they would get."""
    page = browser.get(f"/desk/mailings/{SLUG}-1/preview?other=fa").text
    assert '<option value="fa" selected>Persian</option>' in page
    assert "The reader gets the one in English, with a notice." in page


@pytest.mark.parametrize("typed", ["<script>alert(1)</script>", "x", "zz-zz-zz-zz", "{{7*7}}"])
def test_what_is_no_language_is_told_and_stays_text(browser, typed):
    """Whatever stands in the address, it breaks nothing and runs nowhere."""
    page = browser.client.get(f"/desk/mailings/{SLUG}-1/preview", params={"other": typed})
    assert 422 == page.status_code
    assert "There is no such mail" in page.text
    assert "<script>alert" not in page.text


def test_people_are_narrowed_by_a_saved_segment_or_by_an_expression(browser):
    """A saved one is chosen by its name and is chosen when the form is opened again; both is refused."""
    path = "/desk/mailings/new"
    page = browser.get(path).text
    assert '<option value="active-volunteers">Volunteers with at least four hours' in page
    asked = {"statement": SLUG, "lists": "harbor-volunteers"}
    page = browser.post(path, asked | {"saved_segment": "active-volunteers"})
    assert f"/desk/mailings/{SLUG}-2" == page.url.path
    assert "hours &gt;= 4" in page.text
    page = browser.get(f"/desk/mailings/{SLUG}-2/change").text
    assert '<option value="active-volunteers" selected>' in page
    browser.post(f"/desk/mailings/{SLUG}-2/change", asked | {"exclude": "country = RU"})
    page = browser.get(f"/desk/mailings/{SLUG}-2/change").text
    assert "active-volunteers" in page
    assert '<option value="active-volunteers" selected>' not in page
    assert 'value="country = RU"' in page
    both = asked | {"saved_exclude": "active-volunteers", "exclude": "country = RU"}
    page = browser.post(path, both)
    assert 422 == page.status_code
    assert "not both" in page.text
    params = {"list": LIST, "saved_segment": "new-this-year", "segment": "country = MD"}
    page = browser.client.get("/desk/audience/count", params=params)
    assert 422 == page.status_code
    assert "data-fetch" not in page.text
