import { render, type Instant } from '../../lib';
import type { Meaning } from '../../lib/map/legend';

/** The height of the line under the picture that says when it is and what the colours say, CSS pixels. */
const FOOT = 32;
const GAP = 16;
const DOT = 5;

/** What is said under the picture, and with which of the theme's variables. */
export interface Caption {
  readonly at: Instant;
  readonly legend: readonly Meaning[];
  readonly colours: CSSStyleDeclaration;
}

/** A picture of what the map has drawn, with the time and the legend under it, as PNG. */
export async function picture(drawn: HTMLCanvasElement, caption: Caption): Promise<Blob> {
  const scale = devicePixelRatio || 1;
  const made = document.createElement('canvas');
  made.width = drawn.width;
  made.height = drawn.height + Math.round(FOOT * scale);
  const pen = made.getContext('2d');
  if (!pen) throw new Error('This browser gives no canvas to draw on.');
  pen.fillStyle = caption.colours.getPropertyValue('--msr-surface');
  pen.fillRect(0, 0, made.width, made.height);
  pen.drawImage(drawn, 0, 0);
  pen.scale(scale, scale);
  pen.translate(0, drawn.height / scale + FOOT / 2);
  write(pen, caption, drawn.width / scale);
  return new Promise((done, fail) =>
    made.toBlob((blob) => (blob ? done(blob) : fail(new Error('The picture could not be made.'))), 'image/png'),
  );
}

/** The time, and of the legend as much as there is room for. */
function write(pen: CanvasRenderingContext2D, { at, legend, colours }: Caption, width: number): void {
  pen.font = `14px ${colours.getPropertyValue('--msr-font')}`;
  pen.textBaseline = 'middle';
  let left = GAP;
  const say = (text: string): void => {
    pen.fillStyle = colours.getPropertyValue('--msr-text');
    pen.fillText(text, left, 0);
    left += pen.measureText(text).width + GAP;
  };
  say(inWords(at));
  for (const { index, name } of legend) {
    if (left + 3 * DOT + pen.measureText(name).width > width) return;
    pen.fillStyle = colours.getPropertyValue(`--msr-group-${index}`);
    pen.beginPath();
    pen.arc(left + DOT, 0, DOT, 0, 2 * Math.PI);
    pen.fill();
    left += 3 * DOT;
    say(name);
  }
}

/** The name of a file about a moment. */
export function fileName(at: Instant, end: string): string {
  return `msr-${render(at).slice(0, 19).replaceAll(/[-:]/g, '')}Z.${end}`;
}

function inWords(at: Instant): string {
  const text = render(at);
  return `${text.slice(0, 10)} ${text.slice(11, 23)} UTC`;
}
