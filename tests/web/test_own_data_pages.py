"""Seeing, erasing and moving what is held, by the links that are sent for it."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailer.app.own_data import OwnDataDesk
from mailer.audience.addresses import normalize_address
from mailer.feedback.own_data import MAILS_A_DAY, fresh_token
from mailer.keys import WrongSealKey
from mailer.model.audience import MembershipState, SuppressionReason
from mailer.model.faults import Fault, FaultsFound
from mailer.model.service import ServicePurpose
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.schedule.housekeeping import Housekeeper, Retention
from mailer.store import tables
from mailer.store.audience import SCOPE_ALL, organisation_scope, sync_lists
from mailer.store.engine import StoreUnavailable
from mailer.store.forgetting import forget_notices
from mailer.store.preferences import standing_of
from mailer.store.restoring import replay_log
from mailer.store.service_mails import claim_service, open_mail
from mailer.store.supporters import erase, organisation_ids
from mailer.store.suppressions import Suppressed, standing, suppress
from mailer.tokens import Purpose
from mailer.web.public.own_data import OwnData
from tests.support.clocks import FixedClock
from tests.support.factories import Ground, make_revision
from tests.support.mail import message, text_of
from tests.support.newsletters import newsletter_workspace
from tests.support.public_web import AtOnce, public_site

ANNA = "anna@example.org"
NEW = "anna.new@example.net"
LISTS = ("harbor-news", "harbor-volunteers", "lantern-friends")


@pytest.fixture
def workspace(tmp_path, sqlite_store):
    """What ships, with both keys; nothing is live."""
    made = newsletter_workspace(tmp_path, sqlite_store, FixedClock())
    (tmp_path / "data").mkdir()
    return made


@pytest.fixture
def ground(workspace):
    """What writes people into it."""
    made = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    with workspace.store.write() as connection:
        for key in LISTS:
            one = workspace.lists[0][key]
            made.lists[key] = (sync_lists(connection, [one], made.now)[key], one)
    return made


@pytest.fixture
def anna(ground):
    """Anna, on one list of Harbor; she reads Russian."""
    return ground.add_supporter(
        ANNA, "harbor-news", languages=("ru",), fields={"name": "Anna", "city": "Balti"}
    )


def site_of(workspace, later=None, **options):
    """Serve the pages of a workspace; what answers do not wait for is done before them."""
    desk = OwnDataDesk(workspace)
    return public_site(
        workspace.store,
        workspace.tokens,
        workspace.clock,
        log=workspace.suppression_log.path,
        areas=[lambda ground: OwnData(ground, desk, later or AtOnce()).routes()],
        **options,
    )


@pytest.fixture
def visitor(workspace):
    """Somebody who reads English."""
    with site_of(workspace) as site, site.visitor() as opened:
        yield opened


def mails(workspace):
    """Claim what is due, and open it."""
    with workspace.store.write() as connection:
        later = workspace.clock.now() + timedelta(seconds=1)
        claimed = claim_service(connection, "test", "sandbox", 100, later)
    return [open_mail(workspace.seal_keys, one) for one in claimed]


def link_of(mail) -> str:
    """Return the path of the only link in a mail."""
    (found,) = re.findall(r"https?://[^/\s]+(/[\w/-]+)", text_of(mail.content))
    return found


def fresh(workspace, supporter_id):
    """Return the path of a fresh link."""
    return f"/data/{fresh_token(workspace.tokens, supporter_id, workspace.clock.now())}"


def digest(workspace, address=ANNA):
    """Return an address's digest."""
    return workspace.service_keys.address_digest(normalize_address(address).normal_form)


def everything(workspace):
    """Return every row there is of supporters and what hangs on them."""
    names = ("supporter", "membership", "suppression", "address_change", "service_mail", "delivery")
    with workspace.store.read() as connection:
        return {
            name: connection.execute(select(tables.metadata.tables[name])).all() for name in names
        }


def address_of(workspace, supporter_id):
    """Return the address on record, opened; None when the row is gone."""
    with workspace.store.read() as connection:
        row = connection.execute(
            select(tables.supporter).where(tables.supporter.c.id == supporter_id)
        ).one_or_none()
    if row is None:
        return None
    return workspace.seal_keys.unseal(row.address_sealed, "supporter", "address_sealed", row.id)


def barred(workspace, address=ANNA):
    """Return scope and reason of every suppression of an address."""
    with workspace.store.read() as connection:
        return [
            (one.scope, one.reason.value)
            for one in standing(connection, digest(workspace, address))
        ]


