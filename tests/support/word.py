"""Word documents as Word would write them, cut down to what a test is about."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_NUMBERING = (
    f"<w:numbering {_SPACES}>"
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
)
_STYLES = (
    f'<w:styles {_SPACES}><w:style w:type="paragraph" w:styleId="Heading1">'
    '<w:name w:val="heading 1"/></w:style></w:styles>'
)


def word_document(
    body: str,
    *,
    head: str = "",
    picture_address: str = "https://pictures.example.net/p.png",
    parts: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a .docx.

    Args:
        body: Paragraphs as WordprocessingML; `r:id="rLink"` is a link, "rPicture" a picture.
        head: What stands before the document's element.
        picture_address: Where the picture lies, outside of the file.
        parts: Parts to write in the place of ours, or beside them.
    """
    relations = (
        f'<Relationships xmlns="{_RELATIONS}">'
        f'<Relationship Id="rLink" Type="{_OFFICE}/hyperlink" '
        'Target="https://harbor.example.org/report" TargetMode="External"/>'
        f'<Relationship Id="rPicture" Type="{_OFFICE}/image" Target="{picture_address}" '
        'TargetMode="External"/>'
        f'<Relationship Id="rNum" Type="{_OFFICE}/numbering" Target="numbering.xml"/>'
        f'<Relationship Id="rStyle" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
    )
    root = (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    document = f"{head}<w:document {_SPACES}><w:body>{body}</w:body></w:document>"
    written: dict[str, bytes | str] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": root,
        "word/_rels/document.xml.rels": relations,
        "word/document.xml": document,
        "word/numbering.xml": _NUMBERING,
        "word/styles.xml": _STYLES,
        **(parts or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in written.items():
            archive.writestr(name, content)
    return file.getvalue()


def picture_run() -> str:
    """Return a run with a picture that lies outside of the file."""
    return (
        "<w:r><w:drawing><wp:inline><wp:docPr id='1' name='p' descr='A lighthouse'/><a:graphic>"
        "<a:graphicData><pic:pic><pic:blipFill><a:blip r:link='rPicture'/></pic:blipFill></pic:pic>"
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )
