"""Build the MIME body of a compiled message, with the slots between its bytes.

In: the rendered parts, the pictures. Out: the body as segments and the Content-Type of the whole:
multipart/alternative, plain text first, the HTML in multipart/related when it shows pictures; or
text/plain alone, for those who want no HTML. Boundaries and content ids are random, and look like
nobody's program. Standards: RFC 2045, 2046 §5.1 (multipart), §5.1.4 (alternative), RFC 2387
(related), RFC 2392 (cid), RFC 3282 (Content-Language), RFC 2183 (Content-Disposition).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mailer.compose.encoding import (
    EncodedText,
    Flavor,
    Segment,
    base64_lines,
    encode_text,
)
from mailer.compose.headers import Header, plain_header
from mailer.compose.ledger import Ledger
from mailer.compose.rendering import Rendered
from mailer.model.statement import Picture

_BOUNDARY_BYTES = 15
_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True)
class MimeBody:
    """A body as it goes over the wire, but for the slots."""

    #: What the message's own header says of it.
    headers: tuple[Header, ...]
    #: In order; adjacent bytes are joined.
    segments: tuple[Segment, ...]


def new_content_ids(names: Iterable[str], domain: str) -> dict[str, str]:
    """Return a random Content-ID, without angle brackets, for each picture.

    Args:
        names: Names of the pictures.
        domain: What stands after the at sign: one of the sender's own.
    """
    return {name: f"{secrets.token_hex(10)}@{domain}" for name in names}


def build_body(
    rendered: Rendered,
    ledger: Ledger,
    language: str,
    pictures: Mapping[str, Picture],
    content_ids: Mapping[str, str],
    *,
    text_only: bool = False,
) -> MimeBody:
    """Return the body of a message.

    Args:
        rendered: Both parts, with markers.
        ledger: Knows the markers.
        language: Tag of the edition, for Content-Language.
        pictures: Of the revision, by name.
        content_ids: Of the pictures, by name.
        text_only: It is the plain text alone.
    """
    plain = encode_text(rendered.text, ledger, Flavor.TEXT)
    if text_only:
        return MimeBody(
            (
                plain_header("Content-Type", "text/plain; charset=utf-8"),
                plain_header("Content-Transfer-Encoding", plain.encoding),
            ),
            plain.segments,
        )
    text = _text_part("plain", plain, language)
    html = _text_part("html", encode_text(rendered.html, ledger, Flavor.HTML), language)
    if rendered.pictures:
        shown = [
            _picture_part(number, pictures[name], content_ids[name])
            for number, name in enumerate(rendered.pictures, start=1)
        ]
        boundary, segments = _multipart([html, *shown])
        # RFC 2387 §3.1: type names that of the root, which is the first part.
        head = (
            f'Content-Type: multipart/related; type="text/html";\r\n boundary="{boundary}"\r\n\r\n'
        )
        html = [head.encode("ascii"), *segments]
    # RFC 2046 §5.1.4: the plainest comes first, what is liked best last.
    boundary, segments = _multipart([text, html])
    whole = f'multipart/alternative;\r\n boundary="{boundary}"'
    return MimeBody((Header("Content-Type", whole.encode("ascii")),), tuple(_joined(segments)))


#: Of a part, or a whole message, that is text in quoted-printable.
TEXT_FIELDS = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Transfer-Encoding", "quoted-printable"),
)


def text_and_letter(text: bytes, letter: bytes) -> tuple[str, bytes]:
    """Return the Content-Type and the body of a message with a letter of somebody else attached.

    Args:
        text: What is said of it, in quoted-printable.
        letter: Its octets, as they came. Neither we nor who opens the message read them as parts of
            it: they travel as a file, in base64, which RFC 2046 §5.2.1 allows for no message inside
            a message.
    """
    head = "".join(f"{name}: {value}\r\n" for name, value in TEXT_FIELDS)
    file = (
        'Content-Type: application/octet-stream; name="letter.eml"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="letter.eml"\r\n'
        "\r\n"
    )
    boundary, segments = _multipart(
        [
            [f"{head}\r\n".encode("ascii"), text, b"\r\n"],
            [file.encode("ascii"), base64_lines(letter), b"\r\n"],
        ]
    )
    body = b"".join(one for one in segments if isinstance(one, bytes))
    return f'multipart/mixed; boundary="{boundary}"', body


def _multipart(parts: Sequence[Sequence[Segment]]) -> tuple[str, list[Segment]]:
    boundary = secrets.token_hex(_BOUNDARY_BYTES)
    segments: list[Segment] = []
    for part in parts:
        segments += [f"--{boundary}\r\n".encode("ascii"), *part]
    segments.append(f"--{boundary}--\r\n".encode("ascii"))
    return boundary, segments


def _text_part(subtype: str, encoded: EncodedText, language: str) -> list[Segment]:
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: {encoded.encoding}\r\n"
        f"Content-Language: {language}\r\n"
        "\r\n"
    )
    return [head.encode("ascii"), *encoded.segments, b"\r\n"]


def _picture_part(number: int, picture: Picture, content_id: str) -> list[Segment]:
    # The file's own name could be anything, in any script; nobody needs it.
    name = f"picture-{number}.{_EXTENSIONS.get(picture.media_type, 'bin')}"
    head = (
        f"Content-Type: {picture.media_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{content_id}>\r\n"
        f'Content-Disposition: inline; filename="{name}"\r\n'
        "\r\n"
    )
    return [head.encode("ascii"), base64_lines(picture.content), b"\r\n"]


def _joined(segments: Iterable[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    run: list[bytes] = []
    for segment in segments:
        if isinstance(segment, bytes):
            run.append(segment)
            continue
        joined += [b"".join(run), segment]
        run = []
    joined.append(b"".join(run))
    return joined
