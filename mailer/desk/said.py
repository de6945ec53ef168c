"""What a page says at its top after something was done and the browser was sent on to it.

In: a key in the address. Out: a phrase; a key that is not here says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailer.desk.phrases import mark

SAID: Mapping[str, str] = {
    "saved": mark("Saved"),
    "signed-out": mark("You are signed out"),
}
