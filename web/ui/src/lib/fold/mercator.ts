/** Web mercator, 0 to 1 from the north-west corner, as MapLibre's `MercatorCoordinate` has it. */

/** Beyond it the projection has no end. */
export const MOST_LATITUDE = 85.051128779806604;

export function xOf(lon: number): number {
  return (lon + 180) / 360;
}

export function yOf(lat: number): number {
  const bounded = Math.max(-MOST_LATITUDE, Math.min(MOST_LATITUDE, lat));
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + (bounded * Math.PI) / 360)) / (2 * Math.PI);
}

export function lonOf(x: number): number {
  return x * 360 - 180;
}

export function latOf(y: number): number {
  return (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 360) / Math.PI - 90;
}
