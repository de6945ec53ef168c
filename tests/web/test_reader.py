"""What a visitor reads, and what a page speaks to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.web.public.reader import accepted_languages, page_language


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("*", ()),
        ("ro", ("ro",)),
        ("de-AT,de;q=0.9,en;q=0.8", ("de-AT", "de", "en")),
        ("en;q=0.1, fa ; q=0.9 ,ru", ("ru", "fa", "en")),
        ("ru;q=0, en", ("en",)),
        ("mo, en", ("ro", "en")),
        ("EN_us, fr", ("fr",)),
        ("en;q=2, uk;q=0.5, !!, <script>", ("uk",)),
        ("sr-latn-rs", ("sr-Latn-RS",)),
        ("uk, uk;q=0.4", ("uk",)),
    ],
)
def test_languages_are_ordered_by_weight(header, expected):
    """Weights order them, 0 and the unreadable are left out, tags come in their one form."""
    assert expected == accepted_languages(header)


def test_a_long_header_is_not_read_to_its_end():
    """Only as many languages as a browser would send are looked at."""
    assert len(accepted_languages(",".join(["en", "ru"] * 5_000))) == 2
    assert accepted_languages(",".join(["*"] * 50 + ["ru"])) == ()


@given(st.text(max_size=200))
def test_any_header_is_read_without_error(header):
    """Whatever a visitor sends, a tuple of tags comes back."""
    assert isinstance(accepted_languages(header), tuple)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((), "en"),
        (("ru",), "ru"),
        (("de-AT",), "de"),
        (("uk", "be"), "en"),
        (("uk", "ru"), "ru"),
        (("mo",), "ro"),
        (("zz",), "en"),
    ],
)
def test_a_page_speaks_the_first_language_it_has(wanted, expected):
    """The visitor's order counts; a language is never taken for another that is near it."""
    assert expected == page_language(wanted, ("en", "ru", "ro", "fa", "de"))
