"""What can go wrong while the local stack starts; every message is one line for a person."""


class LocalError(Exception):
    """Something is missing, taken or did not answer."""


class HaltedError(LocalError):
    """Somebody asked to stop while something was being waited for."""
