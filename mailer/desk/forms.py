"""Read the forms of the desk: text fields, and files where a route takes them.

In: a request and what its route allows. Out: a `Form`, or `FormRefused` with the status that says why.
Nothing of an upload is written to the disk. Standards: RFC 7578, RFC 9110.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from mailer.desk.routes import Upload
from mailer.web.public.forms import FormRefused, read_body

#: An edition with its head is tens of thousands; encoded, Cyrillic letters take six octets each.
LARGEST_FORM = 4 * 1024 * 1024
#: Where nobody need be signed in: the comment of a reviewer, and what passwords may have.
LARGEST_FORM_OF_ANYBODY = 64 * 1024
_MOST_FIELDS = 2_000
_LONGEST_FIELD = 2 * 1024 * 1024


@dataclass(frozen=True, repr=False)
class SentFile:
    """A file as a browser sent it."""

    #: As it was called there: hostile text, never a path of ours.
    name: str
    content: bytes


@dataclass(frozen=True, repr=False)
class Form:
    """What was filled in."""

    fields: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, tuple[SentFile, ...]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return a field without space around it; `default` where the form has none."""
        return next((value for key, value in self.fields if key == name), default).strip()

    def lines(self, name: str) -> str:
        """Return a field of several lines as it was written, with plain line feeds, in NFC."""
        value = next((value for key, value in self.fields if key == name), "")
        return unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n"))

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field that may be there more than once."""
        return tuple(value.strip() for key, value in self.fields if key == name)

    def has(self, name: str) -> bool:
        """Tell whether a field was sent with anything in it."""
        return bool(self.text(name))

    def file(self, name: str) -> SentFile | None:
        """Return the one file of a field; None where none was chosen."""
        return next(iter(self.files.get(name, ())), None)


async def read_form(request: Request, largest: int, upload: Upload | None = None) -> Form:
    """Return what a form of so many octets at most holds.

    Raises:
        FormRefused: for another content type, a body that is too large, too slow or malformed.
    """
    content_type, options = parse_options_header(request.headers.get("content-type"))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise FormRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    multipart = content_type == b"multipart/form-data"
    if multipart and not options.get(b"boundary"):
        raise FormRefused(HTTPStatus.BAD_REQUEST)
    if not multipart and content_type != b"application/x-www-form-urlencoded":
        raise FormRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = await read_body(request, largest)
    parser: MultiPartParser | FormParser
    if multipart:
        parser = MultiPartParser(
            request.headers,
            _once(body),
            max_files=upload.most_files if upload else 0,
            max_fields=_MOST_FIELDS,
            max_part_size=_LONGEST_FIELD,
        )
        # Files of supporters must not lie in a folder for temporary ones, be it for a moment.
        parser.spool_max_size = largest
    else:
        parser = FormParser(
            request.headers, _once(body), max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD
        )
    try:
        form = await parser.parse()
    except (MultiPartException, LookupError, UnicodeError) as error:
        raise FormRefused(HTTPStatus.BAD_REQUEST) from error
    fields: list[tuple[str, str]] = []
    files: dict[str, list[SentFile]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            # A browser sends an empty file without a name where none was chosen.
            if value.filename or content:
                files.setdefault(name, []).append(SentFile(value.filename or "", content))
        else:
            fields.append((name, value))
    await form.close()
    return Form(tuple(fields), {name: tuple(found) for name, found in files.items()})


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
