"""Every Faust table, one module each: what is per session and worth surviving a worker. None yet."""

__all__: list[str] = []
