"""Staff: who they are, what they may do, links for those who are new or locked out.

In: forms of administrators. Out: accounts, and links that are shown once. What gives rights or takes a
password away wants the administrator's own password and a code: a browser left open is not enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from mailer.desk.account import languages_of, roles_of, session_line
from mailer.desk.ground import Desk
from mailer.desk.proofs import reauthenticate
from mailer.desk.routes import ADMINISTRATORS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import role, role_hint
from mailer.model.sign_in import (
    AccountDisabled,
    Invitation,
    LastAdministrator,
    LoginTaken,
    MalformedAccount,
    UnknownLogin,
    is_login,
)
from mailer.model.staff import StaffRole, StaffUser
from mailer.statements.languages import language_name


@dataclass(frozen=True)
class Rights:
    """What somebody is to be allowed, as a form says it."""

    roles: tuple[StaffRole, ...] = ()
    languages: tuple[str, ...] = ()


class Staff:
    """The routes by which administrators mind who may do what."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change, who, at = Method.SEE, Method.CHANGE, ADMINISTRATORS, "/staff/{login}"
        return (
            Route(see, "/staff", "staff", self.show_all, who),
            Route(see, "/staff-invite", "invite", self.ask_invite, who),
            Route(change, "/staff-invite", "invite", self.invite, who),
            Route(see, at, "member", self.show, who),
            Route(see, f"{at}/roles", "member-roles", self.ask_roles, who),
            Route(change, f"{at}/roles", "member-roles", self.set_roles, who),
            Route(see, f"{at}/reset", "member-reset", self.ask_reset, who),
            Route(change, f"{at}/reset", "member-reset", self.reset, who),
            Route(change, f"{at}/disable", "disable-member", self.disable, who),
            Route(change, f"{at}/enable", "enable-member", self.enable, who),
            Route(change, f"{at}/sessions/end", "end-sessions", self.end_all, who),
            Route(change, f"{at}/sessions/{{session}}/end", "end-session", self.end_one, who),
        )

    def show_all(self, visit: Visit) -> Response:
        """Show all staff."""
        users = self._desk.accounts.users()
        return visit.page("staff.html", staff=[_line(visit, one) for one in users])

    def ask_invite(self, visit: Visit) -> Response:
        """Show the form of a new account."""
        return self._invite_page(visit, {})

    def invite(self, visit: Visit) -> Response:
        """Make an account, and show its link this once."""
        form, rights = visit.form, rights_from(visit)
        # The code is asked for last: it is good for one try, and half a minute.
        problems = (
            self._name_problems(visit) or rights_problems(visit, rights) or reauthenticate(visit)
        )
        if problems:
            return self._invite_page(visit, problems)
        try:
            made = self._desk.accounts.invite(
                visit.actor, form.text("login"), form.text("name"), rights.roles, rights.languages
            )
        except MalformedAccount as error:
            return self._invite_page(visit, {error.field: malformed(visit, error.field)})
        except LoginTaken:
            return self._invite_page(visit, {"login": login_taken(visit)})
        return self._link_page(visit, made)

    def _name_problems(self, visit: Visit) -> dict[str, str]:
        login = visit.form.text("login")
        if not visit.form.has("name"):
            return {"name": malformed(visit, "name")}
        if not is_login(login):
            return {"login": malformed(visit, "login")}
        if any(one.login == login for one in self._desk.accounts.users()):
            return {"login": login_taken(visit)}
        return {}

    def _invite_page(self, visit: Visit, problems: Mapping[str, str]) -> Response:
        return visit.page(
            "staff_invite.html",
            _status(problems),
            problems=problems,
            login=visit.form.text("login"),
            name=visit.form.text("name"),
            **self._choices(visit, rights_from(visit)),
        )

    def _link_page(self, visit: Visit, made: Invitation) -> Response:
        return visit.page(
            "staff_link.html",
            invitation=made,
            address=self._desk.accounts.welcome_address(made),
            until=visit.shown(made.expires_at),
        )

    def _choices(self, visit: Visit, rights: Rights) -> dict[str, object]:
        """Return the roles and languages there are, and which of them are chosen."""
        tags = {*self._desk.workspace.catalogs, *rights.languages}
        named = sorted((language_name(tag, visit.language), tag) for tag in tags)
        return {
            "roles": [
                {
                    "value": one.value,
                    "name": role(visit, one),
                    "hint": role_hint(visit, one),
                    "chosen": one in rights.roles,
                }
                for one in StaffRole
            ],
            "languages": [
                {"tag": tag, "name": name, "chosen": tag in rights.languages} for name, tag in named
            ],
        }

    def show(self, visit: Visit) -> Response:
        """Show somebody, and where they are signed in."""
        return self._member_page(visit, self._member(visit), {})

    def _member(self, visit: Visit) -> StaffUser:
        """Return whom an address names.

        Raises:
            HTTPException: 404 when there is nobody.
        """
        try:
            return self._desk.accounts.user(visit.path["login"])
        except UnknownLogin as error:
            raise visit.not_found() from error

    def _member_page(
        self, visit: Visit, member: StaffUser, problems: Mapping[str, str]
    ) -> Response:
        this = visit.session.session_id if visit.session else 0
        sessions = self._desk.accounts.sessions_of(member)
        return visit.page(
            "staff_member.html",
            _status(problems),
            problems=problems,
            member=_line(visit, member),
            sessions=[session_line(visit, one, this) for one in sessions],
        )

    def ask_roles(self, visit: Visit) -> Response:
        """Show what somebody may do, to be changed."""
        member = self._member(visit)
        return self._roles_page(visit, member, Rights(tuple(member.roles), member.languages), {})

    def set_roles(self, visit: Visit) -> Response:
        """Say what somebody may do from now on."""
        member, rights = self._member(visit), rights_from(visit)
        problems = rights_problems(visit, rights) or reauthenticate(visit)
        if not problems:
            try:
                self._desk.accounts.set_roles(
                    visit.actor, member.login, rights.roles, rights.languages
                )
            except LastAdministrator:
                problems = {"roles": last_administrator(visit)}
            except MalformedAccount as error:
                problems = {error.field: malformed(visit, error.field)}
        if problems:
            return self._roles_page(visit, member, rights, problems)
        return visit.go("member", said="saved", login=member.login)

    def _roles_page(
        self, visit: Visit, member: StaffUser, rights: Rights, problems: Mapping[str, str]
    ) -> Response:
        return visit.page(
            "staff_roles.html",
            _status(problems),
            problems=problems,
            member=_line(visit, member),
            **self._choices(visit, rights),
        )

    def ask_reset(self, visit: Visit) -> Response:
        """Ask whether a password and an app are to be taken away."""
        return self._reset_page(visit, self._member(visit), {})

    def reset(self, visit: Visit) -> Response:
        """Take them away, and show the link to begin anew this once."""
        member = self._member(visit)
        problems = reauthenticate(visit)
        if not problems:
            try:
                return self._link_page(visit, self._desk.accounts.reset(visit.actor, member.login))
            except LastAdministrator:
                problems = {"": last_administrator(visit)}
            except AccountDisabled:
                problems = {"": visit.say("The account is disabled. Enable it first.")}
        return self._reset_page(visit, member, problems)

    def _reset_page(self, visit: Visit, member: StaffUser, problems: Mapping[str, str]) -> Response:
        return visit.page(
            "staff_reset.html",
            _status(problems),
            problems=problems,
            member=_line(visit, member),
        )

    def disable(self, visit: Visit) -> Response:
        """Shut somebody out."""
        member = self._member(visit)
        try:
            self._desk.accounts.disable(visit.actor, member.login)
        except LastAdministrator:
            return self._member_page(visit, member, {"": last_administrator(visit)})
        return visit.go("member", said="shut-out", login=member.login)

    def enable(self, visit: Visit) -> Response:
        """Let somebody in again."""
        member = self._member(visit)
        self._desk.accounts.enable(visit.actor, member.login)
        return visit.go("member", said="let-in", login=member.login)

    def end_one(self, visit: Visit) -> Response:
        """End one session of somebody."""
        member, number = self._member(visit), visit.path["session"]
        if not number.isdecimal():
            raise visit.not_found()
        self._desk.accounts.end_session(visit.actor, member.login, int(number))
        return visit.go("member", said="session-ended", login=member.login)

    def end_all(self, visit: Visit) -> Response:
        """End all sessions of somebody."""
        member = self._member(visit)
        self._desk.accounts.end_all(visit.actor, member.login)
        return visit.go("member", said="sessions-ended", login=member.login)


