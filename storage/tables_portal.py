"""Tables: pages of authors, consents, and one-time links."""

from __future__ import annotations
