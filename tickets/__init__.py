"""The nouns of a service desk: the types that flow through Otklik.

Standard library only and no input or output: every other package may import this one, it imports none of them.
"""