def test_a_link_comes_to_the_address_on_record(workspace, visitor, anna):
    """In the person's language, its subject naming no cause; the preferences page sends it."""
    token = workspace.tokens.person(Purpose.PREFERENCES, 7, anna)
    page = visitor.get(f"/p/{token}").text
    action = re.search(r'action="\.\.(/p/[^"]+/link)"', page)[1]

    answer = visitor.post(action, data={"action": "send-link"})

    (mail,) = mails(workspace)
    assert (200, ANNA) == (answer.status_code, mail.address)
    assert "Ссылка, которую вы запросили" == message(mail.content)["Subject"]
    assert "Download" in visitor.get(link_of(mail)).text


def test_each_organisation_that_knows_an_address_sends_its_own(workspace, visitor, anna, ground):
    """Whoever asks at /data has one answer; who is on record has a mail from each."""
    ground.add_supporter(ANNA, "lantern-friends")

    known = visitor.post("/data", data={"address": " Anna@Example.ORG "})
    senders = {message(one.content)["From"].addresses[0].domain for one in mails(workspace)}
    unknown = visitor.post("/data", data={"address": "nobody@example.org"})

    assert (200, known.content) == (unknown.status_code, unknown.content)
    assert {"harbor.example.org", "lantern.example.net"} == senders
    assert [] == mails(workspace)


@pytest.mark.parametrize("trouble", ["lock", "seal"])
def test_trouble_does_not_tell_who_is_known(workspace, visitor, anna, monkeypatch, trouble):
    """A database that takes no writing, or a row that does not open, answers of everybody alike."""

    def refuse(*_args):
        if trouble == "lock":
            raise StoreUnavailable("the database is locked", "Try again")
        raise WrongSealKey("supporter", "address_sealed", anna)

    if trouble == "lock":
        monkeypatch.setattr(type(workspace.store), "write", refuse)
    else:
        monkeypatch.setattr(type(workspace.seal_keys), "unseal", refuse)
    answers = {
        (one.status_code, one.content)
        for one in (
            visitor.post("/data", data={"address": address})
            for address in (ANNA, "nobody@example.org")
        )
    }
    assert 1 == len(answers)


def test_three_links_a_day_and_no_more(workspace, visitor, anna):
    """However often it is asked for, with the same answer; a day later there are three again."""
    pages = {visitor.post("/data", data={"address": ANNA}).content for _ in range(8)}
    assert (1, MAILS_A_DAY) == (len(pages), len(mails(workspace)))

    workspace.clock.forward(hours=24, seconds=1)
    visitor.post("/data", data={"address": ANNA})
    assert 1 == len(mails(workspace))


def test_strangers_use_up_no_link_of_whoever_has_a_mail(workspace, visitor, anna):
    """Who typed her address in all day has sent three; her own button sends three more."""
    for _ in range(8):
        visitor.post("/data", data={"address": ANNA})
    assert MAILS_A_DAY == len(mails(workspace))
    token = workspace.tokens.person(Purpose.PREFERENCES, 1, anna)
    for _ in range(8):
        visitor.post(f"/p/{token}/link", data={"action": "send-link"})
    assert MAILS_A_DAY == len(mails(workspace))


def test_one_network_cannot_ask_for_ever(workspace, visitor, ground):
    """Beyond its limit nothing is sent, and the answer stays the same."""
    for number in range(30):
        ground.add_supporter(f"p{number}@example.org", "harbor-news")
    pages = {
        visitor.post("/data", data={"address": f"p{number}@example.org"}).content
        for number in range(30)
    }
    assert (1, 20) == (len(pages), len(mails(workspace)))


def test_a_program_that_fills_in_everything_sends_nothing(workspace, visitor, anna):
    """The field that nobody sees is filled in: the same answer, no mail."""
    right = visitor.post("/data", data={"address": "nobody@example.org"})
    trapped = visitor.post("/data", data={"address": ANNA, "website": "https://example.net"})
    assert (right.content, []) == (trapped.content, mails(workspace))


@pytest.mark.parametrize("path", ["/data", "{fresh}/address"])
def test_what_is_no_address_is_told_at_the_field(workspace, visitor, anna, path):
    """Its form says nothing of anybody: the mistake is named at the top and beside the field."""
    answer = visitor.post(
        path.format(fresh=fresh(workspace, anna)), data={"address": "anna(at)example"}
    )
    assert 400 == answer.status_code
    assert '<a href="#address">' in answer.text
    assert 'aria-describedby="' in answer.text
    assert "anna(at)" not in answer.text


