"""When a workspace went live, and who started it then, is on record."""

from mailer.app.going_live import note_going_live
from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor, ActorKind
from mailer.store.audit import entries_in_order
from mailer.store.engine import create_tables, open_store
from tests.support.clocks import FixedClock
from tests.support.workspaces import HARBOR_CONFIG, LIVE_CONFIG, lay_workspace

ROOT = Actor(ActorKind.TERMINAL, "root")


def test_going_live_and_back_is_on_record_once_each(tmp_path):
    """Each start compares with the one before; one that changes nothing leaves no entry."""
    lay_workspace(tmp_path, HARBOR_CONFIG)
    store = open_store(f"sqlite:///{tmp_path / 'data' / 'mailer.db'}")
    create_tables(store)
    for config in (HARBOR_CONFIG, LIVE_CONFIG, LIVE_CONFIG, HARBOR_CONFIG, HARBOR_CONFIG):
        (tmp_path / "config.toml").write_text(config, encoding="utf-8")
        workspace = Workspace.open(tmp_path, FixedClock())
        note_going_live(workspace, ROOT)
        workspace.store.close()
    with store.read() as connection:
        told = [(one.action, one.actor) for one in entries_in_order(connection)]
    store.close()
    assert told == [(AuditAction.WENT_LIVE, ROOT), (AuditAction.LEFT_LIVE, ROOT)]
