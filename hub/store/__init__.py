"""Storage: tables, mappers, repositories, the unit of work and the committer, on SQLite and PostgreSQL."""
