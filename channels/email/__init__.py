"""Electronic mail, both ways."""
