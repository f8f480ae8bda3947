import { parse, render, type Instant } from '../instants';

/** An instant as it is typed: in UTC, without what needs not be said. */
export function typed(at: Instant): string {
  const text = render(at);
  return `${text.slice(0, 10)} ${text.slice(11, 26).replace(/\.?0+$/, '')}`;
}

/** What was typed: a day, a time of it, in UTC unless an offset is given; undefined: it is neither. */
export function readTyped(text: string): Instant | undefined {
  const [, day, time = '00:00', seconds = ':00', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(?:[ Tt](\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)?\s*([Zz]|[+-]\d\d:\d\d|UTC)?)?$/.exec(text.trim()) ??
    [];
  if (day === undefined) return undefined;
  try {
    return parse(`${day}T${time}${seconds}${zone === 'UTC' ? 'Z' : zone}`);
  } catch {
    return undefined;
  }
}
