"""Read the small forms that are posted to the public pages, and nothing larger.

In: a request. Out: its text fields, or `FormRefused` with the status that says why. Standards:
RFC 9110 for the status codes, RFC 7578 and the URL standard for the two encodings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus

from python_multipart.multipart import parse_options_header
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from mailer.audience.addresses import BadAddress, NormalAddress, normalize_address

#: A one-click body is under 300 bytes; a form with all lists and topics chosen is a few thousand.
LARGEST_BODY = 16 * 1024
_MOST_FIELDS = 200
_LONGEST_FIELD = 1024
#: Who takes longer for so little is keeping the connection busy.
BODY_TIMEOUT_S = 10.0
#: Who sends much has the time that it takes at this rate, in octets a second.
_SLOWEST = 32_000

Fields = tuple[tuple[str, str], ...]


class FormRefused(Exception):
    """The body is not a form that is read here."""

    def __init__(self, status: HTTPStatus) -> None:
        self.status = status
        super().__init__(status.phrase)


async def read_form(request: Request) -> Fields:
    """Return the name and value of each text field, in order.

    Raises:
        FormRefused: for another content type, a body that is too large, too slow or malformed.
    """
    content_type, options = parse_options_header(request.headers.get("content-type"))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise FormRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if content_type == b"multipart/form-data":
        if not options.get(b"boundary"):
            raise FormRefused(HTTPStatus.BAD_REQUEST)
    elif content_type != b"application/x-www-form-urlencoded":
        raise FormRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = _once(await read_body(request, LARGEST_BODY))
    parser: MultiPartParser | FormParser
    if content_type == b"multipart/form-data":
        parser = MultiPartParser(
            request.headers,
            body,
            max_files=0,
            max_fields=_MOST_FIELDS,
            max_part_size=_LONGEST_FIELD,
        )
    else:
        parser = FormParser(
            request.headers, body, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD
        )
    try:
        form = await parser.parse()
    # A charset that Python does not know, or bytes that are not in it, are as malformed.
    except (MultiPartException, LookupError, UnicodeError) as error:
        raise FormRefused(HTTPStatus.BAD_REQUEST) from error
    return tuple((name, value) for name, value in form.multi_items() if isinstance(value, str))


def address_in(fields: Fields, name: str) -> NormalAddress | None:
    """Return the mail address in a field of a form; None where it holds none."""
    try:
        return normalize_address(dict(fields).get(name, ""))
    except BadAddress:
        return None


async def read_body(request: Request, largest: int) -> bytes:
    """Return the body of a request, of so many octets at most.

    Raises:
        FormRefused: for a body that is too large or too slow.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > largest:
        raise FormRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = bytearray()
    until = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
    try:
        async with asyncio.timeout_at(until) as limit:
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    raise FormRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                limit.reschedule(until + len(body) / _SLOWEST)
    except TimeoutError as error:
        raise FormRefused(HTTPStatus.REQUEST_TIMEOUT) from error
    return bytes(body)


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