def test_what_is_held_is_a_file(workspace, visitor, anna, ground):
    """All of that organisation's row, kept by nobody on the way; another's row stays its own."""
    ground.add_supporter(ANNA, "lantern-friends", fields={"name": "A."})
    mailing = ground.add_mailing(["harbor-news"])
    ground.add_delivery(mailing, anna, DeliveryState.ACCEPTED)
    visitor.post(f"{fresh(workspace, anna)}/address", data={"address": NEW})
    before = everything(workspace)

    answer = visitor.post(f"{fresh(workspace, anna)}/file", data={"action": "file"})

    held = answer.json()
    assert ("no-store", "harbor") == (answer.headers["cache-control"], held["organisation"])
    assert (ANNA, "Anna", "Balti", ["ru"]) == (
        held["address"], held["name"], held["attributes"]["city"], held["languages"]
    )  # fmt: skip
    assert [("harbor-news", "consent")] == [(one["list"], one["consent"]) for one in held["lists"]]
    assert [(mailing.key, "accepted")] == [
        (one["mailing"], one["outcome"]) for one in held["mailings"]
    ]
    assert ["a new address"] == [one["what"] for one in held["waiting to be confirmed"]]
    assert [] == held["came back"]
    assert before == everything(workspace)


def test_erasing_leaves_the_digest_alone(workspace, visitor, anna):
    """The page says what happens; the button does it, the log has it, and the link is done."""
    visitor.post("/data", data={"address": ANNA})
    path = fresh(workspace, anna)
    assert "Erase everything" in visitor.get(f"{path}/erase").text
    assert address_of(workspace, anna) == ANNA

    answer = visitor.post(f"{path}/erase", data={"action": "erase"})

    assert (200, None) == (answer.status_code, address_of(workspace, anna))
    assert "Everything is erased" in answer.text
    assert ["erased"] == [reason for _, reason in barred(workspace)]
    assert [] == everything(workspace)["service_mail"]
    (line,) = [entry for _, entry in workspace.suppression_log.read()]
    assert ("organisation:harbor", "erased") == (line.scope, line.reason)
    for again, stranger in ((path, "/data/{}"), (f"{path}/erase", "/data/{}/erase")):
        assert visitor.get(again).content == visitor.get(stranger.format("x" * 39)).content
    again = visitor.post(f"{path}/erase", data={"action": "erase"})
    assert visitor.get(f"{path}/erase").content == again.content


def test_erasing_in_one_organisation_is_not_in_another(workspace, visitor, anna, ground):
    """Each answers for what it holds; a mail of the other's stays."""
    other = ground.add_supporter(ANNA, "lantern-friends")
    visitor.post("/data", data={"address": ANNA})

    visitor.post(f"{fresh(workspace, anna)}/erase", data={"action": "erase"})

    assert (None, ANNA) == (address_of(workspace, anna), address_of(workspace, other))
    assert 2 == len(mails(workspace))


def test_nothing_is_erased_that_the_log_does_not_have(workspace, visitor, anna):
    """While the log cannot be written the answer is 503, and everything is as it was."""
    before = everything(workspace)
    workspace.suppression_log.path.mkdir()

    answer = visitor.post(f"{fresh(workspace, anna)}/erase", data={"action": "erase"})

    assert (503, before) == (answer.status_code, everything(workspace))


def changed_to(workspace, visitor, supporter_id, address=NEW):
    """Ask for a new address, and return the path that confirms it."""
    visitor.post(f"{fresh(workspace, supporter_id)}/address", data={"address": address})
    # Mails to addresses that were left have no link.
    (mail,) = [one for one in mails(workspace) if "/address/" in text_of(one.content)]
    assert normalize_address(address).address == mail.address
    return link_of(mail)


def test_a_new_address_is_used_once_it_is_confirmed_from_there(workspace, visitor, anna, ground):
    """Asking changes nothing; confirming moves the row, with what pacing needs; twice is once."""
    path = changed_to(workspace, visitor, anna, "анна@пример.example.net")
    visitor.get(path)
    assert ANNA == address_of(workspace, anna)

    pages = {visitor.post(path, data={"action": "confirm"}).content for _ in range(2)}

    moved = normalize_address("анна@пример.example.net")
    assert (1, moved.address) == (len(pages), address_of(workspace, anna))
    with workspace.store.read() as connection:
        row = connection.execute(select(tables.supporter)).one()
    assert (
        digest(workspace, moved.address),
        moved.domain_class,
        workspace.service_keys.domain_digest(moved.domain),
        True,
    ) == (row.address_digest, row.domain_class, row.domain_digest, row.needs_smtputf8)


