"""The gate before the desk, held against every route there is: who gets in, and whose forms count.

The cases are made from the router, so that an area that is added is held to the same.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from mailer.app.accounts import Accounts
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import make_draft
from mailer.app.workspace import Workspace
from mailer.desk.app import CONTENT_SECURITY_POLICY, HEADERS, create_desk_app, desk_routes
from mailer.desk.forms import LARGEST_FORM, LARGEST_FORM_OF_ANYBODY
from mailer.desk.ground import Desk
from mailer.desk.pages import DeskPages
from mailer.desk.routes import Method, Route
from mailer.model.staff import Actor, ActorKind, StaffRole
from mailer.store.tables import metadata
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.desk import DeskBrowser, ServedDesk, served_desk, welcome
from tests.support.drafts import LIST, SLUG, drafting_workspace

ANA = Actor(ActorKind.STAFF, "ana")
_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")
#: What nothing has; a placeholder of a number finds nothing under it, either.
NOTHING = "none-such"
HEADER_NAMES = [name for name in HEADERS if name != "Content-Security-Policy"]


@dataclass
class Ground:
    """A desk with something in it, and a browser for each role."""

    desk: ServedDesk
    routes: list[Route]
    #: What the placeholders of addresses are.
    places: Mapping[str, str]
    browsers: dict[StaffRole, DeskBrowser] = field(default_factory=dict)
    #: Somebody who may do everything.
    all_roles: DeskBrowser | None = None

    def path(self, route: Route, *, found: bool = True) -> str:
        """Return the address of a route, of something that is there or of nothing."""
        path = _PLACEHOLDER.sub(
            lambda one: self.places.get(one[1], "1") if found else NOTHING, route.path
        )
        return f"/desk{path}".rstrip("/")

    def of(self, method: Method) -> Iterator[Route]:
        """Yield the routes of a method, signing out last."""
        found = [one for one in self.routes if one.method is method]
        yield from sorted(found, key=lambda one: one.name in ("sign-out", "end-own-others"))

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return all that is in the database."""
        with self.desk.workspace.store.read() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(table.select())]
                for table in metadata.sorted_tables
            }

    def changed(self, before: dict[str, list[tuple[object, ...]]]) -> list[str]:
        """Return the names of tables that are not what they were."""
        after = self.rows()
        return [name for name, rows in before.items() if after[name] != rows]


@pytest.fixture(scope="module")
def ground(tmp_path_factory, sqlite_template):
    """A desk with a statement and a draft of a mailing."""
    folder = tmp_path_factory.mktemp("workspace")
    store = sqlite_copy(sqlite_template, folder / "test.db")
    workspace = drafting_workspace(folder, store, FixedClock())
    mailing = make_draft(workspace, ANA, make_plan(workspace, Wish(SLUG, (LIST,))))
    places = {"key": mailing.key, "login": "author", "slug": SLUG, "token": "a" * 43}
    places |= {"language": "ru", "tag": "ru", "list": LIST}
    with served_desk(workspace) as served:
        routes = desk_routes(Desk(workspace, Accounts(workspace), DeskPages("Harbor")))
        made = Ground(served, routes, places)
        for role in StaffRole:
            made.browsers[role] = served.signed_in(role)
        made.all_roles = served.signed_in(*StaffRole, login="omni")
        made.all_roles.get("/desk/account")
        yield made
        for browser in (*made.browsers.values(), made.all_roles):
            browser.client.close()
    store.close()


def ask(browser: DeskBrowser, method: str, path: str, **more) -> httpx.Response:
    """Return an answer without its body: some never end."""
    request = browser.client.build_request(method, path, **more)
    answer = browser.client.send(request, stream=True)
    answer.close()
    return answer


def foreign_forms(token: str, other: str, origin: str) -> dict[str, tuple[dict, dict]]:
    """Return forms that no page of ours sent: what each carries, and its headers."""
    here = {"Origin": origin}
    return {
        "no token": ({}, here),
        "another's token": ({"form_token": other}, here),
        "another's token in the header": ({}, {**here, "X-Form-Token": other}),
        "token cut short": ({"form_token": token[:-1]}, here),
        "token that is no text": ({"form_token": "é"}, here),
        "foreign origin": ({"form_token": token}, {"Origin": "https://evil.example.org"}),
        "origin that begins like ours": ({"form_token": token}, {"Origin": f"{origin}0"}),
        "origin of another scheme": (
            {"form_token": token},
            {"Origin": origin.replace("http:", "https:")},
        ),
        "no origin to speak of": ({"form_token": token}, {"Origin": "null"}),
        "no origin, from another site": (
            {"form_token": token},
            {"Sec-Fetch-Site": "cross-site"},
        ),
    }


