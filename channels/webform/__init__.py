"""The web form as a channel."""
