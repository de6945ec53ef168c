"""Addresses as people write them, in their normal form."""

from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from mailer.audience.addresses import BadAddress, normalize_address

LOCAL = st.text(alphabet="abA09.+-_'ж", max_size=6)
DOMAIN = st.text(alphabet="exE1.-ж", max_size=8).map(lambda text: f"{text}.org")


@given(local=LOCAL, domain=st.one_of(DOMAIN, st.text(alphabet="xn-.org", max_size=12)))
def test_a_plain_address_is_judged_as_any_other(local, domain):
    """The quick way for what nearly every address looks like says what the library says."""
    try:
        theirs = validate_email(
            f"{local}@{domain}", check_deliverability=False, test_environment=True
        )
        expected = f"{theirs.local_part}@{theirs.ascii_domain}"
    except EmailNotValidError:
        expected = ""
    try:
        found = normalize_address(f" {local}@{domain}\t").address
    except BadAddress:
        found = ""
    assert expected == found
