"""The rows: tables, sessions and repositories on SQLite and PostgreSQL. SQLAlchemy is used here and nowhere else."""
