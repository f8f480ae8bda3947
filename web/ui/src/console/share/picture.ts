import { render, type Instant } from '../../lib';

/** The height of the line under the picture that says when it is, CSS pixels. */
const FOOT = 32;

/**
 * A picture of what a part of the page has drawn on its canvases, with the time under it, as PNG.
 *
 * @throws Error: there is nothing drawn.
 */
export async function picture(of: Element, at: Instant, colours: CSSStyleDeclaration): Promise<Blob> {
  const canvases = [...of.querySelectorAll('canvas')].filter((one) => one.width > 0 && one.height > 0);
  const box = of.getBoundingClientRect();
  if (canvases.length === 0 || box.width === 0) throw new Error('There is no map to take a picture of.');
  const scale = devicePixelRatio || 1;
  const made = document.createElement('canvas');
  made.width = Math.round(box.width * scale);
  made.height = Math.round((box.height + FOOT) * scale);
  const pen = made.getContext('2d');
  if (!pen) throw new Error('This browser gives no canvas to draw on.');
  pen.scale(scale, scale);
  pen.fillStyle = colours.getPropertyValue('--msr-surface');
  pen.fillRect(0, 0, box.width, box.height + FOOT);
  for (const canvas of canvases) {
    const place = canvas.getBoundingClientRect();
    pen.drawImage(canvas, place.left - box.left, place.top - box.top, place.width, place.height);
  }
  pen.fillStyle = colours.getPropertyValue('--msr-text');
  pen.font = `14px ${colours.getPropertyValue('--msr-font')}`;
  pen.textBaseline = 'middle';
  pen.fillText(inWords(at), 12, box.height + FOOT / 2);
  return new Promise((done, fail) =>
    made.toBlob((blob) => (blob ? done(blob) : fail(new Error('The picture could not be made.'))), 'image/png'),
  );
}

/** The name of a file about a moment. */
export function fileName(at: Instant, end: string): string {
  return `msr-${render(at).slice(0, 19).replaceAll(/[-:]/g, '')}Z.${end}`;
}

function inWords(at: Instant): string {
  const text = render(at);
  return `${text.slice(0, 10)} ${text.slice(11, 23)} UTC`;
}
