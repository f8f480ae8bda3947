import { cleanup, fireEvent, render, screen, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { HOUR, MINUTE, render as written, SECOND } from '../instants';
import { COMMANDS, type Surroundings } from '../replay/commands';
import type { Replay } from '../replay/replay.svelte';
import { CountingServer, givenReplay, RANGE, START } from '../timebar/given';
import Stage from '../timebar/Stage.test.svelte';
import { zones } from '../zones.svelte';
import Controls from './Controls.svelte';
import TimeBar from './TimeBar.svelte';

let replay: Replay;
let around: Surroundings;
beforeAll(() => {
  // jsdom has no modal dialogs, no canvas and no media
  HTMLDialogElement.prototype.showModal = function (): void {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (): void {
    this.open = false;
    this.dispatchEvent(new Event('close'));
  };
  HTMLCanvasElement.prototype.getContext = (() => null) as never;
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(1000);
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe(): void {}
      unobserve(): void {}
      disconnect(): void {}
    },
  );
});
beforeEach(async () => {
  zones.choose('utc');
  around = {};
  const server = new CountingServer();
  const gap = { from: written(START + 10 * MINUTE), until: written(START + 20 * MINUTE), reason: 'slot lost' };
  server.coverage = [{ table_name: 'sea.vessel', source: 'demo', intervals: [], gaps: [gap] }];
  replay = await givenReplay(server);
});
afterEach(cleanup);

describe('the time bar', () => {
  const bar = (): HTMLElement => screen.getByRole('slider', { name: 'Position in time' });
  beforeEach(() => void render(Stage, { replay, around, Part: TimeBar }));

  it('is a slider that says the time', () => {
    expect(bar().getAttribute('aria-valuetext')).toContain('Wed 25 Nov 2026, 12:30:00 UTC');
    expect(Number(bar().getAttribute('aria-valuemax'))).toBe(3600);
    expect(Number(bar().getAttribute('aria-valuenow'))).toBe(1800);
  });

  it('moves its marks as the recording grows; none is taken away and made anew', async () => {
    const mark = document.querySelector('.track .settled')!;
    const made: Node[] = [];
    const watching = new MutationObserver((changes) => made.push(...changes.flatMap((one) => [...one.addedNodes])));
    watching.observe(document.querySelector('.track')!, { childList: true });
    replay.range = { ...RANGE, end: RANGE.end + MINUTE };
    await tick();
    watching.disconnect();
    expect([document.querySelector('.track .settled'), made]).toEqual([mark, []]);
  });

  it('says what it shows beside the bars: how far it is settled, what is buffered, where there are gaps', async () => {
    const said = (): string => screen.getByRole('list', { name: 'What the time bar shows' }).textContent ?? '';
    expect(said()).toMatch(/Settled up to Wed 25 Nov 2026, 13:00:00 UTC; the live edge is 2 s later/);
    expect(said()).toContain('Nothing is buffered.');
    replay.buffered = [{ start: START, end: START + 5 * MINUTE }];
    await tick();
    expect(said()).toMatch(/Buffered, .*: 5 min, from Wed 25 Nov 2026, 12:00:00 UTC to Wed 25 Nov 2026, 12:05:00 UTC/s);
    await expect
      .poll(said)
      .toMatch(/Gap in the recording from .* 12:10:00 UTC to .* 12:20:00 UTC: sea\.vessel \(slot lost\)/);
  });

  it('is moved by keys, never beyond what is recorded', async () => {
    await fireEvent.keyDown(bar(), { key: 'ArrowRight' });
    expect(replay.playhead).toBeGreaterThan(START + HOUR / 2);
    await fireEvent.keyDown(bar(), { key: 'Home' });
    expect(replay.playhead).toBe(RANGE.start);
    await fireEvent.keyDown(bar(), { key: 'ArrowLeft' });
    expect(replay.playhead).toBe(RANGE.start);
    await fireEvent.keyDown(bar(), { key: 'End' });
    expect(replay.playhead).toBe(RANGE.end);
  });

  it('has a handle at each end of the window, which keys move but not past each other', async () => {
    replay.setWindow({ start: START + 10 * MINUTE, end: START + 10 * MINUTE + SECOND });
    await tick();
    await fireEvent.keyDown(screen.getByRole('slider', { name: 'The window begins' }), { key: 'ArrowRight' });
    expect(replay.window?.start).toBe(START + 10 * MINUTE);
    await fireEvent.keyDown(screen.getByRole('slider', { name: 'The window ends' }), {
      key: 'ArrowRight',
      shiftKey: true,
    });
    expect(replay.window?.end).toBeGreaterThan(START + 11 * MINUTE);
  });

  it('shows bookmarks, which lead to their moment', async () => {
    await replay.addBookmark('Collision', '', START + 5 * MINUTE);
    await tick();
    await fireEvent.click(screen.getByRole('button', { name: /Bookmark Collision, .*12:05:00 UTC/ }));
    expect(replay.playhead).toBe(START + 5 * MINUTE);
  });

  it('is shown closer and wider by commands, down to a second and back to the whole', async () => {
    const whole = screen.getByRole('button', { name: 'Show all that was recorded' });
    expect(whole).toHaveProperty('disabled', true);
    for (let turn = 0; turn < 20; turn++) around.zoom?.(0.5);
    await tick();
    expect(screen.getByText(/· 1 s ·/)).toBeTruthy();
    await fireEvent.click(whole);
    expect(screen.getByText(/· 1 h 2 s ·/)).toBeTruthy();
  });
});

