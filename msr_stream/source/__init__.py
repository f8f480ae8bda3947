"""The source databases: setting one up for the capture, and watching what the capture leaves there.

Everything here speaks to a *source*, which belongs to somebody else: it explains what it does, refuses rather
than harms, and never stands in the way of the application that owns the tables.
"""
