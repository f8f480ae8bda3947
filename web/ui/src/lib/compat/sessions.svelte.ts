import { unwrap, type Schemas } from '../client/client';
import { msrClient } from './client';
import { handleMsrError } from './errors';

export const SIZES = [10, 25, 50, 100] as const;

/** The page of all sessions: what is listed, and which are chosen. */
export class SessionList {
  rows = $state.raw<readonly Schemas['SessionView'][]>([]);
  chosen = $state.raw<ReadonlySet<string>>(new Set());
  size = $state.raw<number>(10);
  page = $state.raw(1);
  total = $state.raw(0);
  error = $state.raw<string | null>(null);
  loading = $state.raw(false);
  #asked = 0;
  readonly pages = $derived(Math.max(1, Math.ceil(this.total / this.size)));

  /** List a page; an answer that comes after a later question counts no more. */
  async load(page = this.page, size = this.size): Promise<void> {
    const number = ++this.#asked;
    [this.page, this.size, this.loading] = [page, size, true];
    await this.#run(async () => {
      const query = { page: String(page), size: String(size), sort: ['created_at,desc'] };
      const found = await unwrap(msrClient().api.GET('/admin/sessions', { params: { query } }));
      if (number !== this.#asked) return;
      [this.rows, this.total, this.chosen] = [found.data, found.page.total_records, new Set()];
    });
    if (number === this.#asked) this.loading = false;
  }

  /** Choose a session, or not; one that has ended cannot be chosen. */
  toggle(session: Schemas['SessionView']): void {
    if (!isSelectable(session)) return;
    const chosen = new Set(this.chosen);
    if (!chosen.delete(session.id)) chosen.add(session.id);
    this.chosen = chosen;
  }

  async terminateChosen(): Promise<void> {
    await this.#run(async () => {
      const body = { session_ids: [...this.chosen] };
      await unwrap(msrClient().api.POST('/admin/sessions/terminate', { body }));
      await this.load();
    });
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      this.error = null;
      await work();
    } catch (error) {
      this.error = handleMsrError(error, 'sessions', { throwError: false }).message;
    }
  }
}

export function isSelectable(session: Schemas['SessionView']): boolean {
  return session.status === 'ACTIVE';
}

export function statusOf(session: Schemas['SessionView']): string {
  return session.status === 'INACTIVE' ? 'Terminated' : 'Active';
}
