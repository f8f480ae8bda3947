/** What becomes of a text, line by line: `+` and `-`, with a little of what stays around it. Changes here are few and near. */
export function diff(path: string, before: string | null, after: string): string {
  const [old, now] = [before === null ? [] : lines(before), lines(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  return [
    `--- ${before === null ? '/dev/null' : path}`,
    `+++ ${path}`,
    ...old.slice(Math.max(0, start - 2), start).map((line) => `  ${line}`),
    ...old.slice(start, old.length - end).map((line) => `- ${line}`),
    ...now.slice(start, now.length - end).map((line) => `+ ${line}`),
    ...now.slice(now.length - end, now.length - end + 2).map((line) => `  ${line}`),
  ].join('\n');
}

function lines(text: string): string[] {
  const found = text.split('\n');
  if (found.at(-1) === '') found.pop();
  return found;
}
