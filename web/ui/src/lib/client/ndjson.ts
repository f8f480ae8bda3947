import { MsrError } from './errors';
import type { Ending, Progress, Row } from './rows';

/** The lines of a text that comes in pieces; each piece gives the lines that it ends, as one text without the last break. */
export async function* lines(
  body: ReadableStream<Uint8Array>,
  onBytes: (bytes: number) => void = () => undefined,
): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      onBytes(value.byteLength);
      const text = rest + decoder.decode(value, { stream: true });
      const end = text.lastIndexOf('\n');
      rest = text.slice(end + 1);
      if (end >= 0) yield text.slice(0, end);
    }
    rest += decoder.decode();
    if (rest) yield rest;
  } finally {
    await reader.cancel().catch(() => undefined); // left early: the rest is not wanted
  }
}

/**
 * The rows of an answer, some at a time as they arrive, and its last line in the end.
 *
 * @throws MsrError: `CUT` if the answer ended before its last line.
 */
export async function* rows<One extends object = Row>(
  body: ReadableStream<Uint8Array>,
  onProgress: (progress: Progress) => void = () => undefined,
): AsyncGenerator<One[], Ending> {
  const progress = { rows: 0, bytes: 0 };
  let ending: Ending | undefined;
  for await (const some of lines(body, (bytes) => (progress.bytes += bytes))) {
    // At once: half as much work as line by line.
    const found = JSON.parse(`[${some.replaceAll('\n', ',')}]`) as (One | Ending)[];
    if (!('entity_id' in found.at(-1)!)) ending = found.pop() as Ending;
    progress.rows += found.length;
    onProgress({ ...progress });
    if (found.length) yield found as One[];
  }
  if (ending?.count !== progress.rows) throw new MsrError('CUT', 'the answer was cut on its way');
  return ending;
}
