"""How fast Otklik is, and how fast others are on the same machine in the same minutes.

`python -m bench` measures; every comparison alternates its two sides in one run, because absolute rates on a shared
machine move by a factor of two from minute to minute while their ratio stays.
"""
