"""Every stream processor, one module each; importing this package registers them."""

from agents import recorder, sessions

__all__ = ["recorder", "sessions"]
