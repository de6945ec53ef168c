"""The tests' own Chromium: what it shows, what it asks for, and what it finds wrong."""

from tests.support.browser import axe_violations, contrast, open_html, overflows, screenshot, style

PAGE = """<!doctype html><html lang="fa" dir="rtl"><head><meta charset="utf-8"><title>آزمون</title>
<style>p { color: #222; background: #fff } @media (prefers-color-scheme: dark) { p { color: #eee;
background: #111 } } @media (max-width: 400px) { p { font-size: 30px } }</style></head>
<body><main><h1>آزمون</h1><p>متن</p></main></body></html>"""


def test_it_shows_a_page_as_asked_for(browser, tmp_path, monkeypatch):
    """Width and colour scheme reach the page's own rules; its picture is kept where one says."""
    monkeypatch.setenv("MAILER_PICTURES", str(tmp_path))
    with open_html(browser, PAGE, width=320, dark=True) as page:
        assert style(page, "p", "color") == "rgb(238, 238, 238)"
        assert style(page, "p", "font-size") == "30px"
        assert contrast(page, "p") > 15
        assert overflows(page) == []
        screenshot(page, "browser-dark")
        assert (tmp_path / "browser-dark.png").read_bytes().startswith(b"\x89PNG")
    with open_html(browser, PAGE, width=900) as page:
        assert style(page, "p", "color") == "rgb(34, 34, 34)"
        assert style(page, "html", "direction") == "rtl"


def test_it_says_what_a_page_asked_for_and_reaches_nobody(browser):
    """A remote picture is seen in the requests, and never fetched."""
    remote = PAGE.replace(
        "<p>", '<img src="https://tracker.example.com/x.png" alt="" width="9"><p>'
    )
    with open_html(browser, remote) as page:
        page.reload()
        assert "https://tracker.example.com/x.png" in page.requests
        assert page.eval_on_selector("img", "image => image.naturalWidth") == 0


def test_it_finds_what_is_wrong_with_a_page(browser):
    """A clean page is clean; a picture without alternative text and too wide a box are named."""
    with open_html(browser, PAGE) as page:
        assert axe_violations(page) == []
    broken = PAGE.replace(
        "<p>", '<img src="x.png"><div class="wide" style="width:900px">.</div><p>'
    )
    with open_html(browser, broken, width=320) as page:
        assert [one.split(" ")[0] for one in axe_violations(page)] == ["image-alt"]
        assert "div.wide" in overflows(page)
