"""Audience and supporters at the desk: counted, built, imported, found and corrected, without scripts."""

import re
import time
from datetime import UTC, datetime

import pytest

from mailer.app.workspace import Workspace
from mailer.audience.segments import saved_segments
from mailer.cli.workspace import make_workspace
from mailer.model.staff import StaffRole
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.statements.source import read_statement
from mailer.store.statements import save_revision
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk
from tests.support.factories import Ground, make_revision

PEOPLE = "E-mail,Имя,Страна,Размер\nanna@example.org,Анна,MD,38\nboris@example.org,Борис,UA,44\nnone,X,MD,1\n"
LIST = "harbor-news"
SOURCE = "by telephone on 3 May"


@pytest.fixture
def desk(tmp_path):
    """The desk of the sample workspace."""
    make_workspace(tmp_path / "workspace").store.close()
    workspace = Workspace.open(tmp_path / "workspace", FixedClock(datetime.now(UTC)))
    with served_desk(workspace) as served:
        yield served
    workspace.store.close()


@pytest.fixture
def sender(desk):
    """A browser in which a sender is signed in."""
    with desk.signed_in(StaffRole.SENDER) as browser:
        yield browser


def until(browser, path, words):
    """The page once it says these words."""
    for _ in range(150):
        page = browser.get(path)
        if words in page.text:
            return page
        time.sleep(0.2)
    raise AssertionError(page.text)


def upload(browser, content=PEOPLE, name="Список.csv"):
    """The path of a file that was uploaded."""
    browser.get("/desk/audience/import")
    page = browser.post(
        "/desk/audience/import", {"list": LIST},
        files={"file": (name, content.encode(), "text/csv")},
    )  # fmt: skip
    assert 200 == page.status_code, page.text
    return page.url.path


def chosen(page):
    """What is selected in each control of a page, by name."""
    return {
        name: re.search(r'value="([^"]*)" selected', body)[1]
        for name, body in re.findall(
            r'<select id="[^"]*" name="([^"]*)"[^>]*>(.*?)</select>', page.text, re.S
        )
    }


def test_people_are_imported_step_by_step_and_taken_back(sender):
    """Columns, what would happen, the import, what came of it; no address but in the cells shown."""
    path = upload(sender)
    page = sender.get(path)
    assert "anna@example.org" in page.text
    columns = chosen(page)
    assert ["address", "name", "country", "-"] == list(columns.values())
    wrong = sender.post(f"{path}/columns", columns | {"column-1": "address"})
    assert 422 == wrong.status_code
    sender.post(f"{path}/columns", columns)
    page = until(sender, path, "What would happen")
    assert "anna" not in page.text
    assert "New on the list" in page.text
    assert "Lines to look at" in page.text
    sender.post(f"{path}/start")
    page = until(sender, path, "What came of it")
    batch = re.search(r"/desk/audience/imported/\d+", page.text)[0]
    sender.get(batch)
    sender.post(batch)
    until(sender, batch, "Taken back")
    assert "Harbor News" in sender.get("/desk/audience/members").text


def test_an_audience_is_counted_on_a_page_of_its_own(sender):
    """The form shows a link to it, which is what a script would fetch."""
    path = upload(sender)
    columns = chosen(sender.get(path))
    sender.post(f"{path}/columns", columns)
    until(sender, path, "What would happen")
    sender.post(f"{path}/start")
    until(sender, path, "What came of it")
    page = sender.get(f"/desk/audience/count?list={LIST}&segment=country+%3D+MD")
    link = re.search(r'href="([^"]*/counted[^"]*)"', page.text)[1].replace("&amp;", "&")
    page = sender.get(link)
    assert "1 person may be mailed" in page.text
    assert "Moldova" in page.text
    assert "excluded" in page.text
    bad = sender.get(f"/desk/audience/counted?list={LIST}&segment=town+%3D+x")
    assert 200 == bad.status_code
    assert "is not a field" in bad.text


def test_a_segment_is_built_by_clicking(desk, sender):
    """Rows are added and taken away, faults told beside them; what is saved is an expression."""
    path = "/desk/audience/new-segment"
    sender.get(path)
    fields = {"key": "from-moldova", "name": "From Moldova", "groups": "1", "joiner": "and", "joiner-0": "and",
              "row-0-0-asked": "country|in", "row-0-0": "MD, Moldova", "do": "save"}  # fmt: skip
    wrong = sender.post(path, fields)
    assert 422 == wrong.status_code
    assert "two letters" in wrong.text
    fields["row-0-0"] = "MD, UA"
    page = sender.post(path, fields | {"do": "add:0"})
    assert 'name="row-0-1-asked"' in page.text
    fields |= {"row-0-1-asked": "tags|in", "row-0-1": 'press, "choir, sings"'}
    page = sender.post(path, fields | {"do": "add:x"})
    assert 'name="row-x-0-asked"' in page.text
    page = sender.post(path, fields | {"row-x-0-asked": "|received", "row-x-0": "her-rights"})
    assert "/desk/audience/segments/from-moldova" == page.url.path
    saved = saved_segments(desk.workspace.config.lists_dir).by_key["from-moldova"].text
    assert (
        'country in (MD, UA) and tags in ("press", "choir, sings") and not received("her-rights")'
    ) == saved
    text = sender.post(
        page.url.path,
        {"mode": "text", "seen": saved, "name": "x", "expression": "country =", "do": "save"},
    )
    assert 422 == text.status_code
    sender.get("/desk/audience/segments/from-moldova")
    sender.post("/desk/audience/segments/from-moldova/remove")
    assert "from-moldova" not in saved_segments(desk.workspace.config.lists_dir).by_key


