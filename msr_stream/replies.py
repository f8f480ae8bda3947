"""Answers of agents: Faust's consumer of them, cured.

That of faust-streaming 0.15.3 (`faust/agents/replies.py`) reads every reply into two channels, of which one is never
read: the worker hangs at the next rebalance after a reply, and after some 3,300 replies gets none any more. It also
never forgets a correlation id, and dies of a second reply to one.
"""

from __future__ import annotations

from typing import Any

from faust.agents.replies import ReplyConsumer


class Replies(ReplyConsumer):
    """Reads each reply once, and forgets it."""

    async def _start_fetcher(self, topic_name: str) -> None:
        if topic_name in self._fetchers:
            return
        self._fetchers[topic_name] = None
        topic = self._reply_topic(topic_name)
        await topic.maybe_declare()
        # No `app.topics.add(topic)`: iterating the stream registers the one channel that is read and acknowledged.
        self._fetchers[topic_name] = self.add_future(self._drain_replies(topic))

    async def _drain_replies(self, channel: Any) -> None:
        async for reply in channel.stream():
            for promise in self._waiting.pop(reply.correlation_id, ()):
                if not promise.done():
                    promise.fulfill(reply.correlation_id, reply.value)