describe('the controls', () => {
  beforeEach(() => void render(Stage, { replay, around, Part: Controls }));
  const button = (name: string): HTMLElement => screen.getByRole('button', { name });

  it('play, pause and turn', async () => {
    await fireEvent.click(button('Play'));
    expect(replay.playing).toBe(true);
    await fireEvent.click(button('Pause'));
    await fireEvent.click(button('Backwards'));
    expect(replay.direction).toBe(-1);
    expect(button('Play backwards')).toBeTruthy();
  });

  it('offer every speed from a quarter to 3600 times', async () => {
    const speed = screen.getByRole('combobox', { name: 'Speed' });
    const names = within(speed)
      .getAllByRole('option')
      .map((option) => option.textContent);
    expect([names[0], names.at(-1)]).toEqual(['0.25×', '3600×']);
    await fireEvent.change(speed, { target: { value: '3600' } });
    expect(replay.speed).toBe(3600);
  });

  it('mark a window, loop it and forget it', async () => {
    await fireEvent.click(button('The window ends here'));
    expect(replay.window).toEqual({ start: RANGE.start, end: START + HOUR / 2 });
    await fireEvent.click(button('Loop the window'));
    expect(button('Loop the window').getAttribute('aria-pressed')).toBe('true');
    await fireEvent.click(button('No window'));
    expect(replay.looping).toBe(false);
  });

  it('say the time in the zone that was chosen', async () => {
    vi.spyOn(Date.prototype, 'getTimezoneOffset').mockReturnValue(-480);
    await fireEvent.click(screen.getByRole('button', { name: 'Times are in UTC: change' }));
    expect(screen.getByText('20:30:00.000')).toBeTruthy();
    expect(screen.getByRole('button', { name: /local time, UTC\+08:00/ })).toBeTruthy();
    vi.mocked(Date.prototype.getTimezoneOffset).mockRestore();
  });

  it('list every key there is', async () => {
    around.showHelp?.();
    const dialog = await screen.findByRole('dialog', { name: 'Keys' });
    for (const { label } of COMMANDS) expect(within(dialog).getByText(label)).toBeTruthy();
  });

  it('go to a time that is typed, and say what is wrong with another', async () => {
    around.goToTime?.();
    const field = await screen.findByRole('textbox', { name: 'Time, in UTC' });
    await fireEvent.input(field, { target: { value: '14:00' } });
    await fireEvent.submit(field.closest('form')!);
    expect(screen.getByRole('alert').textContent).toContain('outside');
    await fireEvent.input(field, { target: { value: '12:05' } });
    await fireEvent.submit(field.closest('form')!);
    expect(replay.playhead).toBe(START + 5 * MINUTE);
    expect(screen.queryByRole('dialog')).toBe(null);
  });
});
