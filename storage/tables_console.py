"""Tables: what staff pages keep: tags, views, drafts, search."""

from __future__ import annotations
