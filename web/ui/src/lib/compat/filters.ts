import type { Filters, OldRows } from '../client/rows';
import { fromDate } from '../instants';

/** What a filter may go by. */
export interface FilterContext {
  readonly replayStartTime: Date;
  readonly replayEndTime: Date;
  readonly playbackTime: Date;
}

/** Rows of some tables that are older than a moment are left out; other tables are untouched. */
export interface FilterConfig {
  readonly tables: readonly string[];
  readonly getMinTimestamp: (context: FilterContext) => Date | string | undefined;
}

/** `stateFilterConfig` and `playbackFilterConfig` as the client's filters. */
export function filtersOf(
  state: FilterConfig | undefined,
  events: FilterConfig | undefined,
  on: FilterContext,
): Filters {
  const [oldStates, oldEvents] = [oldRows(state, on), oldRows(events, on)];
  return { ...(oldStates ? { oldStates } : {}), ...(oldEvents ? { oldEvents } : {}) };
}

function oldRows(config: FilterConfig | undefined, context: FilterContext): OldRows | undefined {
  const before = config?.tables.length ? config.getMinTimestamp(context) : undefined;
  if (!config || before === undefined) return undefined;
  return { tables: config.tables, before: fromDate(new Date(before)) };
}
