const whole = new Intl.NumberFormat('en');
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** A number with its thousands set apart. */
export function count(number: number): string {
  return whole.format(number);
}

/** `1 entity`, `2 entities`. */
export function counted(number: number, one: string, several = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : several}`;
}

/** Bytes as people say them. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${count(bytes)} B`;
  return bytes < 1_000_000 ? `${tenths.format(bytes / 1_000)} kB` : `${tenths.format(bytes / 1_000_000)} MB`;
}