def rights_from(visit: Visit) -> Rights:
    """Return the roles and languages of a form."""
    known = {one.value: one for one in StaffRole}
    return Rights(
        tuple(known[one] for one in visit.form.all("roles") if one in known),
        _unique(visit.form.all("languages")),
    )


def rights_problems(visit: Visit, rights: Rights) -> dict[str, str]:
    """Return what does not go together in roles and languages."""
    translates = StaffRole.TRANSLATOR in rights.roles
    if not rights.roles:
        return {"roles": visit.say("Choose at least one role.")}
    if translates and not rights.languages:
        return {"languages": visit.say("Choose the languages that they translate into.")}
    if rights.languages and not translates:
        return {
            "languages": visit.say(
                "Only translators are held to languages. Choose that role, or no language."
            )
        }
    return {}


def login_taken(visit: Visit) -> str:
    """Return why a login name is not to be had."""
    return visit.say("There is somebody of this login name. Choose another.")


def malformed(visit: Visit, field: str) -> str:
    """Return what an account cannot be like."""
    if field == "login":
        return visit.say(
            "A login name has 2 to 40 characters: small letters a to z, digits, dots and hyphens."
        )
    if field == "name":
        return visit.say("Write the name on one line, as colleagues know it.")
    return visit.say("This cannot be chosen.")


def last_administrator(visit: Visit) -> str:
    """Return why the last administrator is safe."""
    return visit.say(
        "This is the last administrator who can sign in. Make somebody else an administrator first, "
        "who has used their link."
    )


def _line(visit: Visit, user: StaffUser) -> dict[str, object]:
    return {
        "login": user.login,
        "name": user.name,
        "roles": roles_of(visit, user),
        "languages": languages_of(visit, user),
        "state": _state(user),
        "self": visit.session is not None and user.user_id == visit.session.user.user_id,
    }


def _state(user: StaffUser) -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "invited" if user.confirmed_at is None else ""


def _status(problems: Mapping[str, str]) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in values if one))
