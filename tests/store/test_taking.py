"""What comes back is stored once and acted on once, on either database, and forged it changes nobody."""

import pytest

from mailer.model.characters import unwanted_character
from mailer.model.feedback import FeedbackReason, Taken
from mailer.model.service import ServicePurpose
from mailer.model.states import DeliveryState, Settlement
from mailer.store import tables
from mailer.store.suppression_log import LogNotWritten
from tests.support.bounces import corpus, message
from tests.support.came_back import FULL, HARD, SPAM, World, arf, dsn, letter
from tests.support.plans import scans


@pytest.fixture
def world(ground, tmp_path):
    """Anna and Boris got a mailing, Clara did not."""
    return World(ground, tmp_path)


@pytest.fixture
def sqlite_world(sqlite_ground, tmp_path):
    """The same, on SQLite alone."""
    return World(sqlite_ground, tmp_path)


def test_a_hard_bounce_suppresses_at_once(world):
    """With its evidence, its count and its line in the log; twice, or with other line ends, is once."""
    raw = dsn(world.token(), "anna@example.org")
    assert world.taker.take(raw) is Taken.RECORDED
    assert world.suppressed() == ["bounced"]
    (row,) = world.rows("suppression")
    assert (row.scope, row.source, row.delivery_id) == ("all", "bounce", world.deliveries["anna"])
    twin = raw.replace(b"\r\n", b"\n").replace(b"from mx1", b"from another")
    for again in (raw, twin, raw.replace(b"\r\n", b"\r")):
        assert world.taker.take(again) is Taken.KNOWN
    assert world.effects() == [("hard", "verp", "suppressed")]
    (finding,) = world.rows("feedback_finding")
    assert finding.reason is FeedbackReason.UNKNOWN_USER
    assert finding.mailing_id == world.mailing.row_id
    assert finding.address_digest == world.digest()
    assert [one.deliveries for one in world.rows("outcome_count")] == [1]
    assert [line.reason for _, line in world.log.read()] == ["bounced"]
    assert b"example.org" not in finding.diagnostic.encode()


def test_what_was_done_before_is_looked_up_by_its_key(sqlite_world):
    """However much came back: with the write lock held, nobody goes through it all."""
    raws = [
        dsn(sqlite_world.token(), "anna@example.org"),
        dsn(
            sqlite_world.service_tokens.return_path(service_mail(sqlite_world)), "mila@example.org"
        ),
        dsn("", "clara@example.org", number=3),
    ]
    with scans(sqlite_world.store) as found:
        assert [Taken.RECORDED] * 3 == [sqlite_world.taker.take(raw) for raw in raws]
    # There are a few organisations.
    assert set() == set(found) - {"SCAN organisation"}


@pytest.mark.parametrize("token_of", ["", "anna"])
def test_nobody_else_is_changed(world, token_of):
    """A token of Anna's that names Boris, or an address alone, bars neither."""
    token = world.token(token_of) if token_of else ""
    assert world.taker.take(dsn(token, "boris@example.org")) is Taken.RECORDED
    assert world.suppressed("anna") == world.suppressed("boris") == []
    matched_by, effect = ("verp", "counted") if token_of else ("address", "stored")
    assert world.effects() == [("hard", matched_by, effect)]


@pytest.mark.parametrize(
    ("recipient", "original", "reasons"),
    [
        ("anna@elsewhere.example.net", "anna@example.org", ["bounced"]),
        ("ANNA@Example.org", "", ["bounced"]),
        ("anna@elsewhere.example.net", "", []),
        ("anna@example.org", "boris@example.org", []),
    ],
)
def test_a_forwarded_mail_that_bounces_is_no_death_of_ours(
    sqlite_world, recipient, original, reasons
):
    """Unless the report says that the mail was for our supporter before it was forwarded."""
    world = sqlite_world
    world.taker.take(dsn(world.token(), recipient, original=original))
    assert world.suppressed() == reasons


def test_real_bounces_without_a_token_suppress_nobody(sqlite_world):
    """Not one of the corpus; none raises, and a second time none is new."""
    world = sqlite_world
    files = sorted(corpus())[::7]
    first = [world.taker.take(message(file)) for file in files]
    assert world.rows("suppression") == world.rows("unsubscription") == []
    assert {row.effect.value for row in world.rows("feedback_finding")} == {"stored"}
    stored = len(world.rows("feedback_event"))
    again = [world.taker.take(message(file)) for file in files]
    assert len(world.rows("feedback_event")) == stored
    assert Taken.RECORDED not in again
    assert [one for one in first if one not in (Taken.RECORDED, Taken.KNOWN)] == [
        one for one in again if one is not Taken.KNOWN
    ]