@pytest.mark.parametrize("known", [False, True])
def test_the_old_address_is_told_once(workspace, visitor, anna, ground, known):
    """In the person's language, with no address in it; who answers is heard. Twice is once."""
    if known:
        ground.add_supporter(NEW, "harbor-volunteers", languages=("de",))
    path = changed_to(workspace, visitor, anna)
    assert [] == mails(workspace)

    for _ in range(2):
        visitor.post(path, data={"action": "confirm"})

    (mail,) = mails(workspace)
    said = message(mail.content)
    assert (ANNA, "Ваш адрес изменён", "office@harbor.example.org") == (
        mail.address, said["Subject"], said["Reply-To"]
    )  # fmt: skip
    assert "ответьте на это письмо" in text_of(mail.content)
    assert "@" not in text_of(mail.content)
    assert NEW.encode() not in mail.content


def test_who_told_no_language_is_told_in_that_of_the_page(workspace, visitor, ground):
    """It is all that is known of them."""
    plain = ground.add_supporter(ANNA, "harbor-news", languages=())
    path = changed_to(workspace, visitor, plain)
    visitor.post(path, data={"action": "confirm"}, headers={"Accept-Language": "ru"})
    (mail,) = mails(workspace)
    assert "ru" == message(mail.content)["Content-Language"]


@pytest.mark.parametrize("why", ["barred", "same", "unfit", "sealed"])
def test_without_telling_the_change_holds(workspace, visitor, anna, why, monkeypatch):
    """Where the old address may not be written to, is the same, or cannot be written to."""
    address = NEW if why != "same" else ANNA.upper()
    path = changed_to(workspace, visitor, anna, address)
    if why == "barred":
        with workspace.store.write() as connection:
            entry = Suppressed(
                digest(workspace), SCOPE_ALL, SuppressionReason.COMPLAINED, "complaint",
                workspace.clock.now(),
            )  # fmt: skip
            suppress(connection, [entry])
    elif why == "unfit":
        monkeypatch.setattr("mailer.app.own_data.write_service", refuse_mail)
    elif why == "sealed":
        with workspace.store.write() as connection:
            connection.execute(
                tables.supporter.update().values(
                    address_sealed=workspace.seal_keys.seal(ANNA, "supporter", "x", anna)
                )
            )

    answer = visitor.post(path, data={"action": "confirm"})

    assert "Your address is changed" in answer.text
    assert normalize_address(address).address == address_of(workspace, anna)
    assert [] == mails(workspace)


def refuse_mail(*_args):
    """Find no relay that may take a mail."""
    raise FaultsFound([Fault("config.toml", 0, "relays", "not verified")])


def test_no_notice_outlives_what_it_tells_of(workspace, visitor, anna):
    """Its sealed address is forgotten with the change, or with the person; one that waits goes out."""
    path = changed_to(workspace, visitor, anna)
    with workspace.store.write() as connection:
        connection.execute(tables.service_mail.update().values(state=DeliveryState.ACCEPTED))
    visitor.post(path, data={"action": "confirm"})
    visitor.post(f"{fresh(workspace, anna)}/erase", data={"action": "erase"})
    (waits,) = everything(workspace)["service_mail"]
    assert (ServicePurpose.ADDRESS_NOTICE, digest(workspace)) == (
        waits.purpose, waits.address_digest
    )  # fmt: skip
    with workspace.store.write() as connection:
        connection.execute(tables.service_mail.update().values(state=DeliveryState.ACCEPTED))
        forget_notices(connection, [waits.request])
    assert [] == everything(workspace)["service_mail"]


def test_suppressions_stay_with_the_old_address(workspace, visitor, anna):
    """What was said of the old one says nothing of the new one."""
    with workspace.store.write() as connection:
        entry = Suppressed(
            digest(workspace), SCOPE_ALL, SuppressionReason.BOUNCED, "bounce", workspace.clock.now()
        )
        suppress(connection, [entry])

    visitor.post(changed_to(workspace, visitor, anna), data={"action": "confirm"})

    assert ([(SCOPE_ALL, "bounced")], []) == (barred(workspace), barred(workspace, NEW))


