"""Every stream processor, one module each; importing this package registers them."""

from agents import notifications, recorder, sessions

__all__ = ["notifications", "recorder", "sessions"]
