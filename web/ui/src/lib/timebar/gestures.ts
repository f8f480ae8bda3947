import type { Attachment } from 'svelte/attachments';
import type { Instant, Interval } from '../instants';
import { holdAt, REACH, resized, wheelFactor, type Hold } from './hits';
import { lengthOf, toTime, type Scale } from './scale';

/** What a pointer on a time bar can do. */
export interface Surface {
  readonly scale: () => Scale;
  readonly window: () => Interval | null;
  seek(at: Instant): void;
  setWindow(window: Interval): void;
  zoom(factor: number, at: Instant): void;
  panBy(time: number): void;
  /** Where the pointer is without anything pressed; null: nowhere. */
  hover(x: number | null): void;
  /** Whether something is held. */
  holding(held: boolean): void;
}

interface Drag {
  readonly hold: Hold | 'pan' | 'mark';
  readonly from: Instant;
  readonly window: Interval | null;
  last: number;
}

/**
 * Wheel: closer or wider at the pointer; sideways or with Shift: along. Drag: the time, or an end of the window; with Shift
 * a new window; with the middle button, or where `pans`, what is shown. Two fingers: closer, wider and along.
 */
export function gestures(surface: Surface, pans = false): Attachment<HTMLElement> {
  return (element) => {
    const pointers = new Map<number, number>();
    let drag: Drag | null = null;
    const xOf = (event: MouseEvent): number => event.clientX - element.getBoundingClientRect().left;
    const timeAt = (x: number): Instant => toTime(surface.scale(), x);

    function begin(event: PointerEvent, x: number): Drag {
      const window = surface.window();
      const reach = event.pointerType === 'touch' ? REACH.touch : REACH.mouse;
      const hold =
        pans || event.button === 1 ? 'pan' : event.shiftKey ? 'mark' : holdAt(surface.scale(), window, x, reach);
      return { hold, from: timeAt(x), window, last: x };
    }

    function proceed(held: Drag, x: number): void {
      const scale = surface.scale();
      const at = timeAt(x);
      if (held.hold === 'time') surface.seek(at);
      else if (held.hold === 'pan') surface.panBy(((held.last - x) / Math.max(1, scale.width)) * lengthOf(scale));
      else if (held.hold === 'mark')
        surface.setWindow({ start: Math.min(held.from, at), end: Math.max(held.from, at) });
      else if (held.window) surface.setWindow(resized(held.window, held.hold, at));
      held.last = x;
    }

    function pinch(id: number, x: number): void {
      const other = [...pointers].find(([one]) => one !== id)?.[1] ?? x;
      const before = pointers.get(id) ?? x;
      const [wasApart, apart] = [Math.abs(before - other), Math.abs(x - other)];
      if (wasApart > 10 && apart > 10) surface.zoom(wasApart / apart, timeAt((x + other) / 2));
    }

    const down = (event: PointerEvent): void => {
      if (event.button > 1 || (event.target as Element).closest('button')) return;
      event.preventDefault();
      const x = xOf(event);
      element.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, x);
      drag = pointers.size === 1 ? begin(event, x) : null;
      surface.holding(true);
      if (drag?.hold === 'time') proceed(drag, x);
    };
    const move = (event: PointerEvent): void => {
      const x = xOf(event);
      surface.hover(x);
      if (!pointers.has(event.pointerId)) return;
      if (pointers.size > 1) pinch(event.pointerId, x);
      else if (drag) proceed(drag, x);
      pointers.set(event.pointerId, x);
    };
    const up = (event: PointerEvent): void => {
      if (!pointers.delete(event.pointerId)) return;
      drag = null;
      if (pointers.size === 0) surface.holding(false);
      if (event.pointerType === 'touch') surface.hover(null);
    };
    const leave = (): void => surface.hover(null);
    const wheel = (event: WheelEvent): void => {
      if (event.ctrlKey && event.deltaY === 0) return;
      event.preventDefault();
      const scale = surface.scale();
      const along = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        surface.panBy((along / Math.max(1, scale.width)) * lengthOf(scale));
      } else surface.zoom(wheelFactor(event.deltaY, event.deltaMode), timeAt(xOf(event)));
    };

    const ends = new AbortController();
    const { signal } = ends;
    element.addEventListener('pointerdown', down, { signal });
    element.addEventListener('pointermove', move, { signal });
    element.addEventListener('pointerup', up, { signal });
    element.addEventListener('pointercancel', up, { signal });
    element.addEventListener('pointerleave', leave, { signal });
    element.addEventListener('wheel', wheel, { signal, passive: false });
    return () => ends.abort();
  };
}