@pytest.mark.parametrize("known", [False, True])
def test_what_a_person_said_goes_along(workspace, visitor, anna, ground, known):
    """Whoever complained, or wants nothing, is not mailed at a new address either.

    A database put back from a copy knows the old address alone: `suppressions.log` bars it.
    """
    now = workspace.clock.now()
    if known:
        ground.add_supporter(NEW, "harbor-volunteers")
    with workspace.store.write() as connection:
        owner = organisation_scope(organisation_ids(connection)["harbor"])
        suppress(
            connection,
            [
                Suppressed(digest(workspace), SCOPE_ALL, SuppressionReason.COMPLAINED, "x", now),
                Suppressed(digest(workspace), owner, SuppressionReason.MANUAL, "staff", now),
            ],
        )

    visitor.post(changed_to(workspace, visitor, anna), data={"action": "confirm"})

    assert [(SCOPE_ALL, "complained"), (owner, "manual")] == barred(workspace, NEW)
    lines = [one for _, one in workspace.suppression_log.read()]
    assert [
        (digest(workspace, NEW), SCOPE_ALL, "complained"),
        (digest(workspace, NEW), "organisation:harbor", "manual"),
        (digest(workspace), "organisation:harbor", "unsubscribed"),
    ] == [(one.address_digest, one.scope, one.reason) for one in lines]


def test_who_moves_back_is_barred_by_no_restore(workspace, visitor, anna):
    """The line that barred an address is taken back when its person has it again."""
    for address in (NEW, ANNA):
        visitor.post(changed_to(workspace, visitor, anna, address), data={"action": "confirm"})
    with workspace.store.write() as connection:
        replay_log(connection, [one for _, one in workspace.suppression_log.read()])
    owner = barred(workspace, NEW)[0][0]
    assert ([], [(owner, "unsubscribed")]) == (barred(workspace), barred(workspace, NEW))


def test_open_deliveries_go_along_and_ended_ones_stay(workspace, visitor, anna, ground):
    """Nobody is mailed twice in one mailing, and what is on its way stays what it is."""
    mine = ground.add_mailing(["harbor-news"], revision=make_revision(slug="one"))
    both = ground.add_mailing(["harbor-news"], revision=make_revision(slug="two"))
    other = ground.add_supporter(NEW, "lantern-friends")
    open_one = ground.add_delivery(mine, anna)
    duplicate = ground.add_delivery(both, anna)
    ground.add_delivery(both, other)
    ended = ground.add_delivery(
        ground.add_mailing(["harbor-news"], revision=make_revision(slug="three")),
        anna,
        DeliveryState.ACCEPTED,
    )

    visitor.post(changed_to(workspace, visitor, anna), data={"action": "confirm"})

    found = {row.id: row for row in everything(workspace)["delivery"]}
    assert (digest(workspace, NEW), DeliveryState.DUE) == (
        found[open_one].address_digest, found[open_one].state
    )  # fmt: skip
    assert SkipReason.DUPLICATE_ADDRESS == found[duplicate].skip_reason
    assert digest(workspace) == found[ended].address_digest


def test_nobody_changes_places_while_an_audience_is_frozen(workspace, visitor, anna, ground):
    """It is frozen range by range: who moved meanwhile could be missed. It works a minute later."""
    path = changed_to(workspace, visitor, anna)
    mailing = ground.add_mailing(["harbor-news"], MailingState.FREEZING)
    assert 503 == visitor.post(path, data={"action": "confirm"}).status_code
    assert ANNA == address_of(workspace, anna)
    with workspace.store.write() as connection:
        connection.execute(
            tables.mailing.update()
            .where(tables.mailing.c.id == mailing.row_id)
            .values(state=MailingState.RUNNING)
        )

    assert 200 == visitor.post(path, data={"action": "confirm"}).status_code
    assert NEW == address_of(workspace, anna)


def test_an_address_that_is_known_already_keeps_its_row(workspace, visitor, ground):
    """The answers are the same; lists come to the row there is, and whatever shields the person."""
    anna = ground.add_supporter(
        ANNA, "harbor-news", "harbor-volunteers", never=("ru",), discreet=True
    )
    kept = ground.add_supporter(NEW, "harbor-news", state=MembershipState.LEFT, never=("fa",))
    asked = visitor.post(f"{fresh(workspace, anna)}/address", data={"address": NEW})
    stranger = visitor.post(f"{fresh(workspace, anna)}/address", data={"address": "x@example.org"})
    path = link_of(next(one for one in mails(workspace) if one.address == NEW))

    answer = visitor.post(path, data={"action": "confirm"})

    assert asked.content == stranger.content
    assert "Your address is changed" in answer.text
    assert (None, NEW) == (address_of(workspace, anna), address_of(workspace, kept))
    with workspace.store.read() as connection:
        row = connection.execute(select(tables.supporter)).one()
        after = standing_of(connection, kept)
    assert row.discreet
    assert ("fa", "ru") == after.profile.never
    # Who left a list is not brought back to it.
    assert {"harbor-news": False, "harbor-volunteers": True} == {
        one.definition.key: one.is_on for one in after.lists
    }


