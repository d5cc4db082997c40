"""What Otklik is measured against, and the sinks it delivers to: each a program of its own, started by the bench."""
