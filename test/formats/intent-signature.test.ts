import { describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { Secret } from '../../src/core/secret.ts';
import {
  REPLAY_WINDOW_MS,
  signAck,
  signBody,
  signIntent,
  verifyAck,
  verifyBody,
  verifyIntent,
  type SignedIntent,
} from '../../src/formats/intent-signature.ts';

const key = new Secret('a key that nobody guesses');
const intent: SignedIntent = {
  id: '01KA',
  cluster: 'orders-dal',
  target: 'broker/2',
  action: 'repair',
  expiresAt: 1_790_000_000_000,
  fencingToken: 7,
};
const hmac = (text: string): string => createHmac('sha256', 'a key that nobody guesses').update(text).digest('hex');

describe('the signature of an intent', () => {
  it('is over its lines', () => {
    expect(signIntent(key, intent)).toBe(hmac('belfry.intent.v1\n01KA\norders-dal\nbroker/2\nrepair\n1790000000000\n7'));
  });

  it.each<Partial<SignedIntent>>([
    { id: '01KB' },
    { cluster: 'pay' },
    { target: 'broker/3' },
    { action: 'replace' },
    { expiresAt: 1_790_000_000_001 },
    { fencingToken: 8 },
  ])('does not hold for %j', (change) => {
    const signature = signIntent(key, intent);
    expect(verifyIntent(key, intent, signature)).toBe(true);
    expect(verifyIntent(key, { ...intent, ...change }, signature)).toBe(false);
    expect(verifyIntent(new Secret('another'), intent, signature)).toBe(false);
  });

  it('cannot be moved from one field to the next by a line break', () => {
    const moved = { ...intent, cluster: 'orders-dal\nbroker/2', target: 'repair' };
    expect(verifyIntent(key, { ...moved, action: '1790000000000' }, signIntent(key, intent))).toBe(false);
    expect(signIntent(key, { ...intent, id: 'a\nb', cluster: 'c' })).not.toBe(signIntent(key, { ...intent, id: 'a', cluster: 'b\nc' }));
  });

  it.each(['', 'x', 'é'.repeat(64), '0'.repeat(64), signIntent(key, intent).toUpperCase()])('does not take %j for one', (signature) => {
    expect(verifyIntent(key, intent, signature)).toBe(false);
  });
});

describe('the signature of an ack', () => {
  const ack = { intentId: '01KA', fencingToken: 7, status: 'running' } as const;

  it('is over its lines, and for this intent, token and status only', () => {
    const signature = signAck(key, ack);
    expect(signature).toBe(hmac('belfry.ack.v1\n01KA\n7\nrunning'));
    expect(verifyAck(key, ack, signature)).toBe(true);
    expect(verifyAck(key, { ...ack, status: 'failed' }, signature)).toBe(false);
    expect(verifyAck(key, { ...ack, fencingToken: 8 }, signature)).toBe(false);
    expect(verifyAck(key, { ...ack, intentId: '01KB' }, signature)).toBe(false);
  });

  it('covers what the process was found to do, on which an act depends', () => {
    const found = { ...ack, process: 'recovering', progress: 42 } as const;
    const signature = signAck(key, found);
    expect(signature).toBe(hmac('belfry.ack.v1\n01KA\n7\nrunning\nrecovering\n42'));
    expect(signAck(key, { ...ack, process: 'stopped' })).toBe(hmac('belfry.ack.v1\n01KA\n7\nrunning\nstopped\n'));
    for (const forged of [
      ack,
      { ...ack, process: 'stopped' as const },
      { ...found, progress: 43 },
      { ...found, process: 'stopped' as const },
    ])
      expect(verifyAck(key, forged, signature)).toBe(false);
    expect(verifyAck(key, found, signAck(key, ack))).toBe(false);
  });
});

describe('the signature of a body', () => {
  const now = 1_790_000_000_000;
  const signed = signBody(key, '{"a":1}', now);

  it('is over the time, a full stop and the body', () => {
    expect(signed).toEqual({ timestamp: '1790000000', signature: `sha256=${hmac('1790000000.{"a":1}')}` });
  });

  it.each([
    [0, 'genuine'],
    [REPLAY_WINDOW_MS, 'genuine'],
    [REPLAY_WINDOW_MS + 1, 'replay'],
    [-REPLAY_WINDOW_MS, 'genuine'],
    [-REPLAY_WINDOW_MS - 1, 'replay'],
  ])('%i ms later it is %s', (laterMs, verdict) => {
    expect(verifyBody(key, '{"a":1}', signed, now + laterMs)).toBe(verdict);
  });

  it.each([
    ['another body', '{"a":2}', signed],
    ['another time', '{"a":1}', { ...signed, timestamp: '1790000001' }],
    ['no time', '{"a":1}', { ...signed, timestamp: '' }],
    ['no number', '{"a":1}', { ...signed, timestamp: '1e9' }],
    ['no signature', '{"a":1}', { ...signed, signature: 'sha256=' }],
  ])('is refused with %s', (_, body, given) => {
    expect(verifyBody(key, body, given, now)).toBe('signature');
  });
});
