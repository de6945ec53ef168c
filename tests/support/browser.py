"""Debian's Chromium, headless, with its network cut off but for loopback.

Use the fixture `browser` (marker `browser`), then open pages:

    with open_page(browser, width=320, dark=True, language="fa") as page:
        page.goto(address)
        assert axe_violations(page) == []
        screenshot(page, "unsubscribe-fa-dark")

Tests with this fixture are plain functions, not coroutines. `MAILER_PICTURES=folder` in the
environment keeps the pictures, to be looked at.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import axe_core_python
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

_AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
#: Rules of WCAG 2.2 A and AA, and what axe knows beside them.
_AXE_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
#: Browser → the page that shows its mails; it goes when the browser does.
_STANDING: WeakKeyDictionary[Browser, Page] = WeakKeyDictionary()
#: Follows the focus: `begin` counts what should get it, `step` says when all of it had it.
_KEYS = """window.keys = (() => {
  const used = "a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [tabindex='0']";
  const shown = one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.tabIndex >= 0;
  const group = one => one.type === "radio" ? `${one.form?.id} ${one.form?.action} ${one.name}` : one;
  const said = one => one.outerHTML.slice(0, 120);
  let left, unseen;
  return {
    begin() {
      left = new Map([...document.querySelectorAll(used)].filter(shown).map(one => [group(one), one]));
      unseen = [];
      document.activeElement?.blur();
      return left.size;
    },
    step() {
      const one = document.activeElement;
      if (!left.has(group(one))) return left.size === 0;
      left.delete(group(one));
      const style = getComputedStyle(one), box = one.getBoundingClientRect();
      const ringed = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      const there = box.width && box.bottom > 0 && box.top < innerHeight && box.right > 0;
      if (one.tagName !== "IFRAME" && !(ringed && there)) unseen.push(`not seen: ${said(one)}`);
      return left.size === 0;
    },
    end: () => [...unseen, ...[...left.values()].map(one => `not reached: ${said(one)}`)],
  };
})()"""
_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--no-first-run",
    # Whatever a page or a mail asks for by name, nothing outside is ever looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


def chromium_path() -> str:
    """Return where Chromium is; "" when it is not installed."""
    return shutil.which("chromium") or ""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a Chromium with an empty profile."""
    flags = [*_FLAGS]
    if os.geteuid() == 0:
        # Chromium's own sandbox does not start as root; what is shown here is ours or a test's.
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        try:
            yield opened
        finally:
            opened.close()


@contextlib.contextmanager
def open_page(
    browser: Browser,
    *,
    width: int = 1024,
    height: int = 800,
    dark: bool = False,
    javascript: bool = True,
    language: str = "en",
    headers: Mapping[str, str] | None = None,
) -> Iterator[Page]:
    """Open an empty page of a browser of its own: no cookie or cache of another test.

    Its `requests` collects the address of all it asked for.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
        locale=language,
        extra_http_headers=dict(headers or {}),
        reduced_motion="reduce",
    )
    try:
        yield _new_page(context)
    finally:
        context.close()


def _new_page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(10_000)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.requests = requests  # type: ignore[attr-defined]
    return page


@contextlib.contextmanager
def open_html(
    browser: Browser, html: str, *, width: int = 1024, height: int = 800, dark: bool = False
) -> Iterator[Page]:
    """Open HTML that has no address, such as a mail's, in a page as `open_page` gives it.

    It is read from a file, so that the doctype and character set count as they do in a mail. One
    page shows them all: a mail keeps nothing in a browser, and a new page takes most of a second.
    """
    if browser not in _STANDING:
        _STANDING[browser] = _new_page(browser.new_context())
    page = _STANDING[browser]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
    with tempfile.TemporaryDirectory(prefix="mailer-page-") as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        page.goto(path.as_uri())
        page.requests.clear()  # type: ignore[attr-defined]
        yield page


def axe_violations(page: Page, context: str = "", rules: Sequence[str] = ()) -> list[str]:
    """Return what axe-core finds wrong, a line each: rule, how bad, where; `rules` are all by default.

    It is run by the debugger, so a page's Content-Security-Policy does not stop it; it does need
    a page that was opened with JavaScript.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "([context, options]) => axe.run(context || document, options)",
        # Of what is right only as much is worked out as tells what is wrong.
        [context, {"runOnly": list(rules or _AXE_RULES), "resultTypes": ["violations"]}],
    )
    return [
        f"{one['id']} ({one['impact']}): " + ", ".join(str(node["target"]) for node in one["nodes"])
        for one in found["violations"]
    ]


def set_dark(page: Page, dark: bool) -> None:
    """Let the visitor prefer dark pages, or light ones."""
    page.emulate_media(color_scheme="dark" if dark else "light")


def style(page: Page, selector: str, name: str) -> str:
    """Return a computed style of the first element the selector finds."""
    value: str = page.eval_on_selector(
        selector, "(element, name) => getComputedStyle(element).getPropertyValue(name)", name
    )
    return value


def overflows(page: Page) -> list[str]:
    """Return the elements that stick out of the page sideways; none is what a phone wants."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(element => {
             const box = element.getBoundingClientRect();
             const hidden = getComputedStyle(element).visibility === 'hidden';
             return !hidden && box.width && box.height
               && (box.right > document.documentElement.clientWidth + 1 || box.left < -1);
           }).map(element => element.tagName.toLowerCase() + '.' + element.className)"""
    )
    return found


def out_of_reach(page: Page) -> list[str]:
    """Return what Tab does not lead to, or where nobody sees that it is: a line each.

    Counted is what a visitor can use: links, fields, buttons, details. Of a group of radio buttons
    one is enough, as the arrow keys lead to the others; what a frame holds is the frame's.
    """
    page.evaluate(_KEYS)
    steps: int = page.evaluate("() => keys.begin()")
    for _ in range(steps * 2 + 20):
        page.keyboard.press("Tab")
        if page.evaluate("() => keys.step()"):
            break
    found: list[str] = page.evaluate("() => keys.end()")
    return found


def contrast(page: Page, selector: str) -> float:
    """Return the contrast of an element's text against what is behind it, as WCAG 2 counts it."""
    ratio: float = page.eval_on_selector(
        selector,
        """element => {
          const read = text => (text.match(/[\\d.]+/g) || []).map(Number);
          const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          let behind = [255, 255, 255];
          for (let one = element; one; one = one.parentElement) {
            const colour = read(getComputedStyle(one).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) { behind = colour; break; }
          }
          const [a, b] = [light(read(getComputedStyle(element).color)), light(behind)];
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }""",
    )
    return ratio


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the whole page as `name`.png where MAILER_PICTURES says, if it does."""
    folder = os.environ.get("MAILER_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(full_page=True, path=Path(folder) / f"{name}.png")


__all__ = [
    "Browser",
    "Error",
    "Page",
    "axe_violations",
    "chromium",
    "chromium_path",
    "contrast",
    "open_html",
    "open_page",
    "overflows",
    "screenshot",
    "style",
]
