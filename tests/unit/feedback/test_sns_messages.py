"""Messages of Amazon SNS: whose they are, and what is ever fetched because of one."""

import base64
import json
from datetime import timedelta

import pytest

from mailer.feedback.hooks.certificates import FetchFailed, NotThere
from mailer.feedback.hooks.receiving import (
    HookUnavailable,
    RefusalReason,
    Refused,
    Request,
    receive,
)
from mailer.feedback.hooks.ses import SesHook
from tests.support import sns


class Amazon:
    """What is at addresses of SNS, and which of them were asked for."""

    def __init__(self, pem=None):
        self.pem = sns.certificate() if pem is None else pem
        self.asked = []

    def __call__(self, address):
        """Give the certificate, or the fault, whatever is asked for."""
        self.asked.append(address)
        if isinstance(self.pem, Exception):
            raise self.pem
        return self.pem


def post(message, amazon=None, *, now=sns.NOW, topics=(sns.TOPIC,), hook=None):
    """Receive a message as its object says."""
    hook = hook or SesHook(frozenset(topics), amazon or Amazon())
    return receive("ses", hook, Request({}, json.dumps(message).encode(), now))


def refusal(message, amazon=None, **how):
    """Return why a message is refused."""
    with pytest.raises(Refused) as raised:
        post(message, amazon, **how)
    return raised.value.reason


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "A subject\nof two lines"])
def test_what_sns_signed_is_believed(version, subject):
    """Both versions of the signature, with and without a subject."""
    assert () == post(sns.sign(sns.message(SignatureVersion=version, Subject=subject)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Message", '{"eventType": "Complaint"}'), ("MessageId", "another"), ("Subject", "another"),
        ("Timestamp", "2026-11-20T09:29:59Z"), ("Type", "UnsubscribeConfirmation"), ("Subject", 7),
        ("Subject", None), ("Message", None), ("MessageId", 7), ("SignatureVersion", "1"),
        ("SignatureVersion", "3"), ("SignatureVersion", 2), ("SignatureVersion", None),
        ("Signature", ""), ("Signature", None), ("Signature", "AAAA"), ("Signature", "no base64!"),
        ("Type", "Another"), ("Type", None), ("Message", "\ud800"),
    ],
)  # fmt: skip
def test_nothing_of_a_signed_message_can_be_changed(name, value):
    """One field that is changed, of another type or gone, and it is refused."""
    forged = {**sns.sign(sns.message()), name: value}
    if value is None:
        del forged[name]
    assert RefusalReason.SIGNATURE is refusal(forged)


def test_one_flipped_bit_is_enough():
    """A signature is right or wrong; another key's is wrong."""
    signed = sns.sign(sns.message())
    octets = bytearray(base64.b64decode(signed["Signature"]))
    octets[100] ^= 1
    flipped = {**signed, "Signature": base64.b64encode(octets).decode()}
    assert RefusalReason.SIGNATURE is refusal(flipped)
    assert RefusalReason.SIGNATURE is refusal(sns.sign(sns.message(), sns.private_key(2)))


@pytest.mark.parametrize(
    "topic",
    [
        "arn:aws:sns:eu-central-1:999999999999:mailer-feedback",
        "arn:aws:sns:eu-central-1:123456789012:mailer-feedback2",
        "arn:aws:sns:us-east-1:123456789012:mailer-feedback",
        "", 7, [sns.TOPIC],
    ],
)  # fmt: skip
def test_a_topic_that_is_not_ours_is_refused_before_anything_is_fetched(topic):
    """Amazon signs for everybody who has a topic."""
    amazon = Amazon()
    assert RefusalReason.TOPIC is refusal(sns.sign(sns.message(TopicArn=topic)), amazon)
    assert [] == amazon.asked


@pytest.mark.parametrize(
    "address",
    [
        f"http://{sns.HOST}/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.cn/a.pem",
        "https://attacker.s3.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.example.org/a.pem",
        f"https://{sns.HOST}@example.org/a.pem",
        f"https://user@{sns.HOST}/a.pem",
        f"https://{sns.HOST}:8443/a.pem",
        f"https://{sns.HOST}/a.crt",
        f"https://{sns.HOST}/a.pem?x=.pem",
        f"https://{sns.HOST}/a.pem#.pem",
        f"https://{sns.HOST}/b/../a.pem",
        f"https://{sns.HOST}/?Action=Publish&x=.pem",
        f"https://{sns.HOST}/a.pem\n",
        f"https://{sns.HOST.upper()}/a.pem",
        "https://127.0.0.1/a.pem",
        "file:///etc/passwd.pem", "", None, 7, ["x"],
    ],
)  # fmt: skip
def test_a_certificate_is_fetched_from_sns_of_the_topics_region_alone(address):
    """The address that a message gives is a stranger's until it is seen to be one of SNS."""
    amazon = Amazon()
    signed = {**sns.sign(sns.message()), "SigningCertURL": address}
    assert RefusalReason.CERTIFICATE is refusal(signed, amazon)
    assert [] == amazon.asked


