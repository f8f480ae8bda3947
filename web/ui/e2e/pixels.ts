import { inflateSync } from 'node:zlib';

/** Red, green, blue; each 0 to 255. */
export type Colour = readonly [number, number, number];

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Pixels of one colour that touch each other. */
export interface Spot extends Place {
  readonly size: number;
}

/** A picture, pixel by pixel. */
export class Picture {
  /** @param pixels red, green, blue and opacity of each, row by row */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly pixels: Uint8Array,
  ) {}

  is(x: number, y: number, [red, green, blue]: Colour): boolean {
    const at = 4 * (y * this.width + x);
    const { pixels } = this;
    const near = (part: number, wanted: number): boolean => Math.abs(pixels[at + part]! - wanted) <= 1;
    return near(0, red) && near(1, green) && near(2, blue);
  }

  /** Where a colour is. */
  places(colour: Colour): Place[] {
    const found: Place[] = [];
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) if (this.is(x, y, colour)) found.push({ x, y });
    }
    return found;
  }

  count(colour: Colour): number {
    return this.places(colour).length;
  }

  /** What of a colour touches, by its middle. */
  spots(colour: Colour): Spot[] {
    const open = new Set(this.places(colour).map(({ x, y }) => y * this.width + x));
    const found: Spot[] = [];
    for (const first of open) {
      const around = [-1, 0, 1].flatMap((row) => [-1, 0, 1].map((column) => row * this.width + column));
      const members = [first];
      open.delete(first);
      for (const member of members) {
        for (const step of around) if (open.delete(member + step)) members.push(member + step);
      }
      const middle = (part: (at: number) => number): number =>
        Math.round(members.reduce((sum, at) => sum + part(at), 0) / members.length);
      found.push({
        x: middle((at) => at % this.width),
        y: middle((at) => Math.floor(at / this.width)),
        size: members.length,
      });
    }
    return found;
  }

  /** The same with a box painted over in a colour that nothing has. */
  without(left: number, top: number, width: number, height: number): Picture {
    const pixels = this.pixels.slice();
    for (let y = Math.max(0, Math.floor(top)); y < Math.min(this.height, top + height); y++) {
      for (let x = Math.max(0, Math.floor(left)); x < Math.min(this.width, left + width); x++) {
        pixels.set([255, 0, 255, 255], 4 * (y * this.width + x));
      }
    }
    return new Picture(this.width, this.height, pixels);
  }

  /** The upper rows alone. */
  upper(height: number): Picture {
    return new Picture(this.width, height, this.pixels.subarray(0, 4 * this.width * height));
  }
}

/** Of those that are wanted the one that is farthest from all others. */
export function loneliest<One extends Spot>(all: readonly One[], isWanted: (one: One) => boolean): One {
  const away = (one: One): number =>
    Math.min(...all.filter((other) => other !== one).map((other) => Math.hypot(one.x - other.x, one.y - other.y)));
  const [first, ...rest] = all.filter(isWanted).map((one) => ({ one, away: away(one) }));
  if (!first) throw new Error('nothing like that is seen');
  return rest.reduce((best, next) => (next.away > best.away ? next : best), first).one;
}

/**
 * Read a PNG as browsers write them: 8 bits a channel, not interlaced (https://www.w3.org/TR/png-3/).
 *
 * @throws Error: it is another kind of PNG, or none.
 */
export function decode(png: Buffer): Picture {
  if (png.toString('latin1', 1, 4) !== 'PNG') throw new Error('this is no PNG');
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const [depth, kind, interlaced] = [png[24], png[25], png[28]];
  if (depth !== 8 || (kind !== 2 && kind !== 6) || interlaced !== 0) throw new Error('a PNG of another kind');
  const packed: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      packed.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const channels = kind === 6 ? 4 : 3;
  const rows = unfiltered(inflateSync(Buffer.concat(packed)), width * channels, height, channels);
  const pixels = new Uint8Array(4 * width * height).fill(255);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let part = 0; part < channels; part++) pixels[4 * pixel + part] = rows[channels * pixel + part]!;
  }
  return new Picture(width, height, pixels);
}

/** Undo what each row says was done to it; `step`: bytes of a pixel. */
function unfiltered(filtered: Uint8Array, length: number, height: number, step: number): Uint8Array {
  const rows = new Uint8Array(length * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (length + 1)]!;
    for (let x = 0; x < length; x++) {
      const at = y * length + x;
      const left = x < step ? 0 : rows[at - step]!;
      const above = y === 0 ? 0 : rows[at - length]!;
      const corner = x < step || y === 0 ? 0 : rows[at - length - step]!;
      const guess = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter]!;
      rows[at] = filtered[y * (length + 1) + 1 + x]! + guess;
    }
  }
  return rows;
}

function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((one) => Math.abs(guess - one)) as [
    number,
    number,
    number,
  ];
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}
