import { describe, expect, it } from '@jest/globals';
import { IntentNews } from '../../src/autopilot/intent-news.ts';
import type { Intent } from '../../src/core/autopilot.ts';
import { ManualClock } from '../../src/core/clock.ts';

const NOW = 1_790_000_000_000;

const WAITS: Intent = {
  id: 'I1',
  key: 'k',
  cluster: 'orders-dal',
  action: 'repair',
  broker: 2,
  desiredBrokers: undefined,
  currentBrokers: undefined,
  incidentId: 'N1',
  attempt: 1,
  mode: 'approve',
  state: 'awaiting_approval',
  reason: 'broker 2 has been unhealthy for 2 m',
  createdAt: NOW,
  changedAt: NOW,
  expiresAt: NOW + 30 * 60_000 - 0.4,
  opensAt: 0,
  guards: [],
  evidence: [],
  lease: undefined,
  approvedBy: undefined,
  lastWord: '',
  drill: false,
};
const SINGLE = { guard: 'single_copy', holds: true, approvable: true, sentence: '1 partition of one copy on broker 2: legacy-1' };
const HELD = { guard: 'hold', holds: true, sentence: 'ops holds orders-dal until 14:00' };

function told(guards: Intent['guards']): string {
  const notes: string[] = [];
  const news = new IntentNews({ note: ({ text, loud }) => void notes.push(`${loud ? 'loud: ' : ''}${text}`) }, new ManualClock(NOW));
  news.tell({ kind: 'approval_needed', intent: { ...WAITS, guards } });
  return notes.join('\n');
}

describe('the word that a person must approve', () => {
  const asked = "loud: A person's approval is needed to restart broker 2, within 30 m: belfry autopilot approve I1.";

  it('says what, until when and how', () => {
    expect(told([])).toBe(asked);
  });

  it('says what the person should know before, where a guard leaves it to them', () => {
    expect(told([SINGLE])).toBe(`${asked} To be known before: 1 partition of one copy on broker 2: legacy-1 (guard single_copy).`);
  });

  it('says which guard an approval does not lift', () => {
    expect(told([SINGLE, HELD])).toBe(`${asked} Even then the guard hold holds it back for now: ops holds orders-dal until 14:00.`);
  });
});
