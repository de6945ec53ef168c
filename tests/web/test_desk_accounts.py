"""Welcome and own account at the desk, over HTTP as a browser speaks it."""

from __future__ import annotations

import logging
import re

import pytest

from mailer.app.accounts import Accounts
from mailer.model.staff import BY_ITSELF
from tests.support.desk import PASSWORD
from tests.support.desk_place import desk_place

_SECRET = re.compile(r'name="secret" value="([A-Z2-7]{32})"')
_CODE = re.compile(r"<li>((?:[a-z2-7]{4}-){3}[a-z2-7]{4})</li>")
NEW = "another house with green doors"


@pytest.fixture(scope="module")
def place(tmp_path_factory, sqlite_template):
    """A desk of a workspace with nothing in it."""
    with desk_place(tmp_path_factory.mktemp("workspace"), sqlite_template) as made:
        yield made


def secret_on(page) -> str:
    """Return the secret that a page shows, which must be in its picture's place and beside it."""
    found = _SECRET.search(page.text)
    assert found is not None, page.text
    grouped = " ".join(found[1][at : at + 4] for at in range(0, 32, 4))
    assert grouped in page.text
    assert "<svg " in page.text
    return found[1]


def test_a_link_leads_to_an_account_in_three_steps(place):
    """A password, the app's first code, ten recovery codes: then one is signed in, the link over."""
    path = place.invited("vera")
    with place.desk.browser() as browser:
        assert "Vera" in browser.get(path).text
        page = browser.post(path, {"new": NEW, "again": NEW})
        secret = secret_on(page)
        page = browser.post(f"{path}/app", {"code": place.app_code(secret), "secret": secret})
        assert len(_CODE.findall(page.text)) == 10
        assert browser.get("/desk/account").status_code == 200
        assert browser.get(path).status_code == 404
    with place.desk.browser() as other:
        other.get("/desk/sign-in")
        page = other.post(
            "/desk/sign-in",
            {"login": "vera", "password": NEW, "code": place.app_code(secret)},
        )
        assert str(page.url).endswith("/desk")


def test_a_link_that_never_was_leads_where_one_that_is_over_leads(place):
    """Nobody learns which links there were."""
    with place.desk.browser() as browser:
        for path in ("/desk/welcome/none", "/desk/welcome/" + "a" * 43):
            page = browser.get(path)
            assert page.status_code == 404
            assert "This link leads nowhere" in page.text


@pytest.mark.parametrize(
    ("new", "again", "said"),
    [
        ("", "", "Type the password."),
        (NEW, f"{NEW} ", "The two are not the same."),
        ("short", "short", "fewer than 12 characters"),
        ("nina is a nice sailor", "nina is a nice sailor", "holds the login name"),
        ("harbor of many boats", "harbor of many boats", "name of the organization"),
        ("password 12345", "password 12345", "first that anybody would try"),
    ],
)
def test_a_password_that_is_not_taken_is_told_of(place, new, again, said):
    """What is wrong stands beside the field, and the link goes on working."""
    login = "nina"
    accounts = Accounts(place.desk.workspace)
    if login not in {one.login for one in accounts.users()}:
        place.invited(login)
    path = f"/desk/welcome/{accounts.reset(BY_ITSELF, login).token}"
    with place.desk.browser() as browser:
        browser.get(path)
        page = browser.post(path, {"new": new, "again": again})
        assert (page.status_code, said in page.text) == (422, True), page.text
        assert new not in page.text or not new
        assert browser.get(path).status_code == 200


def test_a_wrong_code_shows_the_same_picture_again(place):
    """Whoever mistyped goes on with the app they have set up."""
    path = place.invited("olga")
    with place.desk.browser() as browser:
        browser.get(path)
        secret = secret_on(browser.post(path, {"new": NEW, "again": NEW}))
        page = browser.post(f"{path}/app", {"code": "000", "secret": secret})
        assert (page.status_code, secret_on(page)) == (422, secret)
        page = browser.post(f"{path}/app", {"code": place.app_code(secret), "secret": secret})
        assert len(_CODE.findall(page.text)) == 10


def test_the_first_code_without_a_password_leads_nowhere(place):
    """Nobody skips the first step."""
    path = place.invited("petra")
    with place.desk.browser() as browser:
        browser.get(path)
        assert browser.post(f"{path}/app", {"code": "123456"}).status_code == 404


