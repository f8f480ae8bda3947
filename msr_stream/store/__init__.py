"""The history database: the only package that knows asyncpg and SQL."""
