import { parse, type Instant, type Interval } from '../instants';
import type { Schemas } from '../client/client';

/** A stretch in which the recording of some tables has a gap. */
export interface Gap extends Interval {
  readonly tables: readonly string[];
  readonly reasons: readonly string[];
}

/** The gaps of all tables as stretches that do not overlap: in each the same tables are affected. */
export function gapsOf(coverage: readonly Schemas['CoverageView'][], shown: Interval): readonly Gap[] {
  const single = coverage.flatMap((table) =>
    table.gaps.map((gap) => ({
      table: table.table_name,
      reason: gap.reason,
      start: Math.max(shown.start, instantOf(gap.from, shown.start)),
      end: Math.min(shown.end, instantOf(gap.until, shown.end)),
    })),
  );
  const edges = [...new Set(single.flatMap((gap) => [gap.start, gap.end]))].sort((a, b) => a - b);
  return edges.slice(0, -1).flatMap((start, index) => {
    const end = edges[index + 1]!;
    const here = single.filter((gap) => gap.start <= start && gap.end >= end);
    if (here.length === 0) return [];
    const reasons = here.flatMap((gap) => (gap.reason === null ? [] : [gap.reason]));
    return [{ start, end, tables: unique(here.map((gap) => gap.table)), reasons: unique(reasons) }];
  });
}

function instantOf(text: string | null, otherwise: Instant): Instant {
  try {
    return text === null ? otherwise : parse(text);
  } catch {
    return otherwise; // before or after all time that the API writes
  }
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}
