"""Every stream processor, one module each; importing this package registers them."""

from agents import recorder

__all__ = ["recorder"]
