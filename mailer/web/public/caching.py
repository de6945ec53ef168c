"""Answer with what caches may keep, and not twice to who has it already.

In: a request, content that is the same for everyone who asks alike. Out: 200, or 304 without it.
Standards: RFC 9110 §8.8.3 and §13.1.2 for tags and If-None-Match, RFC 9111 for how long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

#: How long a copy of a page or a feed may be shown after it has changed, in seconds.
PAGE_MAX_AGE_S = 300
#: The same of a picture. Its address names its content, and yet it may be withdrawn.
PICTURE_MAX_AGE_S = 86_400
#: An address that names its content and is nobody's secret: as long as caches keep anything.
FOREVER_S = 31_536_000

HTML = "text/html; charset=utf-8"


def etag_of(content: bytes) -> str:
    """Return the tag of a page's content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def cached(
    request: Request,
    content: bytes,
    etag: str,
    media_type: str,
    headers: Mapping[str, str],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    max_age_s: int = PAGE_MAX_AGE_S,
) -> Response:
    """Return content that anybody may keep for a while; 304 to who has it.

    Args:
        request: What was asked.
        content: Of the page, the feed or the picture.
        etag: See `etag_of`.
        media_type: With its character set.
        headers: Beside those of caching.
        status: Of an answer that is not 304.
        max_age_s: For how long a copy is shown without asking again.
    """
    headers = {"Cache-Control": f"public, max-age={max_age_s}", "ETag": etag, **headers}
    # RFC 9110 §13.2.1: a condition is only looked at where the answer would be 2xx.
    if status is HTTPStatus.OK and _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, status, headers, media_type)


def _matches(header: str, etag: str) -> bool:
    # RFC 9110 §13.1.2: any of the tags listed, compared weakly.
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag in (etag, "*") for tag in tags)
