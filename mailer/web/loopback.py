"""For pages that answer on this machine only, beside and never under base_url.

In: the Host field of a request. Out: whether it names this machine.
"""

from __future__ import annotations

import re

from fastapi import Request

_HOSTS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


def is_asked_here(request: Request) -> bool:
    """Tell whether a request is for this machine.

    A page on the web that points its own name at 127.0.0.1 must not read what is served here.
    """
    return bool(_HOSTS.fullmatch(request.headers.get("host", "")))
