import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Replay } from '../replay/replay.svelte';
import { configureMsr } from './client';
import { configureMsrErrorHandling } from './errors';
import { event, HandTicker, refusal, SmallWorld, START } from './world.testing';

let world: SmallWorld;
let ticker: HandTicker;
vi.mock('../replay/create', () => ({ replayOf: (): Replay => world.makeReplay(ticker) }));
const { default: MultiSessionReplay } = await import('./MultiSessionReplay.svelte');
const { default: ReplayInitCard } = await import('./ReplayInitCard.svelte');
const { default: DataTable } = await import('./DataTable.svelte');
const { default: SessionsPage } = await import('./SessionsPage.svelte');
const { choices } = await import('./session.svelte');
const { replayStore } = await import('./store.svelte');

const LOBBY = { lobbyTitle: 'Review', lobbyDescription: 'What happened', lobbyButtonText: 'Begin' };
const SHORT = { ...LOBBY, playbackWindowMinutes: 1, startBufferMinutes: 0, endBufferMinutes: 1 };

beforeEach(() => {
  world = new SmallWorld([event(1, 'a', 'c', { n: 1 }), event(2, 'b', 'c', { n: 3 }, 'sea.vessel')]);
  ticker = new HandTicker();
  configureMsr(world.client);
  configureMsrErrorHandling({ defaultOptions: { logError: false } });
});
afterEach(() => {
  cleanup();
  replayStore.reset();
  configureMsrErrorHandling();
});

const phase = (): string | null => screen.getByRole('region', { name: 'Review' }).getAttribute('data-phase');
const press = (name: string): Promise<unknown> => fireEvent.click(screen.getByRole('button', { name }));

async function begin(): Promise<void> {
  await press('Begin');
  await fireEvent.click(await screen.findByRole('button', { name: 'Start' }));
  await vi.waitFor(() => expect(phase()).toBe('playing'));
}

describe('<MultiSessionReplay>', () => {
  it('goes from the lobby by way of a chosen moment to playing, and back', async () => {
    const blurred = document.createElement('div');
    render(MultiSessionReplay, { ...SHORT, blurTargetElement: blurred });
    expect(phase()).toBe('lobby');
    expect(blurred.style.filter).toBe('blur(4px)');
    await press('Begin');
    expect(await screen.findByLabelText(/Start of the replay/)).toBeTruthy();
    expect(phase()).toBe('selecting');
    await press('Start');
    expect(['initialising', 'playing']).toContain(phase());
    await vi.waitFor(() => expect(phase()).toBe('playing'));
    expect(blurred.style.filter).toBe('');
    await press('Pause');
    expect(phase()).toBe('paused');
    expect(world.last('/replay/state').session).toBe('s1');
    await press('Return to lobby');
    expect(phase()).toBe('lobby');
    await vi.waitFor(() => world.last('/session/s1/terminate'));
  });

  it('ends when its window does, and can be played again', async () => {
    render(MultiSessionReplay, SHORT);
    await begin();
    await fireEvent.change(screen.getByRole('combobox', { name: 'Speed' }), { target: { value: '60' } });
    await vi.waitFor(() => {
      ticker.pass(200);
      expect(phase()).toBe('ended');
    });
    await press('Play');
    expect(phase()).toBe('playing');
  });

  it('says what the server says when there is no place, and tells the application', async () => {
    world.refusals.set('POST /session', refusal(409, 'SESSION_LIMIT_REACHED', 'five sessions are active'));
    const onError = vi.fn();
    render(MultiSessionReplay, { ...SHORT, errorHandling: { onError, defaultOptions: { logError: false } } });
    await press('Begin');
    expect((await screen.findByRole('alert')).textContent).toBe('five sessions are active');
    expect(phase()).toBe('error');
    expect(onError.mock.calls[0]![0]).toMatchObject({ code: 'SESSION_LIMIT_REACHED' });
    await press('Return to lobby');
    expect(phase()).toBe('lobby');
  });

  it('shows that its session was terminated, with the way back', async () => {
    world.refusals.set('GET /replay/state', refusal(409, 'SESSION_TERMINATED', 'an administrator ended it'));
    render(MultiSessionReplay, SHORT);
    await press('Begin');
    await fireEvent.click(await screen.findByRole('button', { name: 'Start' }));
    await vi.waitFor(() => expect(phase()).toBe('terminated'));
    await press('Return to lobby');
    expect(phase()).toBe('lobby');
  });
});

describe('the choice of a moment', () => {
  const at = (minute: number): Date => new Date(START / 1000 + minute * 60_000);

  it('is bounded by the range and its buffers', () => {
    const buffers = { playbackWindowMinutes: 120, startBufferMinutes: 5, endBufferMinutes: 10 };
    const range = { maxDays: 7, startDate: at(0), endDate: at(60) };
    expect(choices(range, buffers)).toEqual({ first: at(5), last: at(50) });
  });

  it('refuses a moment outside', async () => {
    const onstart = vi.fn();
    render(ReplayInitCard, { first: at(5), last: at(50), onstart });
    const field = screen.getByLabelText(/Start of the replay/);
    await fireEvent.input(field, { target: { value: '2020-01-01T00:00:00' } });
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Start' }).disabled).toBe(true);
    expect(field.getAttribute('aria-invalid')).toBe('true');
  });
});

describe('<DataTable> and <TimelineSlider>', () => {
  it('show the entities of a table, and move in time', async () => {
    render(MultiSessionReplay, SHORT);
    await begin();
    await press('Pause');
    render(DataTable, { tableName: 'air.flight' });
    expect(await screen.findByRole('rowheader', { name: 'a' })).toBeTruthy();
    expect(screen.queryByRole('rowheader', { name: 'b' })).toBeNull();
    const slider = screen.getByRole<HTMLInputElement>('slider', { name: 'Time' });
    await fireEvent.input(slider, { target: { value: String(Number(slider.min) + 30_000) } });
    expect(replayStore.playbackTime!.getTime()).toBe(Number(slider.min) + 30_000);
  });
});

describe('the page of sessions', () => {
  it('lists them, lets active ones be chosen, and terminates those', async () => {
    render(SessionsPage);
    const boxes = await screen.findAllByRole<HTMLInputElement>('checkbox');
    expect(boxes.map(({ disabled }) => disabled)).toEqual([false, true, false]);
    expect(screen.getAllByText('Terminated')).toHaveLength(1);
    expect(screen.getByText('Page 1 of 3')).toBeTruthy();
    await fireEvent.click(boxes[0]!);
    await press('Terminate 1 selected');
    await vi.waitFor(() => expect(world.last('/admin/sessions/terminate').method).toBe('POST'));
    await fireEvent.change(screen.getByLabelText('Sessions a page'), { target: { value: '25' } });
    await vi.waitFor(() => expect(world.last('/admin/sessions').query.get('size')).toBe('25'));
    const sizes = screen.getAllByRole('option').map((option) => option.textContent);
    expect(sizes).toEqual(['10', '25', '50', '100']);
  });
});
