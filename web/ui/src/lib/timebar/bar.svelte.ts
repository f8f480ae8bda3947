import { HOUR, MINUTE, type Instant, type Interval } from '../instants';
import type { Replay } from '../replay/replay.svelte';
import { barAt, stepOf, type Count, type Stacking } from './activity';
import { ActivityLoader } from './loader.svelte';
import { Colours } from './palette.svelte';
import { lengthOf, toTime, toX } from './scale';
import { TimeView } from './view.svelte';

/** What the parts of one time bar share. */
export class TimeBarState {
  readonly view: TimeView = new TimeView(() => this.bounds);
  readonly colours = new Colours();
  readonly loader: ActivityLoader;
  readonly replay: Replay;
  stacking = $state<Stacking>('table');
  /** Where the pointer is; null: nowhere. */
  hoverX = $state.raw<number | null>(null);
  held = $state(false);

  /** From the first recording to the server's clock: also what has happened but is not settled. */
  readonly bounds: Interval = $derived.by(() => {
    const range = this.replay.range;
    if (!range) return { start: 0, end: 0 };
    return { start: range.start, end: Math.max(range.end, this.replay.serverNow ?? range.end) };
  });
  readonly hoverAt = $derived(this.hoverX === null ? null : toTime(this.view.scale, this.hoverX));
  readonly hoverBar = $derived.by(() => (this.hoverAt === null ? null : barAt(this.loader.bars, this.hoverAt)));
  readonly tables = $derived.by(() =>
    [...new Set(this.loader.bars.flatMap((bar) => bar.counts.map((count) => count.table)))].sort(),
  );

  constructor(replay: Replay) {
    this.replay = replay;
    this.loader = new ActivityLoader(replay.client);
  }

  xOf(at: Instant): number {
    return toX(this.view.scale, at);
  }

  /** How finely times are written at this zoom. */
  readonly fineness = $derived.by(() => {
    const pixel = lengthOf(this.view.shown) / Math.max(1, this.view.width);
    if (pixel > HOUR / 4) return MINUTE;
    return pixel > 1_000_000 / 4 ? 1_000_000 : 1;
  });

  /** What the histogram counts by, microseconds. */
  readonly step = $derived(this.view.width > 0 ? stepOf(this.view.scale) : MINUTE);

  /** The number of a table's colour: the map's, if that colours by table, else its place among all tables. */
  groupOf(table: string): number {
    const { colouring, frame, tables } = this.replay;
    const onMap = colouring.by === 'table' ? frame.groups.indexOf(table) : -1;
    const place = onMap >= 0 ? onMap : tables.findIndex((one) => one.table_name === table);
    return place < 0 ? 12 : Math.min(place, 12);
  }

  colourOf(count: Count): string {
    const palette = this.colours.current;
    const found = this.stacking === 'op' ? palette?.ops[count.op] : palette?.groups[this.groupOf(count.table)];
    return found ?? 'gray';
  }
}