def test_no_form_of_another_site_changes_anything(ground):
    """At any address: without our token, with another session's, or from elsewhere it is refused."""
    with ground.desk.browser() as nobody, ground.desk.browser() as other:
        nobody.get("/desk/sign-in")
        other.get("/desk/sign-in")
        strangers = {True: ground.browsers[StaffRole.AUTHOR], False: other}
        strangers[True].get("/desk/account")
        before, wrong = ground.rows(), []
        for route in ground.of(Method.CHANGE):
            signed_in = bool(route.roles)
            browser = ground.all_roles if signed_in else nobody
            forms = foreign_forms(
                browser.form_token, strangers[signed_in].form_token, ground.desk.url
            )
            for name, (fields, headers) in forms.items():
                answer = browser.client.post(
                    ground.path(route), data={"a": "1", **fields}, headers=headers
                )
                if answer.status_code != 403:
                    wrong.append((route.name, name, answer.status_code))
        assert wrong == []
        assert ground.changed(before) == []


def test_whoever_is_not_signed_in_is_sent_to_sign_in(ground):
    """At every address that is not for anybody; what they wanted to see waits for them there."""
    with ground.desk.browser() as browser:
        before, wrong = ground.rows(), []
        for route in ground.routes:
            if not route.roles:
                continue
            path = ground.path(route)
            answer = ask(browser, route.method.value, path)
            to = httpx.QueryParams({"to": path}) if route.method is Method.SEE else ""
            expected = f"/desk/sign-in?{to}" if to else "/desk/sign-in"
            if (answer.status_code, answer.headers.get("location")) != (303, expected):
                wrong.append((route.name, route.method, answer.status_code))
        assert wrong == []
        assert ground.changed(before) == []


def test_every_role_gets_in_where_it_is_said_to_and_nowhere_else(ground):
    """403 to all others, whether or not there is what they ask for; nothing breaks for anybody."""
    wrong = []
    for role, browser in ground.browsers.items():
        for method in Method:
            for route in ground.of(method):
                if not route.roles:
                    continue
                may = role in route.roles
                if method is Method.SEE:
                    answer = ask(browser, "GET", ground.path(route))
                else:
                    browser.get("/desk/account")
                    answer = browser.post(ground.path(route, found=False), follow=False)
                expected = answer.status_code not in (403,) if may else answer.status_code == 403
                if not expected or answer.status_code >= 500:
                    wrong.append((role, method, route.name, answer.status_code))
        ground.browsers[role] = _anew(ground, role, browser)
    assert wrong == []


def _anew(ground: Ground, role: StaffRole, browser: DeskBrowser) -> DeskBrowser:
    """Return a browser in which somebody is signed in, after the one they had was signed out."""
    browser.client.close()
    return ground.desk.signed_in(role, login=f"{role.value}-again")


def test_looking_changes_nothing(ground):
    """Whatever is looked at, by GET or HEAD; HEAD is answered like GET, without a body."""
    before, wrong = ground.rows(), []
    for route in ground.of(Method.SEE):
        path = ground.path(route)
        seen = ask(ground.all_roles, "GET", path)
        head = ground.all_roles.client.head(path)
        if (head.status_code, head.content) != (seen.status_code, b""):
            wrong.append((route.name, seen.status_code, head.status_code))
    assert wrong == []
    assert ground.changed(before) == []


def test_every_answer_forbids_what_pages_do_not_need(ground):
    """Pages, refusals, errors, files, redirects: the same headers, and nobody keeps what is private."""
    paths = {ground.path(route) for route in ground.of(Method.SEE)}
    wrong = []
    for path in [*sorted(paths), "/", "/healthz", "/desk/none", "/none", "/desk/static/none.css"]:
        for browser in (ground.all_roles, ground.browsers[StaffRole.TRANSLATOR]):
            answer = ask(browser, "GET", path)
            lacking = [
                name
                for name in HEADER_NAMES
                if name != "Referrer-Policy" and answer.headers.get(name) != HEADERS[name]
            ]
            if answer.headers.get("referrer-policy") not in ("same-origin", "strict-origin"):
                lacking.append("Referrer-Policy")
            policy = answer.headers.get("content-security-policy", "")
            # A frame that shows a mail has a policy of its own, which lets no script run at all.
            if policy != CONTENT_SECURITY_POLICY and "default-src 'none'" not in policy:
                lacking.append("Content-Security-Policy")
            if "no-store" not in answer.headers.get("cache-control", ""):
                lacking.append("Cache-Control")
            if lacking:
                wrong.append((path, answer.status_code, lacking))
    assert wrong == []
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "data:" not in CONTENT_SECURITY_POLICY


