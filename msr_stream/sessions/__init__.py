"""Replay sessions: commands, what they do to a session, and who may write it."""
