"""Pages of those who write to us."""