def test_no_page_believes_what_host_it_is_asked_by(ground):
    """Neither Host nor what a proxy would add stands in a link, a redirect or anything else."""
    evil = "evil.example.org"
    names = {
        "Host": evil,
        "X-Forwarded-Host": evil,
        "Forwarded": f"host={evil}",
        "X-Original-URL": evil,
    }
    wrong = []
    with ground.desk.browser() as nobody:
        for route in ground.of(Method.SEE):
            # What is told while it lasts has no end, and its page is asked for, too.
            if route.name.endswith("-live"):
                continue
            for browser in (ground.all_roles, nobody):
                answer = browser.client.get(ground.path(route), headers=names)
                if evil in answer.text or evil in str(answer.headers):
                    wrong.append((route.name, answer.status_code))
    assert wrong == []


def test_another_method_is_told_which_there_are(ground):
    """405 names all of them, as RFC 9110 wants."""
    for path, allowed in (
        ("/desk/sign-in", {"GET", "HEAD", "POST"}),
        ("/desk/account", {"GET", "HEAD"}),
        ("/desk/sign-out", {"POST"}),
    ):
        answer = ground.all_roles.client.request("DELETE", path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed


def test_signing_in_begins_a_session_of_its_own(ground):
    """Whatever cookie the browser came with: nobody can put theirs into it beforehand."""
    planted = "a" * 43
    member = welcome(ground.desk.workspace, "fixed", StaffRole.AUTHOR)
    with ground.desk.browser() as browser:
        browser.client.cookies.set("desk-session", planted, domain="127.0.0.1", path="/")
        browser.sign_in(member)
        first = browser.client.cookies.get("desk-session", domain="127.0.0.1", path="/")
        assert first not in (None, planted)
        browser.client.cookies.clear()
        browser.sign_in(member)
        assert browser.client.cookies["desk-session"] not in (first, planted)


TRICKS = [
    "https://evil.example.org/",
    "//evil.example.org/desk",
    "///evil.example.org",
    "\\\\evil.example.org",
    "/\\evil.example.org",
    "/desk\\..\\..\\evil",
    "/desk@evil.example.org",
    "/desk.evil.example.org",
    "/deskevil",
    "desk",
    "evil.example.org",
    "javascript:alert(1)",
    "data:text/html,x",
    "/desk/../elsewhere",
    "/desk/..",
    "/desk/%0d%0aLocation:%20https://evil.example.org".replace("%0d%0a", "\r\n"),
    "/desk/\thttps://evil.example.org",
    " https://evil.example.org",
    "/desk/é",
    "/elsewhere",
    "http:/desk",
    "",
]


@pytest.mark.parametrize("to", TRICKS)
def test_after_signing_in_nobody_is_led_elsewhere(ground, to):
    """What is no path of the desk leads to the first page, from the form and from the address."""
    login = f"led-{TRICKS.index(to)}"
    member = welcome(ground.desk.workspace, login, StaffRole.AUTHOR)
    with ground.desk.browser() as browser:
        page = browser.get("/desk/sign-in?" + str(httpx.QueryParams({"to": to})))
        assert 'name="to" value=""' in page.text
        answer = browser.post(
            "/desk/sign-in",
            {"login": login, "password": member.password, "code": member.code(), "to": to},
            follow=False,
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")


@pytest.mark.parametrize("to", ["/desk", "/desk/mailings?before=3", "/desk/account"])
def test_after_signing_in_one_is_where_one_wanted_to_be(ground, to):
    """A path of the desk is kept, with its query."""
    login = f"back-{len(to)}"
    member = welcome(ground.desk.workspace, login, StaffRole.AUTHOR)
    with ground.desk.browser() as browser:
        browser.get("/desk/sign-in?" + str(httpx.QueryParams({"to": to})))
        answer = browser.post(
            "/desk/sign-in",
            {"login": login, "password": member.password, "code": member.code(), "to": to},
            follow=False,
        )
        assert answer.headers["location"] == to


def test_no_script_reads_a_cookie_and_no_other_site_sends_one(ground):
    """HttpOnly, SameSite, for the whole host and no other; they end with the browser."""
    member = welcome(ground.desk.workspace, "cookie", StaffRole.AUTHOR)
    with ground.desk.browser() as browser:
        page = browser.get("/desk/sign-in")
        (form_cookie,) = page.headers.get_list("set-cookie")
        answer = browser.post(
            "/desk/sign-in",
            {"login": member.login, "password": member.password, "code": member.code()},
            follow=False,
        )
        cookies = answer.headers.get_list("set-cookie")
        session_cookie = next(one for one in cookies if one.startswith("desk-session="))
        for cookie in (form_cookie, session_cookie):
            attributes = {one.strip().lower() for one in cookie.split(";")[1:]}
            assert attributes == {"httponly", "samesite=lax", "path=/"}


async def test_over_https_cookies_are_bound_to_the_host(ground):
    """Secure, and named so that no other host, and no page without TLS, can set them."""
    config = ground.desk.workspace.config
    section = config.desk.model_copy(update={"base_url": "https://mail.harbor.example.org"})
    workspace = Workspace(config.model_copy(update={"desk": section}), FixedClock())
    workspace.__dict__["store"] = ground.desk.workspace.store
    transport = httpx.ASGITransport(create_desk_app(workspace))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://mail.harbor.example.org"
    ) as client:
        answer = await client.get("/desk/sign-in")
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-desk-form=")
    attributes = {one.strip().lower() for one in cookie.split(";")[1:]}
    assert attributes == {"httponly", "samesite=lax", "path=/", "secure"}


def test_the_log_holds_no_token(ground, caplog):
    """Not that of a session, of a form, or of a link; nor what was typed."""
    member = welcome(ground.desk.workspace, "logged", StaffRole.AUTHOR)
    with (
        ground.desk.browser() as browser,
        caplog.at_level(logging.DEBUG),
    ):
        browser.get("/desk/sign-in")
        form_token, code = browser.form_token, member.recovery_codes[-1]
        browser.sign_in(member)
        browser.get("/desk/account")
        browser.get(f"/desk/review/{'b' * 43}?said={'c' * 43}")
        browser.get(f"/desk/{'d' * 43}")
        secrets = [
            form_token,
            browser.get("/desk/account") and browser.form_token,
            browser.client.cookies["desk-session"],
            code,
            member.password,
            *(letter * 43 for letter in "bcd"),
        ]
        ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
        told = " ".join(str(vars(record)) for record in ours)
    assert "account" in told
    assert [one for one in secrets if one in told] == []


def test_a_form_that_is_no_form_is_refused(ground):
    """Another content type, a file where none is taken, a body that is too large."""
    browser, path = ground.all_roles, "/desk/account/language"
    browser.get("/desk/account")
    headers = {"Origin": ground.desk.url, "X-Form-Token": browser.form_token}
    client = browser.client
    assert client.post(path, json={"a": 1}, headers=headers).status_code == 415
    assert client.post(path, content=b"", headers=headers).status_code == 415
    files = {"file": ("a.txt", b"x")}
    assert client.post(path, files=files, headers=headers).status_code == 400
    large = {"a": "x" * (5 * 1024 * 1024)}
    assert client.post(path, data=large, headers=headers).status_code == 413


#: What leads out of a folder, ends a name early, or is no name at all, each as it stands in an address.
ODD_NAMES = (
    "..%2F..%2Fetc%2Fpasswd",
    "%2E%2E",
    "..%5C..%5Cseal.key",
    "%2Fetc%2Fpasswd",
    "a%00.key",
    "%FF%FE",
    "a" * 4000,
    "%24%7Bx%7D%27%22%3C",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_address_leads_out_of_its_place(ground, name):
    """Whatever stands in it where something is named: it is not found, and nothing breaks."""
    wrong = []
    for route in ground.of(Method.SEE):
        if "{" not in route.path:
            continue
        path = "/desk" + _PLACEHOLDER.sub(lambda _one: name, route.path)
        status = ask(ground.all_roles, "GET", path).status_code
        # A link that is over and one that never was lead to one page.
        if status not in (400, 404, 410, 414):
            wrong.append((route.path, status))
    assert wrong == []


def test_what_is_too_large_is_refused_before_it_is_read(ground):
    """At every address that takes a form, by what the request says of itself."""
    wrong = []
    ground.all_roles.get("/desk/account")
    headers = {"Origin": ground.desk.url, "X-Form-Token": ground.all_roles.form_token}
    cookies = "; ".join(f"{one.name}={one.value}" for one in ground.all_roles.client.cookies.jar)
    for route in ground.of(Method.CHANGE):
        most = LARGEST_FORM if route.roles else LARGEST_FORM_OF_ANYBODY
        most = route.upload.most_octets if route.upload else most
        lines = [
            f"POST {ground.path(route)} HTTP/1.1",
            f"Host: 127.0.0.1:{ground.desk.port}",
            f"Cookie: {cookies}",
            *(f"{key}: {value}" for key, value in headers.items()),
            "Content-Type: multipart/form-data; boundary=b",
            f"Content-Length: {most + 1}",
        ]
        with socket.create_connection(("127.0.0.1", ground.desk.port), 10) as connection:
            connection.sendall("\r\n".join([*lines, "", "--b\r\n"]).encode())
            said = connection.recv(100).decode()
        if not said.startswith("HTTP/1.1 413"):
            wrong.append((route.path, said[:20]))
    assert wrong == []
