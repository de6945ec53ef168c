"""Facts about the database itself, by name.

In: a name and a text. Out: the text again. Whoever writes one says in its own module what it means.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from mailer.store.tables import setting

#: Set while unsubscriptions may be lost that nobody has accepted: the instant since when.
LOST_SINCE = "restore.unsubscribes_lost_since"
#: Set while suppressions.log lacks lines: the id of the unsubscription after which they are missing.
LOG_LACKS_AFTER = "suppression_log.lacks_after"
#: Set while it lacks lines of relays' refusals: the id of the finding after which they are missing.
LOG_LACKS_REFUSALS_AFTER = "suppression_log.lacks_refusals_after"
#: What closes boxes that only `seal.key` opens: what came back is kept in them.
FEEDBACK_BOX_KEY = "feedback.box_key"
#: The instant of the last backup.
BACKUP_LAST_AT = "backup.last_at"
#: "live" or "sandbox": what the audit log says last of the workspace.
LIVE_NOTED = "audit.live_noted"


def read_setting(connection: Connection, name: str) -> str | None:
    """Return the text of that name; None when there is none."""
    return connection.execute(
        select(setting.c.value).where(setting.c.name == name)
    ).scalar_one_or_none()


def write_setting(connection: Connection, name: str, value: str) -> None:
    """Write a text under a name, over an earlier one."""
    changed = connection.execute(setting.update().where(setting.c.name == name).values(value=value))
    if not changed.rowcount:
        connection.execute(setting.insert().values(name=name, value=value))


def drop_setting(connection: Connection, name: str) -> None:
    """Forget a name."""
    connection.execute(setting.delete().where(setting.c.name == name))
