"""Every table there is, for those who look at the schema as a whole."""

from storage import (
    tables,
    tables_accounts,
    tables_api,
    tables_console,
    tables_conversation,
    tables_mail,
    tables_mailboxes,
    tables_outbox,
    tables_portal,
)
from storage.metadata import metadata

__all__ = [
    "metadata",
    "tables",
    "tables_accounts",
    "tables_api",
    "tables_console",
    "tables_conversation",
    "tables_mail",
    "tables_mailboxes",
    "tables_outbox",
    "tables_portal",
]