def test_one_complaint_suppresses(world):
    """Found by our Message-ID, whoever it names: reports are redacted."""
    message_id = world.tokens.message_id(world.deliveries["anna"])
    assert world.taker.take(arf(message_id, "redacted@example.net")) is Taken.RECORDED
    assert world.suppressed() == ["complained"]
    assert world.rows("suppression")[0].source == "complaint"
    assert world.effects() == [("complaint", "message_id", "suppressed")]


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam"])
def test_a_report_that_is_no_complaint_bars_nobody(sqlite_world, kind):
    """It is on record."""
    world = sqlite_world
    message_id = world.tokens.message_id(world.deliveries["anna"])
    assert world.taker.take(arf(message_id, "anna@example.org", kind)) is Taken.RECORDED
    assert world.suppressed() == []


def test_spam_refusals_feed_the_breaker_and_bar_nobody(sqlite_world):
    """They count as refused as spam; staff are told once."""
    world = sqlite_world
    for number, name in enumerate(("anna", "boris")):
        world.taker.take(dsn(world.token(name), f"{name}@example.org", SPAM, number=number))
    assert world.suppressed("anna") == world.suppressed("boris") == []
    (count,) = world.rows("outcome_count")
    assert (count.ending.value, count.reason.value, count.deliveries) == ("bounced", "spam", 2)
    assert [effect for _, _, effect in world.effects()] == ["told_staff", "counted"]
    (alert,) = world.rows("alert")
    assert (alert.kind.value, alert.subject) == ("mails_come_back", world.mailing.key)


def test_a_mailing_that_comes_back_pauses(sqlite_ground, tmp_path):
    """Beyond the limit of its breaker, by what comes back alone."""
    from mailer.model.breaker import Breaker, Ending, Limits
    from mailer.store.breaker import breaker_to_columns
    from mailer.store.mailings import load_mailing
    from mailer.store.outcomes import Counted, count_endings

    world = World(sqlite_ground, tmp_path)
    with world.store.write() as connection:
        columns = breaker_to_columns(Breaker(Limits(bounced_percent=10, at_least=2)))
        connection.execute(tables.mailing.update().values(**columns))
        count_endings(
            connection, {Counted(world.mailing.row_id, "main", "other", Ending.ACCEPTED): 10}
        )
    for number, name in enumerate(("anna", "boris")):
        world.taker.take(dsn(world.token(name), f"{name}@example.org", number=number))
    with world.store.read() as connection:
        assert load_mailing(connection, world.mailing.row_id).state.value == "paused"


def test_soft_bounces_on_three_days_suppress(sqlite_world):
    """Not on one day, however many; the third day does."""
    world = sqlite_world
    shut = ("5.2.1", "550 5.2.1 Mailbox disabled")
    for number in range(5):
        delivery = world.deliver("clara", mailing=world.ground.add_mailing(["harbor-news"]))
        token = world.tokens.return_path(delivery)
        if number >= 3:
            world.after(days=1)
        world.taker.take(dsn(token, "clara@example.org", shut, number=number))
        assert world.suppressed("clara") == ([] if number < 4 else ["soft_bounces"])


def test_a_full_mailbox_must_stay_full(sqlite_world):
    """For the whole window: three days are not enough, a month is."""
    world = sqlite_world
    for number, days in enumerate((0, 5, 5, 21)):
        world.after(days=days)
        delivery = world.deliver("clara", mailing=world.ground.add_mailing(["harbor-news"]))
        token = world.tokens.return_path(delivery)
        world.taker.take(dsn(token, "clara@example.org", FULL, number=number))
        assert world.suppressed("clara") == ([] if number < 3 else ["soft_bounces"])


def test_one_delivery_counts_once_as_bounced(sqlite_world):
    """First softly, then for good, then once more."""
    world = sqlite_world
    for number, said in enumerate((FULL, HARD, HARD)):
        world.taker.take(dsn(world.token(), "anna@example.org", said, number=number))
    assert [row.deliveries for row in world.rows("outcome_count")] == [1]
    assert [effect for _, _, effect in world.effects()] == ["counted", "suppressed", "stored"]


def test_a_report_settles_a_doubt(world):
    """Whatever it says, the relay had taken the mail; it is not counted as sent twice."""
    delivery = world.deliver("clara", DeliveryState.IN_DOUBT)
    token = world.tokens.return_path(delivery)
    raw = dsn(token, "clara@example.org", ("4.4.1", "450 4.4.1 later"), action="delayed")
    assert world.taker.take(raw) is Taken.RECORDED
    (state,) = [row.state for row in world.rows("delivery") if row.id == delivery]
    assert state is DeliveryState.ACCEPTED
    (settled,) = world.rows("settlement")
    assert (settled.decision, settled.decided_by) == (Settlement.REPORTED, "report")
    assert world.rows("outcome_count") == []


