import { MsrError } from '../client/errors';
import type { Progress } from '../client/rows';
import type { State, TableRule } from '../fold/types';
import type { Instant, Interval } from '../instants';
import { placingFields } from '../replay/fields';
import type { Replay } from '../replay/replay.svelte';
import { ofComparison, ofRow, type Difference } from './differences';

/** Two instants, and how they differ: from the buffer if both are in it, otherwise from the server as it arrives. */
export class Comparing {
  /** null: nothing was compared. */
  differences = $state.raw<readonly Difference[] | null>(null);
  rules = $state.raw<Readonly<Record<string, TableRule>>>({});
  /** What is compared; what was asked for, with the earlier one first. */
  between = $state.raw<{ readonly a: Instant; readonly b: Instant } | null>(null);
  incomplete = $state.raw<readonly string[]>([]);
  loading = $state.raw(false);
  progress = $state.raw<Progress>({ rows: 0, bytes: 0 });
  error = $state.raw<MsrError | null>(null);
  #abort: AbortController | null = null;

  constructor(private readonly replay: Replay) {}

  async compare(one: Instant, other: Instant): Promise<void> {
    this.cancel();
    const abort = new AbortController();
    this.#abort = abort;
    const [a, b] = one <= other ? [one, other] : [other, one];
    this.between = { a, b };
    this.replay.comparing = { a, b };
    [this.differences, this.error, this.incomplete] = [null, null, []];
    [this.loading, this.progress] = [true, { rows: 0, bytes: 0 }];
    try {
      const found = await this.#find(a, b, abort.signal);
      if (abort.signal.aborted) return;
      this.differences = found;
      await this.learnRules();
    } catch (error) {
      if (!abort.signal.aborted) this.error = MsrError.of(error);
    } finally {
      if (this.#abort === abort) this.loading = false;
    }
  }

  /** Where positions are found: known of a table once rows of it were shown. */
  async learnRules(): Promise<void> {
    this.rules = { ...(await this.replay.engine.call('rules')), ...this.replay.rules };
  }

  cancel(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.loading = false;
  }

  /** An entity that was created or deleted with every field, as it is or was. */
  async whole({ key, kind, state }: Difference): Promise<State> {
    const { a, b } = this.between!;
    for await (const rows of this.replay.client.state(kind === 'deleted' ? a : b, { entities: [key] })) {
      for (const row of rows) if (row.entity_state) return row.entity_state;
    }
    return state; // the server knows no more of it
  }

  async #find(a: Instant, b: Instant, signal: AbortSignal): Promise<Difference[]> {
    const { buffered, fields, filters, frame } = this.replay;
    const held = (at: Instant): boolean =>
      fields === null && buffered.some((one: Interval) => one.start <= at && at <= one.end);
    if ((held(a) && held(b)) || filters.clip !== undefined || filters.bbox !== undefined) {
      this.incomplete = frame.incomplete;
      return ofComparison(await this.replay.engine.call('compare', a, b));
    }
    await this.learnRules();
    signal.throwIfAborted();
    const { tables } = filters;
    const placing = placingFields(this.replay.tables, { tables, rules: this.rules });
    const onProgress = (progress: Progress): void => void (this.progress = progress);
    const stream = this.replay.client.diff({ start: a, end: b }, { tables, fields: placing }, { signal, onProgress });
    const found: Difference[] = [];
    for (;;) {
      const next = await stream.next();
      if (next.done) {
        if (!signal.aborted) this.incomplete = next.value.ending.incomplete;
        return found;
      }
      for (const row of next.value) found.push(ofRow(row, placing.length > 0));
    }
  }
}
