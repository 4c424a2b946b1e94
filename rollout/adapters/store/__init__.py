"""The store on SQLAlchemy Core: SQLite in WAL mode, or PostgreSQL, by URL."""
