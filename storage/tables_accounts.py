"""Tables: accounts of staff, their sessions, and the audit log."""

from __future__ import annotations
