"""What is sent to the desk to break it: files that unfold, lie or lead out, and bodies that never end.

Over HTTP, to the server that serves the desk in earnest; what a file does to whoever reads it is
tested beside its reader.
"""

from __future__ import annotations

import gc
import io
import re
import socket
import stat
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image, features

from mailer.app.writing import new_statement
from mailer.app.writing_files import pictures_of
from mailer.app.writing_rights import Writer
from mailer.desk.forms import LARGEST_FORM_OF_ANYBODY
from mailer.model.staff import Actor, ActorKind, StaffRole
from mailer.model.statement import StatementKind
from mailer.web.public import forms
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.desk import served_desk
from tests.support.drafts import LIST, drafting_workspace
from tests.support.word import TYPES, word_document

SLUG = "ferry"
WRITER = Writer(Actor(ActorKind.STAFF, "ana"), None)
PICTURES = f"/desk/statements/{SLUG}/pictures"
DOCUMENT = f"/desk/statements/{SLUG}/editions/en/document"
SCRIPT = b"<script>alert(1)</script>"
_UNKNOWN = re.compile(r"Traceback|Internal Server Error")


@pytest.fixture(scope="module")
def desk(tmp_path_factory, sqlite_template):
    """A desk on which a statement is being written."""
    folder = tmp_path_factory.mktemp("workspace")
    store = sqlite_copy(sqlite_template, tmp_path_factory.mktemp("data") / "mailer.db")
    workspace = drafting_workspace(folder, store, FixedClock())
    new_statement(workspace, SLUG, StatementKind.STATEMENT, "en", "The ferry", WRITER)
    with served_desk(workspace) as served:
        yield served
    store.close()


@pytest.fixture(scope="module")
def omni(desk):
    """A browser in which somebody is signed in who may do everything."""
    with desk.signed_in(*StaffRole, login="omni") as browser:
        yield browser


def everything_under(*folders: Path) -> set[Path]:
    """Return all files there are."""
    return {path for folder in folders for path in folder.rglob("*")}


def peak_mb(since: bool = False) -> float:
    """Return the most memory that this process has had; with `since`, count it from now on."""
    if since:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


def png_that_says(width: int, height: int) -> bytes:
    """Return a PNG of some hundred octets that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def picture(kind: str = "PNG") -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (20, 90, 120)).save(file, kind)
    return file.getvalue()


def zipped(**entries: bytes | zipfile.ZipInfo) -> bytes:
    """Return a ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def document_that_unfolds() -> bytes:
    """Return 60 kB that say they are a document of 60 MB."""
    return zipped(**{"word/document.xml": b" " * 60_000_000})


def document_with_a_link() -> bytes:
    """Return a document beside whose parts lies a link out of it, and a part that leads out."""
    link = zipfile.ZipInfo("word/styles.xml")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    content = io.BytesIO(word_document("<w:p><w:r><w:t>Words.</w:t></w:r></w:p>"))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("../../../../tmp/out-of-the-zip.txt", b"out")
        archive.writestr("/tmp/out-of-the-zip.txt", b"out")
        link.filename = "word/link.txt"
        archive.writestr(link, b"/etc/passwd")
    return content.getvalue()


