"""People who change their address: ask for another one, and confirm it, without pages and mails."""

from __future__ import annotations

from mailer.audience.addresses import normalize_address
from mailer.feedback.own_data import confirm_change, note_change
from mailer.tokens import Purpose
from tests.support.clocks import NOW

ANNA = "anna@example.org"
NEW = "anna.new@example.net"


def change_address(ground, tokens, log, supporter_id, address=NEW):
    """Ask for another address, and confirm it twice; return what each said."""
    normal = normalize_address(address)
    digest = ground.service_keys.address_digest(normal.normal_form)
    with ground.store.write() as connection:
        change_id = note_change(connection, ground.seal_keys, supporter_id, normal, digest, NOW)
    token = tokens.person(Purpose.ADDRESS_CHANGE, change_id, supporter_id)
    return [
        confirm_change(
            ground.store, ground.seal_keys, ground.service_keys, tokens, token, NOW, log,
            lambda _connection, _person, _change_id: None,
        )
        for _ in range(2)
    ]  # fmt: skip
