"""Browsers are called by family and system."""

import pytest

from mailer.model.browsers import browser_of

_LIKE_GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "called"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox, Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_LIKE_GECKO} Chrome/141.0 Safari/537.36",
         "Chrome, Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_LIKE_GECKO} Chrome/141.0 Safari/537.36 Edg/141.0",
         "Edge, Windows"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {_LIKE_GECKO} Safari/604.1",
         "Safari, iPhone"),
        (f"Mozilla/5.0 (Linux; Android 15) {_LIKE_GECKO} Chrome/141.0 Mobile Safari/537.36",
         "Chrome, Android"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_LIKE_GECKO} Safari/605.1.15",
         "Safari, Mac"),
        ("Firefox/1", "Firefox"),
        ("curl/8.5", "Unknown browser"),
        ("<script>alert(1)</script>", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_family_and_system(user_agent, called):
    """Nothing of what it says of itself is kept beyond that."""
    assert called == browser_of(user_agent)