def test_a_log_that_cannot_be_written_keeps_the_event_waiting(world):
    """Nobody is barred and staff are told; the same message is acted on when it comes again."""
    raw = dsn(world.token(), "anna@example.org")
    world.log.path.mkdir()
    with pytest.raises(LogNotWritten):
        world.taker.take(raw)
    assert world.suppressed() == []
    (event,) = world.rows("feedback_event")
    assert event.processed_at is None
    assert [row.kind.value for row in world.rows("alert")] == ["log_not_written"]
    world.log.path.rmdir()
    assert world.taker.take(raw) is Taken.RECORDED
    assert world.suppressed() == ["bounced"]


def test_a_program_that_answers_leaves_no_trace(sqlite_world):
    """It tells where a person is."""
    world = sqlite_world
    raw = letter(f"b+{world.token()}@bounces.example.org", "Out of office")
    raw = b"Auto-Submitted: auto-replied\r\n" + raw
    assert world.taker.take(raw) is Taken.IGNORED
    assert world.rows("feedback_event") == []


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b" \n"])
def test_nothing_at_all_is_no_letter(sqlite_world, raw):
    """What is empty is not kept, and nobody need read it."""
    assert sqlite_world.taker.take(raw) is Taken.IGNORED
    assert [] == sqlite_world.rows("feedback_event")


def test_a_letter_is_left_to_the_caller(sqlite_world):
    """So is a wish to leave that no token comes with."""
    world = sqlite_world
    for raw in (
        letter(f"b+{world.token()}@bounces.example.org"),
        letter("news@example.org", "unsubscribe"),
    ):
        assert world.taker.take(raw) is Taken.LETTER
    assert world.rows("feedback_event") == world.rows("unsubscription") == []


def test_a_report_that_says_nothing_is_counted_once(sqlite_world):
    """It stays where it is, as often as it is looked at."""
    world = sqlite_world
    raw = (
        b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: b@bounces.example.org\r\n"
        b"Subject: Undelivered Mail\r\n\r\nDelivery failed.\r\n"
    )
    assert [world.taker.take(raw) for _ in range(2)] == [Taken.UNREAD] * 2
    assert len(world.rows("feedback_finding")) == 1


def test_who_answers_that_they_want_no_more_leaves(world):
    """By the token in the return path they answer to: the lists of that mail, once, with their lines."""
    raw = letter(f"b+{world.token()}@bounces.example.org", "Unsubscribe", "")
    assert [world.taker.take(raw) for _ in range(2)] == [Taken.RECORDED, Taken.KNOWN]
    assert [(row.supporter_id, row.source) for row in world.rows("unsubscription")] == [
        (world.people["anna"], "mail")
    ]
    assert world.suppressed() == []
    assert [line.scope for _, line in world.log.read()] == ["list:harbor/harbor-news"]
    assert world.effects() == [("opt_out", "verp", "unsubscribed")]


@pytest.mark.parametrize(
    "purpose", [ServicePurpose.CONFIRMATION, ServicePurpose.ADDRESS_CHANGE, ServicePurpose.ALERT]
)
def test_what_comes_back_of_a_service_mail(sqlite_world, purpose):
    """A confirmation's dead address is suppressed; staff are not, however dead."""
    world = sqlite_world
    raw = dsn(world.service_tokens.return_path(service_mail(world, purpose)), "mila@example.org")
    assert world.taker.take(raw) is Taken.RECORDED
    wanted = [] if purpose is ServicePurpose.ALERT else ["bounced"]
    assert world.suppressed("mila") == wanted
    (finding,) = world.rows("feedback_finding")
    assert (finding.service_id, finding.delivery_id) == (7, None)


def service_mail(world, purpose=ServicePurpose.CONFIRMATION):
    """Write a service mail to Mila, who is on no list; return its id."""
    with world.store.write() as connection:
        connection.execute(
            tables.service_mail.insert().values(
                id=7, purpose=purpose, request="x", address_digest=world.digest("mila"),
                address_sealed=b"s", relay="main", state=DeliveryState.ACCEPTED,
                created_at=world.clock.now(),
            )
        )  # fmt: skip
    return 7


