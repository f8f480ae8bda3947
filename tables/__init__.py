"""Faust tables, one module each; importing this package registers them.

They hold what is per session, small and worth surviving a worker. The state of recorded entities is in the database.
"""

from tables import sessions, timelines

__all__ = ["sessions", "timelines"]
