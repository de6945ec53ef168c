"""The mail that asks to confirm a sign-up, held against golden files that a person has read.

After a change that is meant, write them anew with GOLDEN=write and read what has changed.
"""

import re
from pathlib import Path

import pytest

from mailer.app.sign_up import SignUpDesk
from mailer.audience.addresses import normalize_address
from mailer.audience.joining import Wish
from mailer.web.public.joining import letter_in
from mailer.web.public.pages import Pages
from tests.support.clocks import FixedClock
from tests.support.mail import WILD, assert_same_mail, text_of
from tests.support.sign_ups import Mails, sign_up_workspace

FOLDER = Path(__file__).parent / "letters"


@pytest.fixture(scope="module")
def pages():
    """The templates, with the catalogs that ship."""
    from mailer.config import share_dir
    from mailer.statements.catalog import load_catalogs

    return Pages(load_catalogs(share_dir() / "templates" / "locale"))


@pytest.mark.parametrize("language", ["en", "ru", "fa"])
def test_the_confirmation_is_as_it_was_read(tmp_path, sqlite_store, pages, language):
    """It is in the form's language, and its subject names neither a cause nor an organisation."""
    workspace = sign_up_workspace(tmp_path, sqlite_store, FixedClock())
    desk = SignUpDesk(workspace)
    desk.ask(
        desk.offer(),
        normalize_address("anna@example.org"),
        Wish(("harbor-news",), language),
        letter_in(pages, language),
        send=True,
    )
    (mail,) = Mails(workspace).take()
    (link,) = re.findall(r"/join/[\w-]{39}(?=\s)", text_of(mail.content))
    content = mail.content.replace(link.encode(), b"/join/" + b"a" * 33)
    assert_same_mail(FOLDER / f"sign-up-{language}.json", content, WILD)
