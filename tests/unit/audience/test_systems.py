"""Exports of other systems are known by their headers, and their rows mean what they mean there."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.audience.cells import disarmed, joined_tags, rearmed, split_tags
from mailer.audience.consent import Consent
from mailer.audience.rows import RowReader
from mailer.model.audience import Attribute, AttributeType, SuppressionReason
from tests.support.factories import make_list


def read(header, *cells, **options):
    """Return what the export of a header makes of a row, and whose it is."""
    reader = RowReader(header.split(","), make_list(**options), "people.csv", "import")
    return reader.system and reader.system.name, reader.read(cells)


ACTION_NETWORK = "email,first_name,last_name,country,can2_subscription_status,can2_user_tags"
CIVICRM = "Contact ID,Contact Type,Display Name,Email,On Hold,No Bulk Emails (User Opt Out)"
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at"
GHOST = "id,email,name,note,subscribed_to_emails,complimentary_plan,labels,created_at,deleted_at"
MAUTIC = "id,firstname,lastname,email,points,preferred_locale,timezone,dnc"


@pytest.mark.parametrize(
    ("system", "header", "cells", "tags"),
    [
        ("Action Network", ACTION_NETWORK,
         ["a@example.org", "Anna", "B", "MD", "subscribed", "press, choir"], {"press", "choir"}),
        ("CiviCRM", CIVICRM, ["7", "Individual", "Anna B", "a@example.org", "No", "No"], set()),
        ("listmonk", LISTMONK,
         ["x", "a@example.org", "Anna B", "{}", "enabled", "2024-01-02T03:04:05Z", ""], set()),
        ("Ghost", GHOST,
         ["1", "a@example.org", "Anna B", "", "true", "false", "press,choir",
          "2024-01-02T03:04:05.000Z", ""], {"press", "choir"}),
        ("Mautic", MAUTIC, ["1", "Anna", "B", "a@example.org", "0", "ru", "", ""], set()),
    ],
)  # fmt: skip
def test_a_subscriber_of_another_system_is_a_supporter(system, header, cells, tags):
    """Address, whole name and tags are where they belong."""
    found, row = read(header, *cells)
    assert system == found
    assert None is row.barred
    assert ("a@example.org", "Anna B", tags) == (row.address.address, row.fields["name"], row.tags)


@pytest.mark.parametrize(
    ("header", "cells", "reason"),
    [
        (ACTION_NETWORK, ["a@example.org", "", "", "", "unsubscribed", ""], "imported"),
        (ACTION_NETWORK, ["a@example.org", "", "", "", "bouncing", ""], "bounced"),
        (ACTION_NETWORK, ["a@example.org", "", "", "Nowhere", "spam complaint", ""], "complained"),
        (CIVICRM, ["7", "Individual", "A", "a@example.org", "On Hold Bounce", ""], "bounced"),
        (CIVICRM, ["7", "Individual", "A", "a@example.org", "", "Yes"], "imported"),
        (LISTMONK, ["x", "a@example.org", "", "{}", "blocklisted", "", ""], "imported"),
        (GHOST, ["1", "a@example.org", "", "", "false", "", "", "", ""], "imported"),
        (MAUTIC, ["1", "", "", "a@example.org", "0", "", "", "bounced"], "bounced"),
    ],
)
def test_who_another_system_mails_no_more_is_no_supporter(header, cells, reason):
    """Whatever else is wrong with the row."""
    _, row = read(header, *cells)
    assert SuppressionReason(reason) is row.barred


def test_mailchimps_confirmation_is_the_consent_and_its_absence_is_none():
    """The day of confirming goes before that of signing up; without both nobody agreed."""
    header = "Email Address,Address,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,CC"
    opted, confirmed = "2024-01-02 10:00:00", "2024-01-03 10:00:00"
    _, both = read(header, "a@example.org", "Street 1", "2", opted, confirmed, "Moldova")
    assert (Consent.GIVEN, 3, 2) == (both.consent, both.consented_at.day, both.joined_at.day)
    assert "Mailchimp, import" == both.consent_source
    assert ("Street 1", "Moldova") == (both.fields["Address"], both.fields["country_as_exported"])
    _, one = read(header, "a@example.org", "", "2", opted, "", "MD")
    assert (Consent.GIVEN, 2, "MD") == (one.consent, one.consented_at.day, one.country)
    _, none = read(header, "a@example.org", "", "2", "", "", "")
    assert (Consent.UNKNOWN, "") == (none.consent, none.consent_basis)


@pytest.mark.parametrize(
    "header",
    [
        "Email,Vorname,MEMBER_RATING,OPTIN_TIME,LEID,EUID,UNSUB_TIME",
        "Email,CLEAN_TIME,LEID,EUID",
    ],
)
def test_mailchimps_export_is_known_whatever_the_address_is_called_there(header):
    """Who left it would else be a supporter."""
    cells = ["a@example.org", *("2024-01-02 10:00:00" for _ in header.split(",")[1:])]
    system, row = read(header, *cells)
    assert "Mailchimp" == system
    assert row.barred


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Email Address,MEMBER_RATING,OPTIN_TIME,LEID,EUID", False),
        ("Email Address,MEMBER_RATING,OPTIN_TIME,UNSUB_TIME,LEID,EUID", True),
        ("email,can2_user_tags", False),
        (ACTION_NETWORK, True),
        (CIVICRM, True),
        ("Contact ID,Contact Type,Display Name,Email,On Hold", False),
        (LISTMONK, False),
        (f"{LISTMONK},subscription_status", True),
        (GHOST, True),
        ("id,points,firstname,lastname,email,preferred_locale,timezone", False),
        (MAUTIC, True),
        ("email,dnc", True),
        ("email,name", True),
    ],
)
def test_an_export_without_a_word_on_who_left_is_known_for_it(header, says):
    """A column about bounces alone, or about the whole person, is none."""
    assert says is RowReader(header.split(","), make_list(), "people.csv", "import").says_who_left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01 10:00:00.12345 +0000 UTC", "2024-03-01T10:00:00.123450+00:00"),
        ("2024-03-01 10:00:00 +0300 MSK", "2024-03-01T07:00:00+00:00"),
        ("2024-03-01 10:00:00 +0530 +0530", "2024-03-01T04:30:00+00:00"),
        ("2024-03-01 10:00:00 UTC", "2024-03-01T10:00:00+00:00"),
    ],
)
def test_the_instants_of_listmonk_and_action_network_are_read(text, expected):
    """As Go and Ruby print them."""
    _, row = read(LISTMONK, "x", "a@example.org", "A", "{}", "enabled", text, text)
    assert expected == row.joined_at.isoformat()


def test_from_where_somebody_signed_up_is_not_kept():
    """Mailchimp's IP addresses and coordinates; a list that declares such a column has it."""
    header = "Email Address,MEMBER_RATING,OPTIN_IP,CONFIRM_IP,LATITUDE,LONGITUDE,Club"
    cells = ("a@example.org", "2", "192.0.2.1", "192.0.2.1", "47.01", "28.86", "chess")
    reader = RowReader(header.split(","), make_list(), "people.csv", "import")
    row = reader.read(cells)
    assert ("MEMBER_RATING", "Club") == tuple(row.fields) == reader.sealed_columns
    declared = Attribute("latitude", AttributeType.NUMBER, clear=False)
    _, row = read(header, *cells, attributes={"latitude": declared})
    assert "47.01" == row.fields["latitude"]
    assert {"MEMBER_RATING", "Club", "latitude"} == set(row.fields)