@pytest.mark.parametrize("cleared", [False, True])
def test_links_in_mails_to_the_old_address_stay_theirs(workspace, visitor, ground, cleared):
    """Who became one with another row unsubscribes, and pauses, by the mails they had before."""
    anna = ground.add_supporter(ANNA, "harbor-news")
    kept = ground.add_supporter(NEW, "harbor-volunteers")
    mailing = ground.add_mailing(["harbor-news"])
    delivery = 77 if cleared else ground.add_delivery(mailing, anna, DeliveryState.ACCEPTED)
    visitor.post(changed_to(workspace, visitor, anna), data={"action": "confirm"})
    token = workspace.tokens.person(Purpose.UNSUBSCRIBE, delivery, anna)

    visitor.post(f"/u/{token}", data={"action": "pause"})
    visitor.post(f"/u/{token}", data={"action": "unsubscribe"})

    with workspace.store.read() as connection:
        after = standing_of(connection, kept)
    on = {one.definition.key: one.is_on for one in after.lists}
    assert (False, True) == (on["harbor-news"], after.paused_until is not None)
    assert cleared is not on["harbor-volunteers"]


def test_a_new_address_that_must_not_be_written_to_is_not(workspace, visitor, anna):
    """With the answer that everybody has."""
    with workspace.store.write() as connection:
        entry = Suppressed(
            digest(workspace, NEW), SCOPE_ALL, SuppressionReason.COMPLAINED, "complaint",
            workspace.clock.now(),
        )  # fmt: skip
        suppress(connection, [entry])
    pages = {
        visitor.post(f"{fresh(workspace, anna)}/address", data={"address": one}).content
        for one in (NEW, "y@example.org")
    }
    assert (1, ["y@example.org"]) == (len(pages), [one.address for one in mails(workspace)])


def test_new_addresses_are_given_three_times_a_day(workspace, visitor, anna):
    """A link in the wrong hands fills nobody's mailbox."""
    for number in range(6):
        visitor.post(
            f"{fresh(workspace, anna)}/address", data={"address": f"victim{number % 2}@example.net"}
        )
    assert MAILS_A_DAY == len(mails(workspace))


@pytest.mark.parametrize("known", [False, True])
def test_confirming_one_begins_no_new_count(workspace, visitor, anna, ground, known):
    """Whoever has three mailboxes of their own fills no other's; the count is of the person."""
    if known:
        kept = ground.add_supporter(NEW, "harbor-volunteers")
    for address in ("victim1@example.net", NEW):
        visitor.post(f"{fresh(workspace, anna)}/address", data={"address": address})
    path = link_of(next(one for one in mails(workspace) if one.address == NEW))
    visitor.post(path, data={"action": "confirm"})
    anna = kept if known else anna
    assert NEW == address_of(workspace, anna)

    for number in range(2, 5):
        visitor.post(
            f"{fresh(workspace, anna)}/address", data={"address": f"victim{number}@example.net"}
        )

    assert {"victim2@example.net"} == {one.address for one in mails(workspace)} - {ANNA}


def test_what_waited_is_void_once_another_is_confirmed(workspace, visitor, anna):
    """The last word counts: an older link moves nobody back, and is as any stranger's."""
    older = changed_to(workspace, visitor, anna, "anna.older@example.net")
    workspace.clock.forward(seconds=1)
    visitor.post(changed_to(workspace, visitor, anna), data={"action": "confirm"})

    answer = visitor.post(older, data={"action": "confirm"})

    assert visitor.get(f"/data/{'x' * 39}").content == answer.content
    assert NEW == address_of(workspace, anna)
    held = visitor.post(f"{fresh(workspace, anna)}/file", data={"action": "file"}).json()
    assert [] == held["waiting to be confirmed"]
    newer = changed_to(workspace, visitor, anna, "anna.newest@example.net")
    visitor.post(newer, data={"action": "confirm"})
    assert "anna.newest@example.net" == address_of(workspace, anna)


def test_one_network_gives_no_new_addresses_for_ever(workspace, visitor, ground):
    """Beyond its limit nothing is sent, and the answer stays the same: links can be stolen in lots."""
    people = [ground.add_supporter(f"p{number}@example.org", "harbor-news") for number in range(25)]
    pages = {
        visitor.post(
            f"{fresh(workspace, one)}/address", data={"address": f"n{one}@example.net"}
        ).content
        for one in people
    }
    assert (1, 20) == (len(pages), len(mails(workspace)))


def test_erasing_takes_along_what_a_merged_row_gave(workspace, visitor, anna, ground):
    """The new address stands sealed beside the row that is gone: it goes with its person."""
    kept = ground.add_supporter(NEW, "harbor-volunteers")
    visitor.post(changed_to(workspace, visitor, anna), data={"action": "confirm"})
    visitor.post(f"{fresh(workspace, kept)}/erase", data={"action": "erase"})
    assert [] == everything(workspace)["address_change"]


