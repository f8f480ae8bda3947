/** Have the browser keep something as a file. */
export function keep(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Read a body to its end; the browser puts what is long on disk. */
export async function collected(
  body: ReadableStream<Uint8Array>,
  type: string,
  onProgress: (bytes: number) => void,
): Promise<Blob> {
  const parts: Blob[] = [];
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  let bytes = 0;
  const put = (): void => {
    parts.push(new Blob(waiting));
    [waiting, held] = [[], 0];
  };
  for (const reader = body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    waiting.push(value as Uint8Array<ArrayBuffer>);
    held += value.length;
    bytes += value.length;
    if (held > PIECE) put();
    onProgress(bytes);
  }
  put();
  return new Blob(parts, { type });
}

/** So much is held in memory before it is handed to the browser. */
const PIECE = 8 * 1024 * 1024;
