/** A cell by its row (of all rows) and its column (of those shown). */
export interface Cell {
  readonly row: number;
  readonly column: number;
}

/** Where one arrives who moves by so much, within a grid; infinitely far is its edge. */
export function moved(from: Cell, by: Cell, { rows, columns }: { rows: number; columns: number }): Cell {
  const within = (value: number, end: number): number => Math.max(0, Math.min(value, end - 1));
  return { row: within(from.row + by.row, rows), column: within(from.column + by.column, columns) };
}
