import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLink, VIEWS, writeLink, type Link } from './link';

const instant = fc.integer({ min: 1, max: 4_102_444_800_000_000 });
const links: fc.Arbitrary<Link> = fc.record(
  {
    view: fc.constantFrom(...VIEWS.filter((view) => view !== 'replay')),
    at: instant,
    window: fc.record({ start: instant, end: instant }),
    filters: fc.record({ tables: fc.array(fc.stringMatching(/^[a-z]+\.[a-z_]+$/), { minLength: 1, maxLength: 3 }) }),
    selection: fc.string({ minLength: 1 }),
    speed: fc.constantFrom(0.25, 2, 3600),
    map: fc.constant([9.5, 1.25, 103.8] as const),
    compare: fc.tuple(instant, instant),
    session: fc.uuid(),
  },
  { requiredKeys: [] },
);

describe('a link', () => {
  it('opens what it was made of', () => {
    fc.assert(fc.property(links, (link) => void expect(readLink(writeLink(link))).toEqual(link)));
  });

  it('passes over what is not valid, and opens the rest', () => {
    expect(readLink('?view=nowhere&t=yesterday&speed=-3&map=1/2&window=~&entity=a.b:1')).toEqual({
      selection: 'a.b:1',
    });
  });
});
