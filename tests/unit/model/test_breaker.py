"""The circuit breaker: how many go first, and beyond what a mailing pauses."""

import pytest

from mailer.model.breaker import Canary, Figures, Limits, judge, parse_canary

LIMITS = Limits()


def judged(before=None, **counted):
    """Return why figures by domain class pause a mailing; "" when they do not."""
    tripped = judge(LIMITS, counted, before or {})
    return tripped.reason if tripped else ""


@pytest.mark.parametrize(
    ("spam", "ended", "pauses"),
    [
        (5, 5, False),
        (5, 50, False),
        (6, 6, True),
        (6, 50, True),
        (6, 299, True),
        (6, 300, False),
        (7, 300, True),
        (20_000, 1_000_000, False),
        (20_001, 1_000_000, True),
    ],
)
def test_more_than_five_of_fifty_or_two_percent_as_spam_pause(spam, ended, pauses):
    """Few are never too many, and a share is passed only from above."""
    figures = Figures(ended=ended, refused=spam, spam=spam)
    assert pauses == bool(judged(other=figures))


@pytest.mark.parametrize(
    ("measure", "at_the_limit", "said"),
    [
        ("refused", 1000, "1001 of the first 10000 mails were refused; the limit is 10 %"),
        ("bounced", 1000, "1001 of the first 10000 mails were returned; the limit is 10 %"),
        (
            "complained",
            30,
            "31 of the first 10000 mails were reported as abuse; the limit is 0.3 %",
        ),
    ],
)
def test_each_kind_has_a_limit_of_its_own(measure, at_the_limit, said):
    """At it nothing happens; above it the reason says how many of what."""
    assert "" == judged(other=Figures(10_000, **{measure: at_the_limit}))
    assert said == judged(other=Figures(10_000, **{measure: at_the_limit + 1}))


def test_a_provider_that_refuses_its_few_pauses_all():
    """One percent of the people is below every limit of the whole, and all of that provider."""
    reason = judged(other=Figures(10_000), mailru=Figures(ended=50, refused=40, spam=40))
    assert reason == (
        "40 of the first 50 mails to mailru addresses were refused as spam or by policy; "
        "the limit is 2 %"
    )


def test_the_reason_names_the_provider_where_most_of_it_happened():
    """The whole is beyond the limit, by one of several."""
    reason = judged(other=Figures(40), gmail=Figures(ended=10, refused=6, spam=6))
    assert reason == (
        "6 of the first 50 mails were refused as spam or by policy, 6 of them by gmail; "
        "the limit is 2 %"
    )
    assert "addresses of other providers" in judged(gmail=Figures(9999), other=Figures(9, 9, 9))


def test_what_was_counted_before_a_person_let_it_go_on_is_held_against_it_no_more():
    """From there on it is judged anew."""
    before = {"other": Figures(ended=50, refused=6, spam=6)}
    after = {"other": Figures(ended=100, refused=11, spam=11)}
    assert "" == judged(before, **after)
    more = {"other": Figures(ended=100, refused=12, spam=12), "gmail": Figures(3)}
    assert judged(before, **more).startswith("6 of 53 mails since it was resumed were refused as")


def test_a_reason_fits_where_it_is_kept():
    """However large the numbers are."""
    many = Figures(10**9, 10**9, 10**9)
    for figures in ({"rambler": many, "other": many, "outlook": many}, {"other": many}):
        assert len(judged(**figures)) < 200


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        ("", Canary()),
        ("none", Canary()),
        ("0", Canary()),
        ("50", Canary(50)),
        (" 200 ", Canary(200)),
        ("5%", Canary(percent=5)),
        ("0.5 %", Canary(percent=0.5)),
    ],
)
def test_a_canary_is_a_number_or_a_share(text, canary):
    """Or none."""
    assert canary == parse_canary(text)


@pytest.mark.parametrize("text", ["49", "5.5", "60%", "0%", "-5", "all", "5%%", "٥٠", "1e3"])
def test_what_is_no_canary_is_refused_in_words(text):
    """Also one so small that it tells nothing of the rest."""
    with pytest.raises(ValueError, match=r"^is "):
        parse_canary(text)


@pytest.mark.parametrize(
    ("canary", "people", "size"),
    [
        (Canary(), 1000, 0),
        (Canary(200), 1000, 200),
        (Canary(200), 200, 0),
        (Canary(percent=5), 10_001, 501),
        (Canary(percent=5), 300, 50),
        (Canary(percent=5), 40, 0),
    ],
)
def test_a_share_is_at_least_fifty_and_leaves_somebody_for_later(canary, people, size):
    """Of a mailing to fewer nobody goes first."""
    assert size == canary.size(people)
