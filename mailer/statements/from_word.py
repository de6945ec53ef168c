"""Make a statement's body of a Word document.

In: the bytes of a .docx, of anybody. Out: as from HTML (see `mailer.statements.from_html`), by way of
mammoth. Before mammoth reads it the file is bounded: its size, what it unfolds to, how many elements
it has and how deep they stand. Pictures are left out, and nothing outside of the file is opened.
"""

from __future__ import annotations

import logging
import zipfile
import zlib
from io import BytesIO
from xml.parsers import expat

import mammoth

from mailer.model.worded import worded
from mailer.statements.from_html import NotReadable, from_html
from mailer.statements.pasted import Losses, LossKind, Pasted

MAX_FILE_BYTES = 10_000_000
#: All parts of XML together, unfolded; a book has a tenth of it.
MAX_XML_BYTES = 20_000_000
MAX_PARTS = 2_000
MAX_ELEMENTS = 200_000
#: Text boxes in tables in text boxes come to a few dozen.
MAX_DEPTH = 100
_SAVE_ANEW = "Open it in a word processor and save it as .docx anew"
_LEFT_OUT = {"w:del": LossKind.DELETED, "w:moveFrom": LossKind.DELETED}
_TOLD = {
    "w:ins": LossKind.INSERTED,
    "w:commentReference": LossKind.COMMENT,
    "w:strike": LossKind.STRUCK,
}
#: What mammoth does not know of itself.
_STYLE_MAP = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => h2:fresh
p[style-name='Quote'] => blockquote > p:fresh
p[style-name='Intense Quote'] => blockquote > p:fresh
"""


def from_word(content: bytes) -> Pasted:
    """Return a Word document as a statement's body.

    Raises:
        NotReadable: when it is no .docx, damaged or too large.
    """
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 1_000_000
        raise NotReadable(
            worded("The file has more than %(limit)s MB", limit=limit), "Take the pictures out"
        )
    losses = Losses()
    _bounded(content, losses)
    try:
        converted = mammoth.convert_to_html(
            BytesIO(content),
            convert_image=_no_picture(losses),
            style_map=_STYLE_MAP,
            external_file_access=False,
        )
    # Which errors mammoth raises over a broken document is written nowhere.
    except Exception as error:
        logging.getLogger(__name__).info("A Word document was not read: %s", type(error).__name__)
        raise NotReadable("The document is damaged", _SAVE_ANEW) from error
    return from_html(converted.value, losses)


def _no_picture(losses: Losses) -> object:
    def convert(image: mammoth.documents.Image) -> list[object]:
        losses.note(LossKind.PICTURE, image.alt_text or "")
        return []

    return convert


def _bounded(content: bytes, losses: Losses) -> None:
    """Refuse what is no Word document, or one that would unfold to too much."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = archive.infolist()
            names = [part.filename for part in parts]
            # Of two parts of one name, who knows which a program takes.
            if len(parts) > MAX_PARTS or len(set(names)) < len(names):
                raise NotReadable("The document has too many parts", _SAVE_ANEW)
            if "[Content_Types].xml" not in names:
                raise NotReadable("The file is no Word document", _SAVE_ANEW)
            # Reading stops at the size that is declared, so the declared ones bound the work.
            xml = [one for one in parts if one.filename.lower().endswith((".xml", ".rels"))]
            if sum(part.file_size for part in xml) > MAX_XML_BYTES:
                raise NotReadable("The document is too long", "Take a part of it")
            count = _Count(losses)
            for part in xml:
                if part.flag_bits & 1:
                    raise NotReadable("The document has a password", "Save it without one")
                count.read(archive.read(part))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise NotReadable("The file is no Word document, or it is damaged", _SAVE_ANEW) from error
    except expat.ExpatError as error:
        raise NotReadable("The document is damaged", _SAVE_ANEW) from error


class _Count:
    """Counts the elements of parts, without keeping them, and sees what will be left out."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._elements = 0
        self._depth = 0

    def read(self, content: bytes) -> None:
        """Read one part."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_declarations
        self._depth = 0
        parser.Parse(content, True)

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise NotReadable("The document is too long or nested too deeply", "Take a part of it")
        kind = _LEFT_OUT.get(name) or _TOLD.get(name)
        if kind is not None:
            self._losses.note(kind)

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _refuse_declarations(self, *_: object) -> None:
        # ECMA-376 part 2 forbids them; entities could unfold to gigabytes.
        raise NotReadable("The document declares entities", _SAVE_ANEW)
