"""Alembic's entry: run the migrations on the connection we were handed."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from mailer.store.tables import metadata
from mailer.store.types import Document, Enum, Instant, Sealed


def _render(kind: str, thing: Any, _autogen: AutogenContext) -> str | Literal[False]:  # noqa: ANN401  (Alembic hands over anything.)
    """Write our own column types as the plain ones below them: a migration must not change with the code."""
    if kind == "type":
        if isinstance(thing, Instant):
            return "sa.BigInteger()"
        if isinstance(thing, Enum):
            return "sa.String(length=40)"
        if isinstance(thing, Document):
            return "sa.Text()"
        if isinstance(thing, Sealed):
            return "sa.LargeBinary()"
    return False


def run() -> None:
    """Run the migrations inside the caller's transaction."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite cannot alter most things: alembic copies the table instead.
        render_as_batch=True,
        compare_type=True,
        render_item=_render,
        transactional_ddl=False,
    )
    context.run_migrations()


run()
