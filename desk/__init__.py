"""The verbs: use cases, one transaction each."""
