import { MsrError, type Schemas } from '../../lib';

export interface Paged<Row> {
  readonly data: readonly Row[];
  readonly page: Schemas['Page'];
}

/** A list that the server gives by pages. */
export class Listing<Row> {
  rows = $state.raw<readonly Row[]>([]);
  total = $state.raw(0);
  page = $state.raw(1);
  size = $state.raw(10);
  error = $state.raw<MsrError | null>(null);
  loading = $state.raw(false);
  /** Whether it was answered once. */
  known = $state.raw(false);
  #asked = 0;

  constructor(private readonly read: (page: { page: string; size: string }) => Promise<Paged<Row>>) {}

  readonly pages = $derived(Math.max(1, Math.ceil(this.total / this.size)));

  async load(): Promise<void> {
    const mine = ++this.#asked;
    this.loading = true;
    try {
      const { data, page } = await this.read({ page: String(this.page), size: String(this.size) });
      if (mine !== this.#asked) return;
      this.rows = data;
      this.total = page.total_records;
      this.known = true;
      this.error = null;
      if (data.length === 0 && this.page > 1) return await this.go(this.pages);
    } catch (error) {
      if (mine === this.#asked) this.error = MsrError.of(error);
    } finally {
      if (mine === this.#asked) this.loading = false;
    }
  }

  async go(page: number): Promise<void> {
    this.page = Math.min(Math.max(1, page), this.pages);
    await this.load();
  }

  async resize(size: number): Promise<void> {
    this.size = size;
    await this.go(1);
  }
}