def test_a_new_address_waits_a_day(workspace, visitor, anna, tmp_path):
    """Then it is deleted, sealed as it was, and its link leads nowhere."""
    path = changed_to(workspace, visitor, anna)
    with workspace.store.write() as connection:
        connection.execute(tables.service_mail.update().values(state=DeliveryState.ACCEPTED))
    workspace.clock.forward(hours=24, seconds=1)

    answer = visitor.post(path, data={"action": "confirm"})
    long = timedelta(days=900)
    keeper = Housekeeper(
        workspace.store,
        workspace.clock,
        Retention(long, long, long, long, long, long, tmp_path / "journal", tmp_path / "rejects"),
    )
    while keeper.step():
        pass

    assert visitor.get(f"/data/{'x' * 39}").content == answer.content
    left = everything(workspace)
    assert ANNA == address_of(workspace, anna)
    assert ([], []) == (left["address_change"], left["service_mail"])


@pytest.mark.parametrize("by", ["supporter", "staff"])
def test_erasing_takes_along_what_is_on_its_way(workspace, visitor, anna, by):
    """Mails that wait for the old address and for the new one, whoever erases."""
    visitor.post("/data", data={"address": ANNA})
    visitor.post(f"{fresh(workspace, anna)}/address", data={"address": NEW})
    assert 2 == len(everything(workspace)["service_mail"])
    if by == "supporter":
        visitor.post(f"{fresh(workspace, anna)}/erase", data={"action": "erase"})
    else:
        with workspace.store.write() as connection:
            owners = list(organisation_ids(connection).values())
            erase(connection, digest(workspace), owners)
    after = everything(workspace)
    assert ([], [], []) == (after["supporter"], after["address_change"], after["service_mail"])


def test_a_fresh_link_works_for_an_hour(workspace, visitor, anna):
    """Afterwards it is as any stranger's."""
    path = fresh(workspace, anna)
    workspace.clock.forward(minutes=60)
    assert "Download" in visitor.get(path).text
    workspace.clock.forward(seconds=1)
    assert visitor.get(f"/data/{'x' * 39}").content == visitor.get(path).content


PATHS = ("/data/{}", "/data/{}/file", "/data/{}/erase", "/data/{}/address", "/address/{}")