@pytest.mark.parametrize(
    ("topic", "host", "name"),
    [
        (sns.TOPIC, sns.HOST, "sns.amazonaws.com"),
        (sns.TOPIC, sns.HOST, sns.HOST),
        ("arn:aws:sns:af-south-1:123456789012:m", "sns.af-south-1.amazonaws.com",
         "sns-signing.af-south-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:m", "sns.cn-north-1.amazonaws.com.cn",
         "sns-cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-east-1:123456789012:m", "sns.us-gov-east-1.amazonaws.com",
         "sns-us-gov-west-1.amazonaws.com"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("common_name_only", [False, True])
def test_every_region_signs_in_a_name_of_its_own(topic, host, name, common_name_only):
    """Names as Amazon has them; the common name counts where there is no other."""
    alternative = None if common_name_only else name
    amazon = Amazon(sns.certificate(name=name, alternative=alternative))
    signed = sns.sign(sns.message(TopicArn=topic, SigningCertURL=f"https://{host}/a.pem"))
    assert () == post(signed, amazon, topics=(topic,))
    assert [f"https://{host}/a.pem"] == amazon.asked


@pytest.mark.parametrize(
    "how",
    [
        {"name": "sns.amazonaws.com", "alternative": "example.org"},
        {"name": "s3.amazonaws.com", "alternative": None},
        {"alternative": "sns-signing.us-east-1.amazonaws.com"},
        {"ends": sns.NOW - timedelta(seconds=1)},
        {"begins": sns.NOW + timedelta(seconds=1)},
        {"bits": 1_024},
    ],
)
def test_a_certificate_that_sns_would_not_sign_with_is_refused(how):
    """In another name, of another time, or too weak."""
    key = sns.private_key(3, how.pop("bits", 2_048))
    signed = sns.sign(sns.message(), key)
    assert RefusalReason.CERTIFICATE is refusal(signed, Amazon(sns.certificate(key=key, **how)))


@pytest.mark.parametrize(
    "pem",
    [
        b"", b"not a certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(pem):
    """Nothing of it is believed."""
    assert RefusalReason.CERTIFICATE is refusal(sns.sign(sns.message()), Amazon(pem))


@pytest.mark.parametrize(
    ("issuer", "issuer_key", "authority", "is_chain"),
    [
        ("Amazon RSA 2048 M01", 1, True, True), ("Amazon RSA 2048 M01", 1, False, False),
        ("Amazon RSA 2048 M01", 2, True, False), ("Another", 1, True, False),
    ],
)  # fmt: skip
def test_what_stands_above_a_certificate_has_issued_it(issuer, issuer_key, authority, is_chain):
    """By its name and its key, and as one that may issue any."""
    above = sns.certificate(
        name=issuer, key=sns.private_key(issuer_key), issuer="Amazon Root CA 1",
        issuer_key=sns.private_key(2), authority=authority,
    )  # fmt: skip
    amazon, signed = Amazon(sns.certificate() + above), sns.sign(sns.message())
    if is_chain:
        assert () == post(signed, amazon)
    else:
        assert RefusalReason.CERTIFICATE is refusal(signed, amazon)


def test_a_certificate_is_fetched_once_and_dies_with_its_time():
    """A thousand bounces ask for it no more often than one does."""
    amazon = Amazon(sns.certificate(ends=sns.NOW + timedelta(hours=1)))
    hook = SesHook(frozenset({sns.TOPIC}), amazon)
    for _ in range(20):
        post(sns.sign(sns.message()), hook=hook)
    assert [sns.CERTIFICATE] == amazon.asked
    later = sns.NOW + timedelta(hours=2)
    assert RefusalReason.CERTIFICATE is refusal(sns.sign(sns.message()), hook=hook, now=later)


def test_made_up_addresses_of_certificates_are_not_fetched_without_end():
    """Forged messages make us ask Amazon five times a minute; what is kept works meanwhile."""
    amazon = Amazon()
    hook = SesHook(frozenset({sns.TOPIC}), amazon)
    post(sns.sign(sns.message()), hook=hook)
    amazon.pem = NotThere()
    ends = []
    for number in range(50):
        address = f"https://{sns.HOST}/made-up-{number}.pem"
        with pytest.raises((Refused, HookUnavailable)) as raised:
            post(sns.message(SigningCertURL=address, Signature="AAAA"), hook=hook)
        ends.append(raised.type)
    assert 5 == len(amazon.asked)
    assert 4 == ends.count(Refused)
    assert () == post(sns.sign(sns.message()), hook=hook)
    amazon.pem = sns.certificate()
    fresh = sns.sign(sns.message(SigningCertURL=f"https://{sns.HOST}/new.pem"))
    assert () == post(fresh, hook=hook, now=sns.NOW + timedelta(minutes=1))


def test_when_amazon_cannot_be_reached_the_message_may_come_again():
    """It is not refused, for it may be true."""
    with pytest.raises(HookUnavailable):
        post(sns.sign(sns.message()), Amazon(FetchFailed()))


@pytest.mark.parametrize(
    ("age", "is_fresh"),
    [
        (timedelta(hours=23), True), (timedelta(minutes=-10), True),
        (timedelta(hours=25), False), (timedelta(minutes=-20), False),
    ],
)  # fmt: skip
def test_an_old_message_is_refused(age, is_fresh):
    """A day is more than SNS tries for; after it nobody can play a message again."""
    signed = sns.sign(sns.message(Timestamp=(sns.NOW - age).isoformat()))
    if is_fresh:
        assert () == post(signed)
    else:
        assert RefusalReason.AGE is refusal(signed)


@pytest.mark.parametrize("told", ["yesterday", "", None, 7, "9999-99-99", "0001-01-01T00:00:00Z"])
def test_a_message_without_a_time_is_refused(told):
    """What cannot be read as a time is none."""
    assert RefusalReason.AGE is refusal({**sns.sign(sns.message()), "Timestamp": told})


CONFIRMING = (
    f"https://{sns.HOST}/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1"
    f":123456789012:mailer-feedback&Token={sns.TOKEN}"
)


@pytest.mark.parametrize(
    "given",
    [
        f"https://{sns.HOST}/?Action=ConfirmSubscription",
        "http://127.0.0.1:8025/u/token",
        "https://attacker.example.org/",
    ],
)
def test_a_subscription_is_confirmed_at_sns_whatever_address_is_given(given):
    """The address that is asked is made of our topic; the one in the message never is."""
    amazon = Amazon()
    assert () == post(sns.sign(sns.confirmation(SubscribeURL=given)), amazon)
    assert [sns.CERTIFICATE, CONFIRMING] == amazon.asked


def test_a_subscription_to_a_strangers_topic_is_not_confirmed():
    """Whoever subscribes us to a topic of theirs, truly signed, gets nothing."""
    amazon = Amazon()
    theirs = sns.TOPIC.replace("123456789012", "999999999999")
    assert RefusalReason.TOPIC is refusal(sns.sign(sns.confirmation(TopicArn=theirs)), amazon)
    assert [] == amazon.asked


@pytest.mark.parametrize(
    "token", ["", "short", f"{'a' * 70}&Action=Publish", "A" * 70, "a" * 2_000]
)
def test_a_token_that_is_none_goes_nowhere(token):
    """Nothing but the letters and digits of a token is put into an address."""
    amazon = Amazon()
    refusal(sns.sign(sns.confirmation(Token=token)), amazon)
    assert [sns.CERTIFICATE] == amazon.asked


def test_a_forged_confirmation_confirms_nothing():
    """All it makes us ask for is the certificate that it says it was signed with."""
    amazon = Amazon()
    forged = {**sns.sign(sns.confirmation()), "Token": "b" * 80}
    assert RefusalReason.SIGNATURE is refusal(forged, amazon)
    assert [sns.CERTIFICATE] == amazon.asked


def test_a_confirmation_that_fails_is_tried_again_by_sns():
    """It is neither done nor refused."""
    amazon = Amazon()
    hook = SesHook(frozenset({sns.TOPIC}), amazon)
    post(sns.sign(sns.message()), hook=hook)
    amazon.pem = FetchFailed()
    with pytest.raises(HookUnavailable):
        post(sns.sign(sns.confirmation()), hook=hook)


def test_the_end_of_a_subscription_is_told_to_staff_and_nothing_is_asked(caplog):
    """SubscribeURL would take it back: a person does that, or nobody."""
    amazon = Amazon()
    assert () == post(sns.sign(sns.confirmation(Type="UnsubscribeConfirmation")), amazon)
    assert [sns.CERTIFICATE] == amazon.asked
    assert ["Amazon SNS ended a subscription"] == [one.getMessage() for one in caplog.records]
