"""What alembic runs for every command: ours through `storage.schema`, a developer's through the `alembic` program.

`storage.schema` hands a connection over that is inside a transaction already. The program is for making a new step:
`alembic -x url=sqlite:///build/scratch.sqlite upgrade head`, then the same with `revision --autogenerate`.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from storage.all_tables import metadata


def migrate(connection: Connection) -> None:
    """Run what the command asks for on one connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    from storage.sqlite import sqlite_engine

    with sqlite_engine(context.get_x_argument(as_dictionary=True)["url"], busy_timeout=5, writer=True).begin() as own:
        migrate(own)
