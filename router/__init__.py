"""The mind: a message, facts, rules and the time of day in; a decision with its reasons out.

Nothing here reads or writes anything; the same question always gets the same answer.
"""
