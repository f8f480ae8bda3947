import type { Need } from '../fold/buffer';
import { Stretch } from '../fold/stretch';
import type { Change } from '../fold/types';
import type { Version } from '../fold/versions';
import type { World } from '../fold/world';
import type { Beyond } from './beyond';
import { gather, type Counted } from './gathering';

/** What has come for a need: a stretch that holds it, of so many changes. */
export interface Arrived {
  readonly stretch: Stretch;
  readonly changes: number;
  /** Tables of which not all was recorded. */
  readonly incomplete: readonly string[];
}

/**
 * Fetches what a buffer needs. The rows of a state become versions of the world as they arrive, not once all of them are
 * there; changes wait for it, so that entities are met in the order of the state.
 */
export async function arrive(
  world: World,
  { client, filters }: Beyond,
  { need, signal, counted }: { need: Need; signal: AbortSignal; counted: Counted },
): Promise<Arrived> {
  const { window } = need;
  const [base, changes]: [Arriving, Change[]] = [new Arriving(world), []];
  const events = gather(
    counted.follow((options) => client.events(window, filters, { signal, ...options })),
    (change) => void changes.push(change),
  );
  const state =
    need.kind === 'after'
      ? null
      : gather(
          counted.follow((options) => client.state(window.start, filters, { signal, ...options })),
          (row) => base.take(row),
        );
  try {
    const endings = await Promise.all([events, state]);
    signal.throwIfAborted();
    const stretch =
      need.kind === 'after' ? need.stretch : new Stretch(world.versions, window.start, world.base(base.versions));
    stretch.append(
      changes.map((change) => world.add(change)),
      window.end,
    );
    const incomplete = endings.flatMap((ending) => ending?.incomplete ?? []);
    return { stretch, changes: changes.length, incomplete };
  } catch (error) {
    base.giveUp();
    throw error;
  }
}

/** The versions of a state, as far as it has come. */
class Arriving {
  readonly versions: Version[] = [];
  #over = false;

  constructor(private readonly world: World) {}

  take(change: Change): void {
    if (!this.#over) this.versions.push(this.world.add(change));
  }

  /** None of it will be held; what still comes is passed over. */
  giveUp(): void {
    this.#over = true;
    for (const version of this.versions) this.world.versions.free(version);
  }
}
