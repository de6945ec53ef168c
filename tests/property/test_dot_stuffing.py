"""Content that begins lines with dots comes out of DATA as it went in (RFC 5321 §4.5.2)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.delivery.session import dot_stuffed

_lines = st.one_of(
    st.sampled_from([b".", b"..", b". ", b".=", b""]),
    st.binary(max_size=20).map(lambda octets: re.sub(rb"[\r\n\0]", b".", octets)),
)


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(_lines, min_size=1, max_size=12))
def test_lines_that_begin_with_a_dot_survive_the_way(lines):
    """Stuffed, no line is a dot by itself; a server that takes one dot away has what was sent."""
    content = b"\r\n".join(lines) + b"\r\n"
    stuffed = dot_stuffed(content)
    received = [one[1:] if one.startswith(b".") else one for one in stuffed.split(b"\r\n")]
    assert b".\r\n" != stuffed[:3]
    assert b"\r\n.\r\n" not in stuffed
    assert b"\r\n".join(received) == content


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a", b"", b"a\r\n\n.\r\n"])
def test_a_bare_cr_or_lf_is_never_stuffed(content):
    """Some servers take it for the end of a line, and then of the message: it is refused."""
    with pytest.raises(ValueError, match="CR"):
        dot_stuffed(content)
