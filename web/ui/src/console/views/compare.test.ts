import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, describe, expect, it } from 'vitest';
import { MsrError } from '../../lib/client/errors';
import type { Difference } from '../../lib/compare/differences';
import type { State } from '../../lib/fold/types';
import CompareRow from './CompareRow.svelte';

afterEach(cleanup);

const CREATED: Difference = {
  key: 'sea.vessel:1',
  table: 'sea.vessel',
  id: '1',
  kind: 'created',
  state: { name: 'Aurora', lat: 1, lon: 103 },
  partial: true,
  fields: [],
  unknown: [],
};

describe('an entity that was created', () => {
  it('is shown by what was asked for, and in full once it is opened', async () => {
    const asked: Difference[] = [];
    let answer: Promise<State> = Promise.reject(new MsrError('BUSY', 'as much under way as may be'));
    answer.catch(() => undefined);
    const whole = (one: Difference): Promise<State> => (asked.push(one), answer);
    render(CompareRow, { difference: CREATED, selected: false, onselect: () => undefined, whole });
    expect(screen.getByText('Aurora', { exact: false })).toBeTruthy();
    expect(asked).toEqual([]);
    const details = screen.getByText('All fields').parentElement as HTMLDetailsElement;
    details.open = true; // jsdom tells nobody by itself
    await fireEvent(details, new Event('toggle'));
    expect((await screen.findByRole('alert')).textContent).toBe('as much under way as may be');
    answer = Promise.resolve({ name: 'Aurora', lat: 1, lon: 103, cargo: 'tea' });
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('tea', { exact: false })).toBeTruthy();
    await fireEvent(details, new Event('toggle'));
    expect(asked).toEqual([CREATED, CREATED]); // not again when it is closed
  });
});
