"""The outside world: one package a channel. Channels know neither each other nor the desk; see `channels.base`."""
