"""The HTTP interface `/api/v1`: JSON in and out, errors as problem documents (RFC 9457)."""
