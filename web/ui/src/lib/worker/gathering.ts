import type { RowStream } from '../client/client';
import type { Ending, Row } from '../client/rows';
import type { Change } from '../fold/types';
import { parse } from '../instants';

/** Rows and bytes of several answers together. */
export class Counted {
  rows = 0;
  bytes = 0;

  constructor(private readonly tell: () => void) {}

  follow(ask: (options: { onProgress: (progress: { rows: number; bytes: number }) => void }) => RowStream): Measured {
    const measured: Measured = { stream: undefined as never, bytes: 0 };
    let seen = 0;
    measured.stream = ask({
      onProgress: ({ rows, bytes }) => {
        this.rows += rows - seen;
        this.bytes += bytes - measured.bytes;
        [seen, measured.bytes] = [rows, bytes];
        this.tell();
      },
    });
    return measured;
  }
}

/** A stream, and the bytes that have come of it. */
interface Measured {
  stream: RowStream;
  bytes: number;
}

/** Take each row of an answer as a change when it arrives; it is held to weigh its share of what came with it. */
export async function gather(measured: Measured, take: (change: Change) => void): Promise<Ending> {
  let before = 0;
  for (;;) {
    const next = await measured.stream.next();
    if (next.done) return next.value.ending;
    const each = (measured.bytes - before) / next.value.length;
    before = measured.bytes;
    for (const row of next.value) take(change(row, each));
  }
}

function change(row: Row, bytes: number): Change {
  return {
    table: row.table_name,
    id: row.entity_id,
    op: row.op,
    at: parse(row.event_timestamp),
    state: row.op === 'd' ? null : row.entity_state,
    bytes,
  };
}
