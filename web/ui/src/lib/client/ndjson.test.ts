import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MsrError } from './errors';
import { rows } from './ndjson';
import type { Ending, Progress, Row } from './rows';

const ENDING: Ending = { count: 2, incomplete: ['air.flight'], sent_at: '2026-11-25T19:14:37.000000Z' };

function row(id: string, text: string): Row {
  const at = '2026-11-25T19:14:37.000000Z';
  return { entity_id: id, entity_state: { text }, op: 'c', event_timestamp: at, table_name: 'air.flight' };
}

function body(bytes: Uint8Array, cuts: readonly number[] = []): ReadableStream<Uint8Array> {
  const places = [0, ...[...cuts].sort((a, b) => a - b).map((cut) => cut % bytes.length), bytes.length].sort(
    (a, b) => a - b,
  );
  const pieces = places.slice(1).map((end, index) => bytes.slice(places[index], end));
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

function encode(...values: unknown[]): Uint8Array {
  return new TextEncoder().encode(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
}

async function read(stream: ReadableStream<Uint8Array>): Promise<{ found: Row[]; ending: Ending; told: Progress[] }> {
  const told: Progress[] = [];
  const reading = rows(stream, (progress) => told.push(progress));
  const found: Row[] = [];
  for (;;) {
    const next = await reading.next();
    if (next.done) return { found, ending: next.value, told };
    found.push(...next.value);
  }
}

describe('rows of an answer', () => {
  it('are the same wherever the network cuts it into pieces, inside a character too', async () => {
    const sent = [row('1', 'Ærø ✈ 𝄞'), row('2', 'x\ny')];
    const bytes = encode(...sent, ENDING);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 }), async (cuts) => {
        const { found, ending, told } = await read(body(bytes, cuts));
        expect(found).toEqual(sent);
        expect(ending).toEqual(ENDING);
        expect(told.at(-1)).toEqual({ rows: 2, bytes: bytes.length });
      }),
    );
  });

  it.each([
    ['without its last line', encode(row('1', 'a'), row('2', 'b'))],
    ['with fewer rows than were sent', encode(row('1', 'a'), ENDING)],
    ['empty', new Uint8Array()],
  ])('are refused %s: the answer was cut', async (_, bytes) => {
    await expect(read(body(bytes))).rejects.toThrow(MsrError);
  });

  it('let go of the network when nobody wants the rest', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(encode(row('1', 'a'))),
      cancel: () => void (cancelled = true),
    });
    for await (const some of rows(endless)) {
      expect(some).toHaveLength(1);
      break;
    }
    expect(cancelled).toBe(true);
  });
});
