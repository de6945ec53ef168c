"""Charts in a real browser: narrow, wide, light and dark."""

from pathlib import Path

import pytest

from mailer.desk import charts
from mailer.desk.charts import Bar, Line, Words, bars, lines_over_time
from tests.support.browser import axe_violations, open_page, screenshot

CSS = Path(charts.__file__).parent / "static" / "desk.css"


@pytest.mark.parametrize(("width", "dark"), [(320, False), (320, True), (1100, False)])
def test_charts_fit_and_axe_finds_nothing(browser, width, dark):
    """Nothing is wider than the page, and picture and table say the same."""
    languages = Words("languages", "Accepted by language", "Bars by language.", "Language")
    back = Words("back", "What came back", "Lines by the hour.", "Hour")
    drawn = bars(
        languages, [Bar("українська", 1204, "1,204"), Bar("română", 7, "< 10")], "Accepted"
    )
    drawn += lines_over_time(
        back,
        ["1 Dec 07:00", "1 Dec 08:00", "1 Dec 09:00"],
        [Line("Hard bounces", [0, 30, 2]), Line("Soft bounces", [1, 9, 4])],
    )
    page_text = (
        '<!doctype html><html lang="en"><head><title>Report</title>'
        f"<style>{CSS.read_text()}</style></head><body><main><h1>Report</h1>{drawn}</main></body></html>"
    )
    with open_page(browser, width=width, dark=dark, language="en") as page:
        page.set_content(page_text)
        assert axe_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        screenshot(page, f"charts-{width}-{'dark' if dark else 'light'}")
