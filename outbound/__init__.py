"""The voice: what is told to whom, rendering, and the queue that delivers it."""
