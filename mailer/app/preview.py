"""Show exactly the bytes a mailing would send, as files a person can open.

In: a mailing, a language, a folder. Out: the mail's HTML with its pictures beside it, its text, its
source, and pictures of it on a phone and on a desk, light and dark, when Chromium is there. The
reader is invented: nobody's address or name is unsealed for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import SMTP
from html import escape
from pathlib import Path
from typing import cast

from PIL import Image, ImageChops

from mailer.app.languages import resolver
from mailer.app.sending import handling_for, relays_for, signers_for
from mailer.app.workspace import Workspace
from mailer.cldr import is_language
from mailer.compose.composer import MailingComposer
from mailer.model.audience import LanguageChoice, LanguageProfile, ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing, OutgoingDelivery
from mailer.model.statement import Revision
from mailer.model.worded import worded
from mailer.statements.languages import normalize_tag
from mailer.store.designs import load_design
from mailer.store.statements import load_revision
from mailer.tokens import NOBODY

#: Who reads a preview.
READER_ADDRESS = "reader@example.org"
READER_NAME = "Ana"
#: The widths a mail is looked at in, in CSS pixels.
WIDTHS_PX = {"phone": 320, "desk": 760}
_TALLEST_PX = 6000
_BELOW_PX = 16
#: Chromium's setting for what a page's `prefers-color-scheme` asks.
_SCHEMES = {"light": 1, "dark": 0}
_PATIENCE_S = 30


@dataclass(frozen=True)
class Preview:
    """One mail as it would go to somebody who reads a language."""

    #: The whole message as it goes over the wire.
    source: bytes
    choice: LanguageChoice


def preview_mail(workspace: Workspace, mailing: Mailing, language: str) -> Preview:
    """Compose the mail that a reader of a language would get.

    Args:
        workspace: Where the mailing is.
        mailing: Pins statement, design, sender and lists.
        language: Tag of the reader's only language; with no edition in it, what the first list's
            chain leads to is shown, with its notice.

    Raises:
        FaultsFound: when the tag is no language, or such a reader would get nothing.
    """
    with workspace.store.read() as connection:
        revision = load_revision(connection, mailing.revision_id).revision
    definitions = [target.definition for target in mailing.targets]
    choice = choice_for(revision, definitions[0], language)
    reader = invented_reader(READER_ADDRESS, definitions[0].key, choice)
    return Preview(composed(workspace, mailing, reader), choice)


def composed(workspace: Workspace, mailing: Mailing, reader: OutgoingDelivery) -> bytes:
    """Return the mail of a mailing to a reader, as it would go over the wire by the first relay.

    Raises:
        FaultsFound: when a signing key is not there.
        CannotCompose: when no mail to them can be made.
    """
    with workspace.store.read() as connection:
        revision = load_revision(connection, mailing.revision_id).revision
        design = load_design(connection, mailing.design_id)
    relay = relays_for(workspace, mailing.sender.key)[0]
    composer = MailingComposer(
        revision,
        design,
        mailing.sender,
        [target.definition for target in mailing.targets],
        workspace.tokens,
        signers_for(mailing.sender, relay),
        handling_for(relay),
        corrects=mailing.corrects.day if mailing.corrects else None,
        takes_mail=workspace.config.feedback.takes_mail,
    )
    return composer.compose(reader, workspace.clock.now()).content


def choice_for(revision: Revision, definition: ListDefinition, language: str) -> LanguageChoice:
    """Return the edition that somebody who reads one language gets by a list.

    Raises:
        FaultsFound: when the tag is no language, or such a reader would get nothing.
    """
    try:
        wanted = normalize_tag(language)
    except ValueError:
        wanted = ""
    if not wanted or not is_language(wanted):
        problem = worded('"%(value)s" is no language', value=language)
        raise FaultsFound([Fault("", 0, "--language", problem, "Write a tag like uk or pt-BR")])
    choice = resolver(revision)(LanguageProfile((wanted,), ()), definition)
    if choice.language is None:
        problem = worded("nobody who reads only %(wanted)s would get this mailing", wanted=wanted)
        raise FaultsFound([Fault("", 0, "--language", problem, "Add an edition or a chain")])
    return choice


def invented_reader(
    address: str, list_key: str, choice: LanguageChoice, mail_id: int = NOBODY
) -> OutgoingDelivery:
    """Return a delivery to a supporter who is invented, at an address that is not.

    Args:
        address: To whom.
        list_key: Of the list it comes by.
        choice: The edition.
        mail_id: What the tokens of Message-ID and return path hold.
    """
    return OutgoingDelivery(
        delivery_id=mail_id,
        mailing_id=NOBODY,
        supporter_id=NOBODY,
        address_digest=b"",
        address=address,
        needs_smtputf8=not address.isascii(),
        fields={"name": READER_NAME},
        list_key=list_key,
        language=choice.language or "",
        wanted=choice.wanted if choice.notice else None,
        domain_class="other",
        attempt_number=1,
    )


def write_preview(preview: Preview, folder: Path, name: str) -> Iterator[Path]:
    """Write a mail's source, text, HTML and pictures; yield each file as it is written.

    Args:
        preview: The mail.
        folder: Made when it is not there.
        name: What the files' names begin with.

    Raises:
        OSError: when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parsed = message_from_bytes(preview.source, policy=SMTP)
    yield _written(folder / f"{name}.eml", preview.source)
    html = ""
    pictures: dict[str, Path] = {}
    for part in parsed.walk():
        if part.get_content_type() == "text/plain":
            yield _written(folder / f"{name}.txt", str(part.get_content()).encode())
        elif part.get_content_type() == "text/html":
            html = str(part.get_content())
        elif part.get_content_maintype() == "image":
            path = folder / f"{name}-{part.get_filename('picture')}"
            yield _written(path, cast("bytes", part.get_content()))
            pictures[str(part["Content-ID"]).strip("<>")] = path
    # A browser knows no cid: addresses; all else is as it was sent.
    for content_id, path in pictures.items():
        html = html.replace(f"cid:{content_id}", path.name)
    yield _written(folder / f"{name}.html", html.encode())


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def chromium() -> str:
    """Return where Chromium is; "" when it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or ""


def take_pictures(page: Path) -> Iterator[Path]:
    """Take a picture of a mail's HTML in each width, light and dark; yield each file.

    Args:
        page: The HTML file; the pictures are written beside it.

    Raises:
        OSError: when Chromium cannot be run, or a picture cannot be written.
        subprocess.SubprocessError: when Chromium fails or does not end.
    """
    for device, width_px in WIDTHS_PX.items():
        for scheme, setting in _SCHEMES.items():
            picture = page.with_name(f"{page.stem}-{device}-{scheme}.png")
            _take_picture(page, picture, width_px, setting)
            yield picture


def _take_picture(page: Path, picture: Path, width_px: int, scheme: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mailer-preview-") as scratch:
        # Chromium's window is never narrower than 500 px; a frame may be.
        frame = Path(scratch) / "frame.html"
        frame.write_text(
            "<!DOCTYPE html><meta charset=utf-8><style>"
            "html{color-scheme:light dark}body{margin:0}iframe{border:0;display:block}</style>"
            f'<iframe src="{escape(page.resolve().as_uri())}" width="{width_px}"'
            f' height="{_TALLEST_PX}" scrolling="no"></iframe>',
            encoding="utf-8",
        )
        command = [
            chromium(),
            "--headless",
            "--disable-gpu",
            "--hide-scrollbars",
            # Nothing in a mail is remote; were it, nothing would be looked up here either.
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={scratch}/profile",
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--window-size={max(width_px, 500)},{_TALLEST_PX}",
            f"--screenshot={picture.resolve()}",
            frame.as_uri(),
        ]
        if os.geteuid() == 0:
            # Chromium's own sandbox does not start as root, and what is shown is our own mail.
            command.insert(1, "--no-sandbox")
        subprocess.run(  # noqa: S603  (Fixed arguments, no shell.)
            command, check=True, capture_output=True, timeout=_PATIENCE_S
        )
    _crop(picture, width_px)


def _crop(picture: Path, width_px: int) -> None:
    """Cut the empty space below the mail off."""
    with Image.open(picture) as taken:
        page = taken.convert("RGB").crop((0, 0, width_px, taken.height))
    ground = Image.new("RGB", page.size, page.getpixel((0, page.height - 1)))
    box = ImageChops.difference(page, ground).getbbox()
    bottom = min(page.height, (box[3] if box else 0) + _BELOW_PX)
    page.crop((0, 0, width_px, bottom)).save(picture, optimize=True)