def test_an_expression_that_no_form_shows_stays_text(desk, sender):
    """It is edited as text, and nothing of it is lost."""
    path = desk.workspace.config.lists_dir / "segments.toml"
    deep = "country = MD or (language = ru and (country = UA or country = BY))"
    path.write_text(f"[deep]\nexpression = '{deep}'\n", encoding="utf-8")
    page = sender.get("/desk/audience/segments/deep")
    assert f">\n{deep}</textarea>" in page.text
    page = sender.post(
        page.url.path, {"mode": "text", "expression": deep, "seen": deep, "do": "as-form"}
    )
    assert "No form can show" in page.text


def test_a_supporter_is_added_found_corrected_and_erased(sender):
    """By the whole address, which stands in no URL on the way."""
    sender.get("/desk/supporters")
    page = sender.post("/desk/supporters", {"address": "anna@example.org"})
    assert "No organisation here knows" in page.text
    page = sender.post("/desk/supporters/add", {"address": "anna@example.org", "do": "ask"})
    page = sender.post(
        "/desk/supporters/add", {"address": "anna@example.org", "list": LIST, "name": "Anna"}
    )
    assert 422 == page.status_code
    page = sender.post(
        "/desk/supporters/add",
        {"address": "anna@example.org", "list": LIST, "name": "<b>Anna</b>", "source": SOURCE},
    )
    path = page.url.path
    assert "&lt;b&gt;Anna" in page.text
    assert SOURCE in page.text
    sender.get("/desk/supporters")
    assert path == sender.post("/desk/supporters", {"address": "ANNA@example.org"}).url.path
    assert "anna" not in str(sender.page.url)
    page = sender.post(f"{path}/correct", {"name": "Anna", "country": "Moldova"})
    assert 422 == page.status_code
    page = sender.post(f"{path}/correct", {"name": "Anna", "country": "MD", "discreet": "yes"})
    assert (path, True) == (page.url.path, "discreet mails only" in page.text)
    page = sender.post(f"{path}/leave", {"list": LIST})
    assert "They are off the list" in page.text
    page = sender.post(f"{path}/join", {"list": LIST, "source": "again"})
    assert "stay off it" in page.text
    page = sender.post(f"{path}/join", {"list": LIST, "source": "again", "returns": "yes"})
    assert "They are on the list" in page.text
    page = sender.post(f"{path}/suppress", {"scope": "one", "reason": "a letter"})
    assert "staff decided so" in page.text
    scope = re.search(r'name="scope" value="(organisation:\d+)"', page.text)[1]
    assert 422 == sender.post(f"{path}/lift", {"scope": scope}).status_code
    page = sender.post(f"{path}/lift", {"scope": scope, "reason": "a mistake"})
    assert "It is lifted" in page.text
    assert 422 == sender.post(f"{path}/erase", {"scope": "one"}).status_code
    page = sender.post(f"{path}/erase", {"scope": "one", "sure": "yes"})
    assert "is erased" in page.text
    assert 404 == sender.get(path).status_code


def test_what_is_not_there_is_not_found(sender):
    """Whatever number or word stands in the address."""
    for path in ("supporters/77", "supporters/x", "supporters/٣", "audience/import/9", "audience/imported/9",
                 "audience/segments/none", "supporters/99999999999999999999"):  # fmt: skip
        assert 404 == sender.get(f"/desk/{path}").status_code


def test_administrators_look_and_others_see_no_person(desk):
    """An author counts audiences; supporters and imports are none of theirs."""
    with desk.signed_in(StaffRole.ADMINISTRATOR) as browser:
        assert 200 == browser.get("/desk/supporters").status_code
        assert 200 == browser.get("/desk/audience/import").status_code
        assert 403 == browser.get("/desk/supporters/add").status_code
    with desk.signed_in(StaffRole.AUTHOR) as browser:
        assert 200 == browser.get("/desk/audience").status_code
        assert 200 == browser.get("/desk/audience/segments/active-volunteers").status_code
        assert 403 == browser.get("/desk/supporters").status_code
        assert 403 == browser.get("/desk/audience/import").status_code


def test_those_without_an_edition_are_caught_up_with(desk):
    """A mailing that is over leads to a draft to exactly those, once there is an edition."""
    workspace = desk.workspace
    ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    ground.add_list(LIST)
    sent = ground.add_mailing(
        [LIST], MailingState.FINISHED, make_revision(("en",), slug="her-rights")
    )
    who = ground.add_supporter("vera@example.org", LIST, languages=("ru",))
    ground.add_delivery(
        sent, who, DeliveryState.SKIPPED, None, skip_reason=SkipReason.NO_ACCEPTABLE_EDITION
    )
    path = f"/desk/mailings/{sent.key}/catch-up"
    with desk.signed_in(StaffRole.AUTHOR) as author:
        assert "no edition of her-rights has come since" in author.get(path).text
        folder = workspace.config.templates_dir / "statements" / "her-rights"
        revision, _ = read_statement(folder, workspace.config.root)
        with workspace.store.write() as connection:
            save_revision(connection, revision, workspace.clock.now())
        assert "1 person was not mailed" in author.get(path).text
        page = author.post(path)
        assert "/desk/mailings/her-rights-2" == page.url.path, page.text
        assert "no_acceptable_edition" in page.text
