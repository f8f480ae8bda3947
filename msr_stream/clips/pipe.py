"""Between a library that writes a file and an answer that streams: what was written is taken away again and again."""

from __future__ import annotations


class Pipe:
    """A file that is only written, from its beginning to its end; it holds what was not taken yet.

    No `io.RawIOBase`: libraries would put buffers of their own around that.
    """

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object, /) -> int:
        """Take some bytes, as any object that holds bytes."""
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Whoever writes has ended; what is there can still be taken."""

    def tell(self) -> int:
        """How many bytes were written in all."""
        return self._written

    def take(self) -> bytes:
        """What was written since it was last taken."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
