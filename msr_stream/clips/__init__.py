"""Clips: a piece of history to take along, as a file of its own, and put back as a world of its own."""
