"""What one worker is made of, put together once; the Faust application and the views take it from here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from msr_stream import faults, logs, metrics
from msr_stream.connectors import Connectors
from msr_stream.discovery import Discovery
from msr_stream.identity import Verifier
from msr_stream.limits import PerUser
from msr_stream.recording.feed import Feed
from msr_stream.recording.notices import parse
from msr_stream.recording.recorder import Recorder
from msr_stream.recording.retry import Retry
from msr_stream.recording.settling import Settler, every
from msr_stream.records.decode import Decoder
from msr_stream.retainer import Retainer
from msr_stream.segments import Segments, shelf
from msr_stream.sessions.asking import Ask, Asker, Cast
from msr_stream.sessions.following import Following
from msr_stream.sessions.owner import Owner
from msr_stream.sessions.presence import Presence
from msr_stream.settings import Settings
from msr_stream.sources import SourceAdministration
from msr_stream.spool import Spools
from msr_stream.store.audit import Audit
from msr_stream.store.clip_replay import ClipReplay
from msr_stream.store.clips import Clips
from msr_stream.store.configuration import Configurations
from msr_stream.store.coverage import Coverage
from msr_stream.store.database import Database, connect_arguments
from msr_stream.store.dead_letters import DeadLetters
from msr_stream.store.dialect import Dialect
from msr_stream.store.keyframes import Keyframes, Pace
from msr_stream.store.migrations import migrate
from msr_stream.store.notices import Notices
from msr_stream.store.replay import Replay
from msr_stream.store.replica import Replica
from msr_stream.store.retaining import Retaining
from msr_stream.store.retention import Retention
from msr_stream.store.sessions import Sessions
from msr_stream.store.settled import Settled
from msr_stream.store.sources import Sources
from msr_stream.store.standing import Standings
from msr_stream.store.timelines import Timelines
from msr_stream.tide import Tide
from msr_stream.watching import SourceWatch

log = logs.get(__name__)


class Runtime:
    """A worker's parts.

    Attributes:
        prepared: set once the database's schema is up to date.
        stopping: set when the worker is told to stop; open streams end.
        replays: answers about the past under way, by user.
    """

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        on_crash: Callable[[BaseException], Awaitable[None]],
        ask: Ask,
        cast: Cast,
    ) -> None:
        self.settings = settings
        self.prepared = asyncio.Event()
        self.stopping = asyncio.Event()
        self.feed = feed
        self.database = Database(settings)
        self.recorder = Recorder(settings, self.database, feed, on_crash)
        self.settled = Settled(self.database)
        self.settler = Settler(settings, self.recorder, feed, self.settled, self._look)
        self.keyframes = Keyframes(self.database)
        self.replay = Replay(settings, self.database)
        self.replica = Replica(settings, self.database)
        self.clips = Clips(self.database)
        self.clip_replay = ClipReplay(settings, self.database)
        self.standings = Standings(self.database)
        self.tide = Tide(self.settled.instant)
        self.spools = Spools(settings.data_dir / "spool", settings.spool_mb << 20)
        self.segments = Segments(shelf(settings), settings.segment_largest_mb << 20)
        self.replays = PerUser(settings.replays_per_user)
        self.audit = Audit(self.database)
        self.configurations = Configurations(self.database)
        self.sessions = Sessions(self.database, settings.session_timeout)
        self.timelines = Timelines(self.database)
        self.owner = Owner(self.sessions, self.timelines)
        # A dead owner is noticed after the group's session timeout; its successor is there some seconds later.
        self.asker = Asker(ask, cast, settings.group_session_timeout + 8, self.stopping)
        self.presence = Presence(self.sessions, self.asker, settings.session_timeout)
        self.following = Following(self.sessions)
        self.verifier = Verifier.from_settings(settings)
        self.letters = DeadLetters(self.database)
        self.notices = Notices(self.database)
        self.coverage = Coverage(self.database)
        self.retry = Retry(self.database, self.recorder, self.letters)
        self.sources = SourceAdministration(
            settings, self.database, Sources(self.database), Connectors(settings.connect_url), feed, self.recorder
        )
        self.watch = SourceWatch(settings, self.sources, self.coverage)
        self.retention = Retention(self.database)
        self.retainer = Retainer(settings, self.retention, Retaining(settings, self.database, self.keyframes))
        self.discovery: Discovery | None = None
        self._dialect = Dialect()
        if settings.fault_point:
            faults.arm(faults.Fault.parse(settings.fault_point))

    async def prepare(self) -> None:
        """Open the database and bring its schema up to date, however long it is away."""
        await self.database.open()
        self._dialect = await self.database.retry("migrate", lambda: migrate(self.settings))
        self.prepared.set()

    async def keep_up(
        self, admin: Callable[[], AIOKafkaAdminClient], on_topics: Callable[[Mapping[str, int]], Awaitable[None]]
    ) -> None:
        """Find topics, settle shards and look after sources until told to stop."""
        await self.prepared.wait()
        self.discovery = discovery = Discovery(self.settings, self.database, admin, on_topics)
        try:
            await asyncio.gather(
                every(2.0, "looking for topics", discovery.look, self.stopping),
                every(0.1, "settling", self.settler.tick, self.stopping),
                every(1.0, "building keyframes", self._build_keyframes, self.stopping),
                every(1.0, "completing snapshots", self.notices.complete, self.stopping),
                every(10.0, "counting gaps", self._count_gaps, self.stopping),
                every(5.0, "looking for silent sources", self.settler.silence, self.stopping),
                every(10.0, "looking after sources", self.watch.look, self.stopping),
                every(1.0, "ending unseen sessions", self._end_unseen, self.stopping),
                every(5.0, "looking whether retention is due", self.retainer.tick, self.stopping),
                every(60.0, "fetching the realm's keys", self.verifier.keys.refresh, self.stopping),
                every(2.0, "measuring the lag", self._measure, self.stopping),
                every(5.0, "measuring the replica", self.replica.measure, self.stopping),
                every(60.0, "compressing old history", self._compress, self.stopping),
            )
        finally:
            await discovery.close()

    async def notified(self, value: bytes | None) -> None:
        """Keep what a notification says of a snapshot, however long the database is away."""
        notice = parse(value)
        if notice is not None:
            await self.prepared.wait()
            schema, _, table = (notice.collection or "").rpartition(".")
            name = (
                Decoder(notice.source, prefixes=self.settings.source_prefixes).table_name(
                    notice.source, schema.rpartition(".")[2], table
                )
                if table
                else None
            )
            await self.database.retry("notification", lambda: self.notices.add(notice, name))

    async def _count_gaps(self) -> None:
        metrics.gaps(await self.coverage.gaps())

    async def _end_unseen(self) -> None:
        if self.settings.cleanup_service_enabled:
            for session_id in await self.sessions.end_unseen():
                log.info("session not seen for too long", session=str(session_id))

    async def _compress(self) -> None:
        if self.settings.cleanup_service_enabled:
            await self._dialect.compress(self.settings)

    async def _look(self) -> None:
        if self.discovery is not None:
            await self.discovery.look()

    async def _build_keyframes(self) -> None:
        """Build what is due of the shards this worker owns."""
        owned = [
            recorder.progress.shard_id for recorder in self.recorder.shards.values() if recorder.progress is not None
        ]
        await self.keyframes.keep_up(owned, Pace(self.settings.keyframe_factor, self.settings.keyframe_floor))

    async def _measure(self) -> None:
        """See how far the shards are behind the ends of their logs."""
        ends = await self.feed.ends(list(self.recorder.shards)) if self.recorder.shards else {}
        metrics.stand(
            metrics.Standing(shard, max(0, ends[shard] - progress.next_offset), progress.settled_until)
            for shard, recorder in self.recorder.shards.items()
            if shard in ends and (progress := recorder.progress) is not None
        )

    async def close(self) -> None:
        """Give up what is owned and leave the database."""
        self.stopping.set()
        await self.retainer.close()
        await self.recorder.revoke(list(self.recorder.shards))
        await self.feed.close()
        await self.segments.close()
        await self.database.close()

    async def check_database(self) -> str:
        """`ok`, or why the history database does not answer within two seconds."""
        if not self.prepared.is_set():
            return "the schema is not prepared yet"
        try:
            connection = await asyncpg.connect(**connect_arguments(self.settings) | {"timeout": 2})
            await connection.close(timeout=1)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            return str(error) or type(error).__name__
        return "ok"
