import { parse, type Instant, type Schemas } from '../../lib';

export type Source = Schemas['SourceState'];

/** What is true of a source as a whole. */
export interface Summary {
  /** Records in its logs that are not recorded yet; null: the broker does not say. */
  readonly lag: number | null;
  readonly events: number;
  readonly live: number;
  readonly deadLetters: number;
  /** Shards that have stopped, with the reason. */
  readonly stopped: readonly string[];
  /** Up to here all of it is recorded; null: not known. */
  readonly settled: Instant | null;
}

export function summary({ shards }: Source): Summary {
  const going = shards.filter((shard) => shard.retired_at === null);
  const sum = (of: (shard: Source['shards'][number]) => number): number =>
    shards.reduce((total, shard) => total + of(shard), 0);
  const settled = going.flatMap((shard) => (shard.settled_until === null ? [] : [parse(shard.settled_until)]));
  return {
    lag: going.some((shard) => shard.lag === null) ? null : going.reduce((total, { lag }) => total + (lag ?? 0), 0),
    events: sum((shard) => shard.events),
    live: sum((shard) => shard.live_entities),
    deadLetters: sum((shard) => shard.dead_letters),
    stopped: going.flatMap(({ topic, partition, stopped }) => (stopped ? [`${topic}/${partition}: ${stopped}`] : [])),
    settled: going.length > 0 && settled.length === going.length ? Math.min(...settled) : null,
  };
}

/** How a connector's or task's state looks. */
export function look(state: string): 'good' | 'bad' | 'warn' {
  if (state === 'RUNNING') return 'good';
  return state === 'FAILED' ? 'bad' : 'warn';
}
