import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MadeEngine, madeReplay } from '../components/testing';
import { linkOf, readLink, VIEWS, writeLink, type Link } from './link';

const instant = fc.integer({ min: 1, max: 4_102_444_800_000_000 });
const links: fc.Arbitrary<Link> = fc.record(
  {
    view: fc.constantFrom(...VIEWS.filter((view) => view !== 'replay')),
    at: instant,
    window: fc.record({ start: instant, end: instant }),
    filters: fc.oneof(
      fc.record(
        { tables: fc.array(fc.stringMatching(/^[a-z]+\.[a-z_]+$/), { minLength: 1, maxLength: 3 }), clip: fc.uuid() },
        { requiredKeys: ['tables'] },
      ),
      fc.record({ clip: fc.uuid() }),
    ),
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

  it('does not lead to what was selected before', async () => {
    const replay = madeReplay(new MadeEngine());
    await replay.select('sea.vessel:1');
    const before = linkOf(replay);
    await replay.select(null);
    expect(writeLink({ ...before, ...linkOf(replay) })).toBe('');
  });

  it('passes over what is not valid, and opens the rest', () => {
    expect(readLink('?view=nowhere&t=yesterday&speed=-3&map=1/2&window=~&entity=a.b:1')).toEqual({
      selection: 'a.b:1',
    });
  });
});
