import { toDate, type Instant } from './instants';

/** In which zone times are shown. */
export type Zone = 'utc' | 'local';

const KEPT_AS = 'msr-zone';

/** The user's choice of zone: one for the whole page, kept for the next time. */
export class Zones {
  #chosen = $state<Zone>(kept());

  get current(): Zone {
    return this.#chosen;
  }

  choose(zone: Zone): void {
    this.#chosen = zone;
    try {
      localStorage.setItem(KEPT_AS, zone);
    } catch {
      // a page without storage forgets it
    }
  }

  toggle(): void {
    this.choose(this.#chosen === 'utc' ? 'local' : 'utc');
  }
}

export const zones = new Zones();

function kept(): Zone {
  try {
    return localStorage.getItem(KEPT_AS) === 'local' ? 'local' : 'utc';
  } catch {
    return 'utc';
  }
}

/** Minutes that a zone's clock is before UTC at an instant. */
export function offsetMinutes(at: Instant, zone: Zone): number {
  return zone === 'utc' ? 0 : -toDate(at).getTimezoneOffset();
}

/** The name of a zone as it stands beside a time: `UTC`, `UTC+08:00`. */
export function zoneName(at: Instant, zone: Zone): string {
  const minutes = offsetMinutes(at, zone);
  if (zone === 'utc') return 'UTC';
  const [sign, ahead] = [minutes < 0 ? '−' : '+', Math.abs(minutes)];
  const two = (value: number): string => String(value).padStart(2, '0');
  return `UTC${sign}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`;
}
