"""Text that is too pale is found by daylight and in dark mode, by the rules that hold for it."""

import pytest

from mailer.compose.contrast import Pale, Scheme, contrast, pale_texts

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def page(body, dark=""):
    """Return a mail with this body and, in its style element, these rules of dark mode."""
    rules = f"@media (prefers-color-scheme: dark) {{ {dark} }}" if dark else ""
    return f"<html><head><style>{rules}</style></head><body>{body}</body></html>"


def found(body, dark=""):
    """Return scheme, element, color and ground of each text that is too pale."""
    return [
        (one.scheme.value, one.element, one.color, one.ground)
        for one in pale_texts(page(body, dark))
    ]


@pytest.mark.parametrize(
    ("colors", "ratio"),
    [
        ((BLACK, WHITE), 21.0), ((WHITE, BLACK), 21.0), ((WHITE, WHITE), 1.0),
        # The palest gray that WCAG's own tables call enough, and the next.
        (((0x76, 0x76, 0x76), WHITE), 4.54), (((0x77, 0x77, 0x77), WHITE), 4.48),
    ],
)  # fmt: skip
def test_contrast_is_counted_as_wcag_does(colors, ratio):
    """From 1 to 21, whichever of both is the text."""
    assert ratio == pytest.approx(contrast(*colors), abs=0.005)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<p style="color:#777777">a</p>', [("light", "p", "#777777", "#ffffff")]),
        ('<p style="color: #767676">a</p>', []),
        ('<p style="color:#777">a</p>', [("light", "p", "#777777", "#ffffff")]),
        ('<p style="color:rgb(200, 200, 200)">a</p>', [("light", "p", "#c8c8c8", "#ffffff")]),
        ('<p style="color:yellow">a</p>', [("light", "p", "#ffff00", "#ffffff")]),
        # What is around it holds for what says nothing.
        ('<div style="color:#888"><p>a</p></div>', [("light", "p", "#888888", "#ffffff")]),
        ('<td bgcolor="#333333"><b>a</b></td>', [("light", "b", "#000000", "#333333")]),
        ('<div style="background:#333 none"><i style="color:#fff">a</i></div>', []),
        # Large text may be paler.
        ('<p style="color:#888;font-size:24px">a</p>', []),
        ('<p style="color:#888;font-size:14pt;font-weight:bold">a</p>', []),
        ('<p style="color:#888;font-size:18px;font-weight:bold">a</p>',
         [("light", "p", "#888888", "#ffffff")]),
        ('<h1 style="color:#888">a</h1>', []),
        # What nobody reads is not judged.
        ('<p style="color:#fff"> </p>', []),
        ('<div style="display:none;color:#fff">a<b>b</b></div>', []),
        ('<p style="color:#fff;background-image:url(x)">a</p>',
         [("light", "p", "#ffffff", "#ffffff")]),
        ('<p style="color:#fff;background:url(x)">a</p>', []),
        ('<p style="color:rgba(0,0,0,120)">a</p>', []),
        # An element is named as its rule names it.
        ('<p class="sender big" style="color:#999">a</p>',
         [("light", "p.sender.big", "#999999", "#ffffff")]),
        ('<td class="footer"><a style="color:#999">a</a></td>',
         [("light", "td.footer a", "#999999", "#ffffff")]),
        # Text behind an element belongs to what is around that.
        ('<p style="color:#999"><b style="color:#000">a</b> b</p>',
         [("light", "p", "#999999", "#ffffff")]),
        # A link has a color of its own.
        ('<div style="background-color:#444"><a href="x">a</a></div>',
         [("light", "a", "#0000ee", "#444444")]),
    ],
)  # fmt: skip
def test_text_by_daylight(body, told):
    """By style attributes, which every mail program reads."""
    body = f"<table>{body}</table>" if body.startswith("<td") else body
    assert told == found(body)


@pytest.mark.parametrize(
    ("dark", "told"),
    [
        # No rule: programs choose by themselves.
        ("", []),
        (".card { background-color: #111 !important }",
         [("dark", "p.card", "#222222", "#111111")]),
        (".card { background-color: #111 !important; color: #eee !important }", []),
        # What is in an attribute holds against a rule that is not important.
        (".card { background-color: #111 !important; color: #eee }",
         [("dark", "p.card", "#222222", "#111111")]),
        # The more specific rule counts, wherever it stands, and of two alike the later.
        (("p.card { color: #333 !important } .card { color: #eee !important; "
         "background-color: #000 !important }"), [("dark", "p.card", "#333333", "#000000")]),
        ((".card { color: #eee !important } .card { color: #333 !important; "
         "background-color: #000 !important }"), [("dark", "p.card", "#333333", "#000000")]),
        ("body, .card { background-color: #000 !important }",
         [("dark", "p.card", "#222222", "#000000")]),
        # What no program can read is left out.
        (".card:::x { color: #222 !important }", []),
    ],
)  # fmt: skip
def test_text_in_dark_mode(dark, told):
    """By the rules that programs with a dark mode put over the attributes."""
    assert told == found('<p class="card" style="color:#222">a</p>', dark)


def test_a_ratio_is_never_rounded_up_to_enough():
    """4.478 is told as 4.47, so that nobody reads "4.5 where 4.5 is needed"."""
    (one,) = pale_texts(page('<p style="color:#777777">a</p>'))
    assert Pale(Scheme.LIGHT, "p", "#777777", "#ffffff", 4.47, 4.5) == one
