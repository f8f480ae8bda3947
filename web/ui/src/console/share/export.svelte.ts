import { MsrError, render, unwrap, type Interval, type Replay } from '../../lib';
import { collected, keep } from './download';
import { fileName } from './picture';

export const FORMATS = {
  ndjson: 'NDJSON: lines of JSON, can be imported again',
  mcap: 'MCAP: for Foxglove, can be imported again',
  parquet: 'Parquet: a table, for analysis',
  geojson: 'GeoJSON: what has a position, for GIS',
  czml: 'CZML: for Cesium',
} as const;
export type Format = keyof typeof FORMATS;

/** The export of a stretch of time as one file, while it goes on. */
export class Export {
  bytes = $state.raw(0);
  going = $state.raw(false);
  error = $state.raw<MsrError | null>(null);
  /** The name of the file, once it is whole. */
  done = $state.raw<string | null>(null);
  #control: AbortController | undefined;

  constructor(private readonly replay: Replay) {}

  /** Ask for it and hand it to the browser when it is whole; filters of tables hold. */
  async run({ start, end }: Interval, format: Format): Promise<void> {
    this.#control = new AbortController();
    this.going = true;
    this.error = null;
    this.done = null;
    this.bytes = 0;
    try {
      const { tables, clip } = this.replay.filters;
      const asked = await this.replay.client.api.GET('/replay/export', {
        params: {
          query: {
            start: render(start),
            end: render(end),
            format,
            ...(tables?.length ? { tables: tables.join(',') } : {}),
            ...(clip ? { source: `clip:${clip}` } : {}),
          },
        },
        parseAs: 'stream',
        signal: this.#control.signal,
      });
      const body = (await unwrap(Promise.resolve(asked))) as ReadableStream<Uint8Array>;
      const type = asked.response.headers.get('Content-Type') ?? '';
      const whole = await collected(body, type, (bytes) => (this.bytes = bytes));
      this.done = nameOf(asked.response) ?? fileName(start, format);
      keep(whole, this.done);
    } catch (error) {
      const found = MsrError.of(error);
      if (found.code !== 'ABORTED') this.error = found;
    } finally {
      this.going = false;
    }
  }

  cancel(): void {
    this.#control?.abort();
  }
}

function nameOf(response: Response): string | undefined {
  return /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1];
}