def test_an_abbreviation_of_a_zone_alone_is_no_instant():
    """Nobody knows which one is meant: it is kept sealed."""
    _, row = read(LISTMONK, "x", "a@example.org", "A", "{}", "enabled", "2024-03-01 10:00 EST", "")
    assert (None, "2024-03-01 10:00 EST") == (row.joined_at, row.fields["joined_as_exported"])


def test_what_the_lists_file_names_goes_before_what_a_system_means():
    """An organisation knows its own columns best."""
    _, row = read(
        "email,name,note,subscribed_to_emails", "a@example.org", "nick", "Anna", "true",
        columns={"name": "note"},
    )  # fmt: skip
    assert "Anna" == row.fields["name"]


def test_tags_in_quotes_may_hold_commas():
    """As Mailchimp writes them; a quote inside is doubled."""
    assert ["choir, sings", "press"] == split_tags('"choir, sings","press"')
    assert ["a", 'b "c"', "d"] == split_tags(' a; "b ""c""" |d,')


FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
ARMED = (*FORMULAS, "\t", "\r")


@given(st.text(alphabet="'=+-@\t\r\n\uff1d\uff20ab ;\"", max_size=8))
def test_disarming_a_cell_is_taken_back_exactly(cell):
    """Nothing a spreadsheet runs is left, also where it parts cells at semicolons."""
    assert cell == rearmed(disarmed(cell))
    for part in re.split("[;\r\n]", disarmed(cell)):
        # An empty cell, whose quotes are doubled: what follows is read without them.
        assert not part.lstrip('"').startswith(ARMED)


@given(st.lists(st.text(alphabet="'=-\r\na ;,\"", max_size=6), min_size=1, max_size=3))
def test_no_cell_of_a_file_that_is_read_with_semicolons_is_a_formula(cells):
    """Written with commas and parted at semicolons, as a spreadsheet in much of Europe parts it."""
    text = io.StringIO()
    csv.writer(text).writerow(["a", *map(disarmed, cells)])
    for row in csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=";"):
        assert [] == [one for one in row if one.startswith(FORMULAS)]


@given(st.lists(st.text(alphabet='ab ;,|"', min_size=1).map(str.strip).filter(bool), max_size=4))
def test_tags_joined_are_taken_apart_again(tags):
    """Whatever separators and quotes they hold."""
    tags = {" ".join(tag.split()) for tag in tags}
    assert tags == set(split_tags(joined_tags(tags)))
