"""A Word document becomes a body that says the same; a hostile one is refused, and fetches nothing."""

import io
import socket
import zipfile

import pytest

from mailer.statements.from_html import NotReadable
from mailer.statements.from_word import MAX_FILE_BYTES, from_word
from mailer.statements.pasted import LossKind
from tests.support.word import TYPES, picture_run, word_document

_TEXT = """
<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>What happened</w:t></w:r></w:p>
<w:p><w:r><w:t xml:space="preserve">They searched </w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>three</w:t></w:r>
<w:r><w:rPr><w:i/></w:rPr><w:t xml:space="preserve"> whole</w:t></w:r><w:r><w:t xml:space="preserve"> houses, see </w:t></w:r>
<w:hyperlink r:id="rLink"><w:r><w:t>our report</w:t></w:r></w:hyperlink>
<w:del w:id="1"><w:r><w:delText>old</w:delText></w:r></w:del><w:ins w:id="2"><w:r><w:t>.</w:t></w:r></w:ins></w:p>
<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>one</w:t></w:r></w:p>
<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>{{ two }}</w:t></w:r></w:p>
"""


def test_a_document_becomes_a_body():
    """Headings, bold, italics, links and lists stay; tracked changes and slots are told."""
    pasted = from_word(word_document(_TEXT))
    expected = (
        "## What happened\n\nThey searched **three** *whole* houses, see "
        "[our report](https://harbor.example.org/report).\n\n- one\n- \\{\\{ two }}"
    )
    assert expected == pasted.markdown
    assert [LossKind.DELETED, LossKind.INSERTED, LossKind.SLOT] == [
        one.kind for one in pasted.losses
    ]


def test_pictures_are_left_out_and_nothing_is_fetched():
    """A picture that lies elsewhere is told of; nobody is asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/p.png"
        pasted = from_word(word_document(f"<w:p>{picture_run()}</w:p>", picture_address=address))
        with pytest.raises(TimeoutError):
            listening.accept()
    assert ("", [LossKind.PICTURE]) == (pasted.markdown, [one.kind for one in pasted.losses])


def bomb(name="word/document.xml", size=60_000_000):
    """Return a document of a few kB that unfolds to many MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr(name, b" " * size)
    return file.getvalue()


def with_size_of(content, size):
    """Return a ZIP file whose entries all say that they unfold to `size` bytes."""
    data = bytearray(content)
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.find(mark)
        while place >= 0:
            data[place + at : place + at + 4] = size.to_bytes(4, "little")
            place = data.find(mark, place + 4)
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no Word document"),
        (b"PK\x03\x04 and no more", "no Word document"),
        (b"x" * (MAX_FILE_BYTES + 1), "10 MB"),
        (bomb(), "too long"),
        (with_size_of(bomb(), 100), "damaged"),
        (bomb(size=10), "damaged"),
        (word_document("<w:p>" * 5_000 + "</w:p>" * 5_000), "nested too deeply"),
        (word_document("<w:p/>" * 200_001), "too long"),
        (word_document("<w:p>"), "damaged"),
        (word_document("&a;", head='<!DOCTYPE a [<!ENTITY a "aaaa">]>'), "entities"),
        (word_document("", parts={"word/styles.xml": b"<a>"}), "damaged"),
    ],
)
def test_what_is_no_document_or_too_much_is_refused(content, problem):
    """Each is refused with a reason and a remedy, before much memory or time is spent."""
    with pytest.raises(NotReadable, match=problem):
        from_word(content)


def test_another_archive_is_no_document():
    """A ZIP file of something else is refused, and so is one with two parts of one name."""
    other, twice = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("../../etc/passwd", "x")
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("[Content_Types].xml", TYPES)
    for content in (other.getvalue(), twice.getvalue()):
        with pytest.raises(NotReadable):
            from_word(content)
