"""Mails to one person, on signing up and moving, held against golden files that a person has read.

After a change that is meant, write them anew with GOLDEN=write and read what has changed.
"""

import re
from pathlib import Path

import pytest

from mailer.app.own_data import OwnDataDesk
from mailer.app.sign_up import SignUpDesk
from mailer.audience.addresses import normalize_address
from mailer.audience.joining import Wish
from mailer.config import share_dir
from mailer.statements.catalog import load_catalogs
from mailer.store.audience import sync_lists
from mailer.tokens import Purpose
from mailer.web.public.joining import letter_in
from mailer.web.public.pages import Pages
from tests.support.clocks import FixedClock
from tests.support.factories import Ground
from tests.support.mail import WILD, assert_same_mail, text_of
from tests.support.newsletters import newsletter_workspace
from tests.support.own_data import ANNA, NEW
from tests.support.sign_ups import Mails, sign_up_workspace

FOLDER = Path(__file__).parent / "letters"


@pytest.fixture(scope="module")
def pages():
    """The templates, with the catalogs that ship."""
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


@pytest.mark.parametrize("discreet", [False, True])
@pytest.mark.parametrize("language", ["en", "ru", "fa"])
def test_the_notice_is_as_it_was_read(tmp_path, sqlite_store, pages, language, discreet):
    """It says the same whoever it goes to: no address, no cause, no link."""
    workspace = newsletter_workspace(tmp_path, sqlite_store, FixedClock())
    (tmp_path / "data").mkdir()
    ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    one = workspace.lists[0]["harbor-news"]
    with workspace.store.write() as connection:
        ground.lists[one.key] = (sync_lists(connection, [one], ground.now)[one.key], one)
    anna = ground.add_supporter(ANNA, one.key, languages=(language,), discreet=discreet)
    desk = OwnDataDesk(workspace)
    desk.ask_change(
        anna,
        normalize_address(NEW),
        lambda _, link: pages.letter("confirm_address.txt", language, address=link),
    )
    with workspace.store.read() as connection:
        change_id = connection.exec_driver_sql("SELECT id FROM address_change").scalar_one()
    token = workspace.tokens.person(Purpose.ADDRESS_CHANGE, change_id, anna)

    assert desk.confirm_change(
        token, lambda languages: pages.letter("address_notice.txt", languages[0])
    )

    mails = {mail.address: mail.content for mail in Mails(workspace).take()}
    assert_same_mail(FOLDER / f"address-notice-{language}.json", mails[ANNA], WILD)