@pytest.mark.parametrize("path", [*PATHS, "/p/{}/link", "/data"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(workspace, visitor, anna, path, method):
    """Scanners and prefetchers may open every link."""
    token = fresh(workspace, anna).rpartition("/")[2]
    before = everything(workspace)
    answer = visitor.request(method, path.format(token), params={"action": "erase"})
    assert answer.status_code in (200, 405)
    assert before == everything(workspace)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "purpose", [Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.PREFERENCES, Purpose.SIGN_UP]
)
def test_tokens_for_something_else_do_nothing(workspace, visitor, anna, path, purpose):
    """A preferences link, which lies in every mail, opens no data, erases and moves nobody."""
    token = workspace.tokens.person(purpose, int(workspace.clock.now().timestamp()), anna)
    fields = {"action": "confirm" if path.startswith("/address") else "erase", "address": NEW}
    before = everything(workspace)
    pages = {visitor.post(path.format(one), data=fields).content for one in (token, "x" * 39)}
    assert (1, before) == (len(pages), everything(workspace))


def test_a_fresh_link_confirms_no_address_and_a_confirmation_opens_no_data(
    workspace, visitor, anna
):
    """The two are not interchangeable either."""
    confirming = changed_to(workspace, visitor, anna).rpartition("/")[2]
    opening = fresh(workspace, anna).rpartition("/")[2]
    nothing = visitor.get(f"/data/{'x' * 39}").content
    assert nothing == visitor.get(f"/data/{confirming}").content
    assert nothing == visitor.post(f"/address/{opening}", data={"action": "confirm"}).content


def test_without_the_sealing_key_only_what_needs_it_waits(workspace, visitor, anna, tmp_path):
    """Sealing and opening answer 503 in the visitor's language; erasing and preferences work."""
    path = fresh(workspace, anna)
    (tmp_path / "seal.key").rename(tmp_path / "away.key")
    closed = workspace.reread()
    token = workspace.tokens.person(Purpose.PREFERENCES, 7, anna)
    with site_of(closed) as site, site.visitor(**{"Accept-Language": "ru"}) as visitor:
        for asked, fields in (
            (f"/p/{token}/link", {"action": "send-link"}),
            ("/data", {"address": ANNA}),
            (f"{path}/file", {"action": "file"}),
            (f"{path}/address", {"address": NEW}),
            ("/address/x", {"action": "confirm"}),
        ):
            answer = visitor.post(asked, data=fields)
            assert (503, "ru") == (answer.status_code, answer.headers["content-language"])
        assert 503 == visitor.get("/data").status_code
        assert 200 == visitor.get(f"/p/{token}").status_code
        assert 200 == visitor.post(f"{path}/erase", data={"action": "erase"}).status_code
    assert address_of(workspace, anna) is None


def test_an_address_stands_on_no_page_and_in_no_log(workspace, visitor, anna, capfd):
    """Not even on the page that was asked with it."""
    for path, fields in (
        ("/data", {"address": ANNA}),
        (f"{fresh(workspace, anna)}/address", {"address": NEW}),
    ):
        page = visitor.post(path, data=fields).text
        assert not {ANNA, NEW} & set(re.findall(r"[\w.]+@[\w.]+", page))
    said = "".join(capfd.readouterr())
    assert ANNA not in said
    assert NEW not in said


def test_no_answer_waits_for_a_link_to_be_sent(workspace, anna, monkeypatch):
    """Whatever it takes: twenty questions at once must not tell who is on record."""
    go_on = threading.Event()
    send_links = OwnDataDesk.send_links

    def slowly(*arguments):
        assert go_on.wait(10)
        send_links(*arguments)

    monkeypatch.setattr(OwnDataDesk, "send_links", slowly)
    with ThreadPoolExecutor(1) as later:
        with site_of(workspace, later) as site, site.visitor() as visitor:
            pages = {
                visitor.post("/data", data={"address": address}).content
                for address in (ANNA, "nobody@example.org")
            }
        assert (1, []) == (len(pages), mails(workspace))
        go_on.set()
    assert [ANNA] == [one.address for one in mails(workspace)]


def test_a_link_that_the_database_did_not_take_is_tried_again(workspace, anna, monkeypatch):
    """Nobody asks twice because something else was being written; that it never went is told."""
    monkeypatch.setattr("mailer.web.public.own_data._AGAIN_S", (0.01, 0.01))
    send_links = OwnDataDesk.send_links
    troubles = [StoreUnavailable("the database is locked", "Try again")] * 2

    def sometimes(*arguments):
        if troubles:
            raise troubles.pop()
        send_links(*arguments)

    monkeypatch.setattr(OwnDataDesk, "send_links", sometimes)
    with site_of(workspace) as site, site.visitor() as visitor:
        visitor.post("/data", data={"address": ANNA})
        assert [ANNA] == [one.address for one in mails(workspace)]
        troubles += [StoreUnavailable("the database is locked", "Try again")] * 3
        assert 200 == visitor.post("/data", data={"address": ANNA}).status_code
    assert ([], []) == (troubles, mails(workspace))


def test_a_link_that_cannot_be_sent_is_told_in_the_log(workspace, anna, monkeypatch, caplog):
    """Whatever was wrong: nobody waits for it, who would tell."""

    def break_down(*_arguments):
        raise ValueError

    monkeypatch.setattr(OwnDataDesk, "send_links", break_down)
    with site_of(workspace) as site, site.visitor() as visitor:
        assert 200 == visitor.post("/data", data={"address": ANNA}).status_code
    (line,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert ("a link to own data was not sent", {"problem": "ValueError"}) == (
        line.message,
        line.fields,
    )


def test_known_and_unknown_addresses_take_the_same_time(workspace, anna):
    """No answer comes before the floor."""
    with site_of(workspace, answer_floor_s=0.3) as site, site.visitor() as visitor:
        visitor.get("/healthz")
        for address in (ANNA, "nobody@example.org"):
            answer = visitor.post("/data", data={"address": address})
            assert answer.elapsed >= timedelta(seconds=0.25)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from([*PATHS[1:], "/p/{}/link", "/data"]),
    name=st.sampled_from(["address", "action", "website"]) | st.text(max_size=8),
    value=st.sampled_from(["erase!", "a@b", "@", "a@example.org\r\nBcc: b@example.org"])
    | st.text(max_size=80),
)
def test_no_form_breaks_a_page(workspace, visitor, anna, path, name, value):
    """Anything in any field has a page for an answer, and nobody is erased or moved by it."""
    token = fresh(workspace, anna).rpartition("/")[2]
    fields = {name.encode("utf-8", "replace"): value.encode("utf-8", "replace")}
    answer = visitor.post(path.format(token), data=fields)
    assert answer.status_code in (200, 400)
    assert ANNA == address_of(workspace, anna)