@pytest.mark.parametrize(
    ("at", "name", "file"),
    [
        (DOCUMENT, "document", ("a.docx", document_that_unfolds())),
        (DOCUMENT, "document", ("a.docx", zipped(**{"word/document.xml": b"<a>" * 200_000}))),
        (DOCUMENT, "document", ("a.docx", zipped(**{f"{n}.bin": b"" for n in range(3_000)}))),
        (PICTURES, "picture", ("a.png", png_that_says(60_000, 60_000))),
        (PICTURES, "picture", ("a.png", png_that_says(2**31 - 1, 2**31 - 1))),
        (PICTURES, "picture", ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='a()'/>")),
        (PICTURES, "picture", ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='a()'/>")),
        (PICTURES, "picture", ("a.html", SCRIPT)),
        (PICTURES, "picture", ("a.gif", b"GIF89a/*\x01\x00\x01\x00*/=1;alert(1)")),
        (PICTURES, "picture", ("a.png", b"%PDF-1.7\n" + picture())),
        (PICTURES, "picture", ("a.png", zipped(a=b"1"))),
    ],
    ids=lambda one: "" if isinstance(one, tuple) else str(one).rpartition("/")[2],
)  # fmt: skip
def test_what_unfolds_or_lies_is_refused_in_words(omni, at, name, file):
    """422 within a second or two, and the memory it took is bounded."""
    omni.get(at)
    before = peak_mb(since=True)
    began = time.monotonic()
    page = omni.post(at, {"alt": "A harbor"}, files={name: file})
    assert page.status_code == 422
    assert not _UNKNOWN.search(page.text)
    assert time.monotonic() - began < 10
    assert peak_mb() - before < 120


def test_of_a_picture_nothing_but_its_pixels_is_kept(desk, omni):
    """What else the file is, a page or an archive behind its end, is not served."""
    kinds = {"PNG": "png", "JPEG": "jpg"} | ({"WEBP": "webp"} if features.check("webp") else {})
    for kind, suffix in kinds.items():
        sent = picture(kind) + SCRIPT + zipped(**{"page.html": SCRIPT})
        omni.get(PICTURES)
        page = omni.post(PICTURES, {"alt": "x"}, files={"picture": (f"both.{suffix}", sent)})
        assert page.status_code == 200
        answer = omni.client.get(f"{PICTURES}/both.{suffix}")
        assert answer.headers["content-type"] in ("image/png", "image/jpeg")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert b"script" not in answer.content
        assert b"PK\x03\x04" not in answer.content


@pytest.mark.parametrize(
    "name",
    ["../../../x.png", "/etc/x.png", "..\\..\\x.png", "C:\\x.png", "%2e%2e%2fx.png", "x.png/..", "..",
     ".png", "x\x00.png", "x.png\x00.html", "a" * 5_000 + ".png", "x.png\r\nX: y", "\u202egnp.exe"],
)  # fmt: skip
def test_no_name_of_a_file_leads_out(desk, omni, name):
    """Wherever a file is taken: its name becomes a plain one, or the file is refused; nothing is written."""
    folder = desk.workspace.config.templates_dir.parent
    before = everything_under(folder)
    plain = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
    for at, field in (
        (PICTURES, "picture"),
        (DOCUMENT, "document"),
        (f"/desk/statements/{SLUG}/files", "files"),
        ("/desk/new-statement/files", "files"),
        ("/desk/audience/import", "file"),
    ):
        omni.get("/desk/account")
        answer = omni.post(at, {"alt": "x", "list": LIST}, files={field: (name, picture())})
        assert answer.status_code < 500, (at, answer.status_code)
        assert not _UNKNOWN.search(answer.text)
    kept = pictures_of(desk.workspace, SLUG)
    assert [one for one in kept if not plain.fullmatch(one)] == []
    assert everything_under(folder) == before


def test_a_document_writes_nothing_of_its_archive(omni):
    """Neither a part that leads out, nor a link, is anything but passed over."""
    target = Path("/tmp/out-of-the-zip.txt")
    omni.get(DOCUMENT)
    page = omni.post(DOCUMENT, files={"document": ("a.docx", document_with_a_link())})
    assert page.status_code in (200, 422)
    assert "root:" not in page.text
    assert not target.exists()


def raw(port: int, head: list[str], *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send a request as it stands, and return what is answered."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b""
        for part in parts:
            time.sleep(pause_s)
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
        while chunk := _received(connection):
            answer += chunk
            if b"\r\n\r\n" in answer:
                break
    return answer


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except ConnectionResetError:
        return b""


def signed_head(desk, omni, path: str, *more: str) -> list[str]:
    """Return the head of a form as the browser of `omni` sends it."""
    omni.get("/desk/account")
    cookies = "; ".join(f"{one.name}={one.value}" for one in omni.client.cookies.jar)
    return [
        f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{desk.port}", f"Cookie: {cookies}",
        f"Origin: {desk.url}", f"X-Form-Token: {omni.form_token}", *more,
    ]  # fmt: skip


def test_a_body_without_a_length_ends_where_it_is_too_large(desk, omni):
    """In chunks, 80 MB where 10 are taken: refused on the way, and not kept."""
    head = signed_head(
        desk, omni, DOCUMENT, "Transfer-Encoding: chunked",
        "Content-Type: multipart/form-data; boundary=b",
    )  # fmt: skip
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    before = peak_mb(since=True)
    answer = raw(desk.port, head, *([chunk] * 80))
    assert answer == b"" or b" 413 " in answer.partition(b"\r\n")[0]
    assert peak_mb() - before < 60


def test_of_whom_nobody_knows_little_is_read(desk):
    """Forty at once who are not signed in and send megabytes take no megabytes of memory."""
    head = [
        "POST /desk/sign-in HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 4000000",
    ]  # fmt: skip
    said = [raw(desk.port, head, b"a=" + b"b" * LARGEST_FORM_OF_ANYBODY) for _ in range(3)]
    assert [one.partition(b"\r\n")[0][9:12] for one in said] == [b"413"] * 3
    chunked = [*head[:-1], "Transfer-Encoding: chunked"]
    before = peak_mb(since=True)
    waiting = []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", desk.port), 20)
        connection.sendall("\r\n".join([*chunked, "", ""]).encode())
        waiting.append(connection)
    for connection in waiting:
        connection.setblocking(False)
        for _ in range(4):
            try:
                connection.send(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                break
    time.sleep(1)
    assert peak_mb() - before < 60
    for connection in waiting:
        connection.close()


def test_a_body_that_trickles_is_given_up_and_keeps_nobody_waiting(desk, omni, monkeypatch):
    """408 after a while; a hundred such do not keep another from a page."""
    monkeypatch.setattr(forms, "BODY_TIMEOUT_S", 1.0)
    head = signed_head(
        desk, omni, "/desk/account/language",
        "Content-Type: application/x-www-form-urlencoded", "Content-Length: 1000",
    )  # fmt: skip
    waiting = [socket.create_connection(("127.0.0.1", desk.port), 20) for _ in range(100)]
    for one in waiting:
        one.sendall("\r\n".join([*head, "", "language="]).encode())
    began = time.monotonic()
    assert omni.get("/desk/account").status_code == 200
    assert time.monotonic() - began < 5
    answers = [one.recv(100)[:12] for one in waiting]
    for one in waiting:
        one.close()
    assert set(answers) == {b"HTTP/1.1 408"}


def test_whoever_sends_much_at_an_honest_pace_is_waited_for(desk, omni, monkeypatch):
    """What takes longer than a small form may is not slow by that."""
    monkeypatch.setattr(forms, "BODY_TIMEOUT_S", 0.5)
    body = (
        b"--b\r\nContent-Disposition: form-data; name=alt\r\n\r\n"
        + b"x" * 150_000
        + b"\r\n--b--\r\n"
    )
    head = signed_head(
        desk, omni, PICTURES, "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {len(body)}",
    )  # fmt: skip
    parts = [body[at : at + 20_000] for at in range(0, len(body), 20_000)]
    answer = raw(desk.port, head, *parts, pause_s=0.2)
    assert answer.startswith(b"HTTP/1.1 422")


def test_too_many_fields_are_no_form(omni):
    """Thousands of fields, or of files where one is taken, are refused."""
    omni.get("/desk/account")
    many = [(f"f{n}", "") for n in range(2_100)]
    assert omni.post("/desk/account/language", many).status_code == 400
    omni.get("/desk/account")
    files = [("picture", (f"{n}.png", b"x")) for n in range(3)]
    assert omni.post(PICTURES, {"alt": "x"}, files=files).status_code == 400
