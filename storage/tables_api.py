"""Tables: what the API keeps besides tickets."""

from __future__ import annotations
