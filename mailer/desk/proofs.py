"""Ask somebody for password and code, choose passwords, and show what an authenticator app is given.

In: fields of forms. Out: what is told beside them, and a picture that an app reads. Several pages of
the desk do the same here, in the same words. Standards: ISO/IEC 18004 (QR code).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import segno
from markupsafe import Markup
from starlette.responses import Response

from mailer.app.second_factor import setup_of
from mailer.desk.phrases import mark
from mailer.desk.visit import Visit
from mailer.model.passwords import SHORTEST_PASSWORD, PasswordFault
from mailer.model.sign_in import Refusal, SignedIn, SignInRefused, TotpSetup

PASSWORD_FAULTS: Mapping[PasswordFault, str] = {
    PasswordFault.TOO_SHORT: mark("It has fewer than %(shortest)s characters."),
    PasswordFault.TOO_LONG: mark("It is too long."),
    PasswordFault.HOLDS_LOGIN: mark("It holds the login name."),
    PasswordFault.HOLDS_NAME: mark("It holds the name of the organization."),
    PasswordFault.COMMON: mark("It is one of the first that anybody would try."),
}
_SECRET = re.compile(r"[A-Z2-7]{32}")
_GROUP = 4


def typed(visit: Visit, name: str) -> str:
    """Return a password as it was typed, spaces at its ends included."""
    return next((value for key, value in visit.form.fields if key == name), "")


def password_fault(visit: Visit, fault: PasswordFault) -> str:
    """Return why a password is not taken, and which one would be."""
    said = visit.say(PASSWORD_FAULTS[fault], shortest=SHORTEST_PASSWORD)
    better = visit.say("Take four words that nobody would guess.")
    return f"{said} {better}"


def new_password_problems(visit: Visit) -> dict[str, str]:
    """Return what is wrong with a new password that is typed twice, but for the password itself."""
    if not typed(visit, "new"):
        return {"new": visit.say("Type the password.")}
    if typed(visit, "new") != typed(visit, "again"):
        return {"again": visit.say("The two are not the same.")}
    return {}


def wait_words(visit: Visit, seconds: int) -> str:
    """Return how long to wait."""
    return visit.catalog.plural(
        "Wait %(count)s second, then try again.",
        "Wait %(count)s seconds, then try again.",
        seconds,
        count=seconds,
    )


def refusal_words(visit: Visit, refused: SignInRefused, wrong: str) -> str:
    """Return why password and code were not taken.

    Args:
        visit: Who asks.
        refused: What was answered.
        wrong: What is said where something typed was wrong.
    """
    said = [wrong] if refused.reason is Refusal.WRONG else []
    if refused.retry_after_s:
        said.append(wait_words(visit, refused.retry_after_s))
    return " ".join(said)


def not_proved(visit: Visit, refused: SignInRefused) -> dict[str, str]:
    """Return what is told where somebody who is signed in typed password and code once more."""
    wrong = visit.say(
        "Password and code do not belong together. A code works once, and for half a minute."
    )
    return {"password": refusal_words(visit, refused, wrong)}


def reauthenticate(visit: Visit) -> dict[str, str]:
    """Hold the fields "password" and "code" against who is signed in; return what is wrong."""
    if visit.session is None:
        raise visit.forbidden()
    outcome = visit.desk.accounts.reauthenticated(
        visit.session, typed(visit, "password"), visit.form.text("code")
    )
    return not_proved(visit, outcome) if isinstance(outcome, SignInRefused) else {}


def keep_session(visit: Visit, signed_in: SignedIn) -> None:
    """Give the browser the cookie of a new session in place of what it had."""
    visit.cookies[visit.session_cookie] = signed_in.token
    visit.cookies[visit.form_cookie] = ""


def setup_page(
    visit: Visit, template: str, setup: TotpSetup, problems: Mapping[str, str], **values: object
) -> Response:
    """Return a page that shows what an authenticator app is given, and asks for its first code."""
    return visit.page(
        template,
        HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
        picture=picture_of(setup),
        secret=setup.secret,
        secret_groups=" ".join(
            setup.secret[at : at + _GROUP] for at in range(0, len(setup.secret), _GROUP)
        ),
        uri=setup.uri,
        problems=problems,
        **values,
    )


def setup_again(visit: Visit, login: str) -> TotpSetup | None:
    """Return what a page showed whose form came back; None when it says no secret.

    The page is the only place where the secret is to be seen: nobody reads it from the database, so
    that whoever steals a session or a link finds no app that is half set up.
    """
    secret = visit.form.text("secret")
    if not _SECRET.fullmatch(secret):
        return None
    return setup_of(secret, login, visit.desk.workspace.config.workspace.name)


def picture_of(setup: TotpSetup) -> Markup:
    """Return a QR code as SVG within the page: a picture with an address would be kept somewhere."""
    drawn = segno.make(setup.uri, error="m", micro=False).svg_inline(
        border=4, dark="#000", light="#fff", omitsize=True
    )
    # It is made of numbers only; the address is dots in it.
    return Markup(drawn)  # noqa: S704