def test_a_link_is_in_no_log_and_no_referer(place, caplog):
    """The log names the kind of page; a browser tells what a page asks for of no more than its host."""
    path = place.invited("rosa")
    with place.desk.browser() as browser, caplog.at_level(logging.DEBUG, logger="mailer"):
        page = browser.get(path)
        assert page.headers["referrer-policy"] == "strict-origin"
        assert page.headers["cache-control"] == "no-store"
        page = browser.post(path, {"new": NEW, "again": NEW})
        assert page.headers["referrer-policy"] == "strict-origin"
        told = " ".join(str(vars(record)) for record in caplog.records)
        assert "welcome" in told
        assert path.rpartition("/")[2] not in told
        assert secret_on(page) not in told


def test_a_password_is_changed_and_other_sessions_end(place):
    """The browser it is done in goes on, under a new token."""
    member, browser = place.member("sara")
    with browser, place.desk.browser() as other:
        other.sign_in(member)
        before = dict(browser.client.cookies)
        browser.get("/desk/account/password")
        page = browser.post(
            "/desk/account/password",
            {"password": PASSWORD, "code": member.code(), "new": NEW, "again": NEW},
        )
        assert "Your password is changed" in page.text
        assert dict(browser.client.cookies) != before
        assert "/sign-in" in str(other.get("/desk/account").url)
        member.password = NEW
        assert str(other.sign_in(member).url).endswith("/desk")


@pytest.mark.parametrize("part", ["password", "app", "codes"])
def test_nothing_of_an_account_changes_without_the_password(place, part):
    """Whoever finds a browser signed in does not get the account."""
    member, browser = place.member(f"tess-{part}")
    with browser:
        browser.get(f"/desk/account/{part}")
        page = browser.post(
            f"/desk/account/{part}",
            {"password": "not this one", "code": member.code(), "new": NEW, "again": NEW},
        )
        assert page.status_code == 422
        assert "do not belong together" in page.text
        with place.desk.browser() as other:
            assert str(other.sign_in(member).url).endswith("/desk")


def test_another_app_is_taken_once_it_has_shown_a_code(place):
    """Until then the old one holds."""
    member, browser = place.member("ulla")
    with browser:
        browser.get("/desk/account/app")
        page = browser.post("/desk/account/app", {"password": PASSWORD, "code": member.code()})
        secret = secret_on(page)
        assert secret != member.secret
        page = browser.post("/desk/account/app/confirm", {"code": "1", "secret": secret})
        assert (page.status_code, secret_on(page)) == (422, secret)
        page = browser.post(
            "/desk/account/app/confirm", {"code": place.app_code(secret), "secret": secret}
        )
        assert "Your new app is taken" in page.text


def test_new_recovery_codes_take_the_place_of_the_old_ones(place):
    """Ten are shown, and of the old ones none is good for anything."""
    member, browser = place.member("wanda")
    with browser:
        browser.get("/desk/account/codes")
        page = browser.post("/desk/account/codes", {"password": PASSWORD, "code": member.code()})
        codes = _CODE.findall(page.text)
        assert len(codes) == 10
    with place.desk.browser() as other:
        assert other.sign_in(member).status_code == 403
        member.recovery_codes = codes
        assert str(other.sign_in(member).url).endswith("/desk")


def test_sessions_are_listed_and_ended(place):
    """Each other one by itself, or all others; not another person's."""
    member, browser = place.member("xenia")
    _, stranger = place.member("yara")
    with browser, stranger, place.desk.browser() as second, place.desk.browser() as third:
        second.sign_in(member)
        page = browser.get("/desk/account")
        (ending,) = (
            set(re.findall(r"/desk/account/sessions/\d+/end", page.text))
            - set(re.findall(r"/desk/account/sessions/\d+/end", stranger.get("/desk/account").text))
            - {f"/desk/account/sessions/{_setting_up(page)}/end"}
        )
        stranger.post(ending)
        assert second.get("/desk/account").url.path == "/desk/account"
        browser.post(ending)
        assert second.get("/desk/account").url.path == "/desk/sign-in"
        third.sign_in(member)
        browser.get("/desk/account")
        browser.post("/desk/account/sessions/end")
        assert third.get("/desk/account").url.path == "/desk/sign-in"
        assert browser.get("/desk/account").url.path == "/desk/account"


def _setting_up(page) -> str:
    """Return the id of the session in which the account was set up, the first of all."""
    return min(re.findall(r"/desk/account/sessions/(\d+)/end", page.text), key=int)


def test_the_desk_speaks_the_language_somebody_chose(place):
    """Whatever the browser asks for; an unknown one changes nothing."""
    _, browser = place.member("zora")
    with browser:
        browser.get("/desk/account")
        page = browser.post("/desk/account/language", {"language": "uk"})
        assert page.headers["content-language"] == "uk"
        page = browser.post("/desk/account/language", {"language": "xx"})
        assert page.headers["content-language"] == "uk"
        page = browser.post("/desk/account/language", {"language": ""})
        assert page.headers["content-language"] == "en"