def test_a_kill_in_its_midst_leaves_nothing_or_all(world, monkeypatch):
    """Whatever step it comes at: the message comes again, and is acted on once."""
    raw = dsn(world.token(), "anna@example.org")
    for step in ("write_finding", "count_feedback", "suppress", "judge_and_pause"):
        with monkeypatch.context() as patched:
            patched.setattr(f"mailer.feedback.acting.{step}", _killed)
            with pytest.raises(KeyboardInterrupt):
                world.taker.take(raw)
        assert world.rows("feedback_event") == world.rows("outcome_count") == []
        assert world.suppressed() == []
    assert world.taker.take(raw) is Taken.RECORDED
    assert [one.deliveries for one in world.rows("outcome_count")] == [1]
    assert len(world.rows("suppression")) == 1


def _killed(*_args, **_kwargs):
    raise KeyboardInterrupt


def test_hostile_words_are_kept_harmless(sqlite_world):
    """No address, no control character, nothing that turns text around; a script is words."""
    world = sqlite_world
    words = "550 5.1.1 <script>alert(1)</script> \x1b[31m\u202egone <anna@example.org>\x07"
    world.taker.take(dsn(world.token(), "anna@example.org", ("5.1.1", words)))
    (finding,) = world.rows("feedback_finding")
    assert "script" in finding.diagnostic
    assert not unwanted_character(finding.diagnostic)
    assert "anna" not in finding.diagnostic


class TestUnsubscribingByMail:
    """The address in List-Unsubscribe works by its token only."""

    def address(self, world, name="anna"):
        """Return the address that unsubscribes a person."""
        token = world.tokens.unsubscribe_in_mail(world.deliveries[name], world.people[name])
        return f"u+{token}@bounces.example.org"

    def left(self, world):
        """Return who left, and how."""
        return [(row.supporter_id, row.source) for row in world.rows("unsubscription")]

    @pytest.mark.parametrize("shape", ["to", "envelope", "capitals", "without words"])
    def test_its_token_unsubscribes(self, world, shape):
        """Whoever seems to write, in whatever letters; a second time is done as well."""
        to = self.address(world)
        raw = letter(to.upper() if shape == "capitals" else to, "", "")
        envelope = ()
        if shape == "envelope":
            raw, envelope = letter("undisclosed-recipients:;", "unsubscribe"), (to,)
        assert [world.taker.take(raw, envelope) for _ in range(2)] == [Taken.UNSUBSCRIBED] * 2
        assert self.left(world) == [(world.people["anna"], "mail")]
        assert world.rows("feedback_event") == []

    def test_a_forged_sender_unsubscribes_nobody(self, sqlite_world):
        """Boris's token leaves Boris's lists, whatever From says; without one nobody leaves."""
        world = sqlite_world
        forged = letter(self.address(world, "boris")).replace(
            b"mila@example.net", b"anna@example.org"
        )
        assert world.taker.take(forged) is Taken.UNSUBSCRIBED
        assert self.left(world) == [(world.people["boris"], "mail")]
        tokenless = letter("u@bounces.example.org", "unsubscribe")
        tokenless = tokenless.replace(b"mila@example.net", b"anna@example.org")
        changed = letter(self.address(world)[:-22].replace("u+", "u+a") + "@bounces.example.org")
        for raw in (tokenless, changed):
            assert world.taker.take(raw) is Taken.LETTER
        assert len(self.left(world)) == 1

    def test_a_mail_program_may_ask_for_its_owner(self, sqlite_world):
        """What is generated and answers nobody is a wish like any other, by the token."""
        to = self.address(sqlite_world)
        raw = b"Auto-Submitted: auto-generated\r\n" + letter(to)
        assert sqlite_world.taker.take(raw) is Taken.UNSUBSCRIBED
        assert self.left(sqlite_world) != []

    @pytest.mark.parametrize("shape", ["null sender", "null envelope", "vacation", "bounce", "cc"])
    def test_no_program_unsubscribes(self, sqlite_world, shape):
        """A bounce or a vacation notice sent there is nobody's wish."""
        world = sqlite_world
        to = self.address(world)
        raw, sender = letter(to), None
        if shape == "null sender":
            raw = raw.replace(b"Return-Path: <mila@example.net>", b"Return-Path: <>")
        elif shape == "null envelope":
            raw, sender = letter(to, "unsubscribe"), ""
        elif shape == "vacation":
            raw = b"Auto-Submitted: auto-replied\r\n" + raw
        elif shape == "bounce":
            raw = dsn("", "mila@example.net").replace(b"b@bounces.example.org", to.encode())
        elif shape == "cc":
            raw = letter("b@bounces.example.org").replace(
                b"Subject:", f"Cc: {to}\r\nSubject:".encode()
            )
        assert world.taker.take(raw, (), sender) is not Taken.UNSUBSCRIBED
        assert self.left(world) == []
