import { describe, expect, it } from '@jest/globals';
import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { ACTIONS, INTENT_STATES, type Intent } from '../../src/core/autopilot.ts';
import { BelfryError } from '../../src/core/errors.ts';
import {
  encodeBinary,
  encodeStructured,
  intentEvent,
  parseBinary,
  parseStructured,
  STRUCTURED_CONTENT_TYPE,
} from '../../src/formats/intent-event.ts';

const repair: Intent = {
  id: '01KAAAAAAAAAAAAAAAAAAAAAAA',
  key: 'ab'.repeat(32),
  cluster: 'orders-dal',
  action: 'repair',
  broker: 2,
  desiredBrokers: undefined,
  currentBrokers: undefined,
  incidentId: '01KBBBBBBBBBBBBBBBBBBBBBBB',
  attempt: 1,
  mode: 'auto',
  state: 'open',
  reason: 'broker 2 crashed',
  createdAt: 1_790_000_000_000,
  changedAt: 1_790_000_000_123,
  expiresAt: 1_790_001_800_000,
  opensAt: 0,
  guards: [{ guard: 'last_copy', holds: false, sentence: 'all 84 partitions have 2 copies', approvable: true }],
  evidence: [],
  lease: undefined,
  approvedBy: undefined,
  lastWord: '',
  drill: false,
};
const scale: Intent = {
  ...repair,
  action: 'scale_out',
  broker: undefined,
  desiredBrokers: 4,
  currentBrokers: 3,
  cluster: 'zahlung "ä" 100 %',
};

describe('an intent as a CloudEvent', () => {
  it('has the envelope that readers were promised', () => {
    expect(intentEvent(scale, 'f00')).toMatchObject({
      specversion: '1.0',
      type: 'belfry.intent.scale_out.v1',
      source: '/belfry/clusters/zahlung%20%22%C3%A4%22%20100%20%25',
      id: '01KAAAAAAAAAAAAAAAAAAAAAAA.open.1790000000123',
      subject: 'brokers=4',
      time: '2026-09-21T14:13:20.123Z',
      datacontenttype: 'application/json',
      partitionkey: scale.cluster,
      data: { rebalance: true, target: 'brokers=4', broker: null, desiredBrokers: 4, fencingToken: 0, executor: null, signature: 'f00' },
    });
    expect(intentEvent(repair, 'f00')).toMatchObject({
      type: 'belfry.intent.repair.v1',
      subject: 'broker/2',
      data: { rebalance: false, broker: 2 },
    });
  });

  it.each(ACTIONS)('%s is valid to the SDK of CloudEvents, in both modes', (action) => {
    for (const state of INTENT_STATES) {
      // The SDK leaves headers percent-encoded, so a name without anything to encode.
      const event = intentEvent({ ...(action.startsWith('scale') ? scale : repair), cluster: 'orders-dal', action, state }, 'f00');
      const structured = HTTP.toEvent({ headers: { 'content-type': STRUCTURED_CONTENT_TYPE }, body: encodeStructured(event) });
      const binary = HTTP.toEvent(encodeBinary(event));
      for (const read of [structured, binary]) {
        expect(Array.isArray(read)).toBe(false);
        const one = read as CloudEvent<unknown>;
        expect(one.validate()).toBe(true);
        expect(one.data).toEqual(event.data);
        expect([one.id, one.type, one.source, one.subject, one.time]).toEqual([
          event.id,
          event.type,
          event.source,
          event.subject,
          event.time,
        ]);
      }
    }
  });

  it('is read from what the SDK writes', () => {
    const event = intentEvent(repair, 'f00');
    const message = HTTP.structured(new CloudEvent({ ...event }));
    expect(parseStructured(String(message.body))).toEqual(event);
    const { headers, body } = HTTP.binary(new CloudEvent({ ...event }));
    const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    expect(parseBinary({ headers: plain, body: String(body) })).toEqual(event);
  });

  it.each([repair, scale])('comes back as it was, over HTTP and Kafka', (intent) => {
    const event = intentEvent(intent, 'f00');
    expect(parseStructured(encodeStructured(event))).toEqual(event);
    expect(parseBinary(encodeBinary(event))).toEqual(event);
    expect(parseBinary(encodeBinary(event, 'ce_'))).toEqual(event);
    for (const value of Object.values(encodeBinary(event).headers)) expect(value).toMatch(/^[\u0020-\u007e]*$/);
  });
});

describe('a reader', () => {
  const given = (change: (event: { [name: string]: unknown; data: Record<string, unknown> }) => void): string => {
    const event: { [name: string]: unknown; data: Record<string, unknown> } = structuredClone({
      ...intentEvent(repair, 'f00'),
      data: { ...intentEvent(repair, 'f00').data },
    });
    change(event);
    return JSON.stringify(event);
  };

  it('passes over members that it does not know', () => {
    const text = given((event) => {
      event['traceparent'] = '00-1';
      event.data['colour'] = 'red';
    });
    expect(parseStructured(text)).toEqual(intentEvent(repair, 'f00'));
  });

  it.each<[string, (event: { [name: string]: unknown; data: Record<string, unknown> }) => void]>([
    ['specversion', (event) => (event['specversion'] = '0.3')],
    ['type', (event) => (event['type'] = 'belfry.intent.repair.v2')],
    ['type', (event) => (event['type'] = 'belfry.intent.replace.v1')],
    ['id', (event) => (event['id'] = 'another')],
    ['id', (event) => delete event['id']],
    ['source', (event) => (event['source'] = '/belfry/clusters/pay')],
    ['subject', (event) => (event['subject'] = 'broker/3')],
    ['time', (event) => (event['time'] = 'yesterday')],
    ['partitionkey', (event) => (event['partitionkey'] = 'pay')],
    ['data.action', (event) => (event.data['action'] = 'wipe')],
    ['data.state', (event) => (event.data['state'] = 'fine')],
    ['data.broker', (event) => (event.data['broker'] = -1)],
    ['data.broker', (event) => (event.data['broker'] = '2')],
    ['data.target', (event) => (event.data['target'] = 'broker/3')],
    ['data.fencingToken', (event) => (event.data['fencingToken'] = 1.5)],
    ['data.expiresAt', (event) => delete event.data['expiresAt']],
    ['data.signature', (event) => delete event.data['signature']],
    ['data.guards', (event) => (event.data['guards'] = 'none')],
    ['data.guards[0].holds', (event) => (event.data['guards'] = [{ guard: 'a', sentence: 'b' }])],
  ])('refuses a wrong %s', (name, change) => {
    const work = (): unknown => parseStructured(given(change));
    expect(work).toThrow(BelfryError);
    expect(work).toThrow(`cloud event: ${name} `);
  });

  it.each(['', 'null', '[]', '"x"', '{', 'x'.repeat(1024 * 1024 + 1)])('refuses what is no event at all', (text) => {
    expect(() => parseStructured(text)).toThrow(BelfryError);
  });

  it('never fails otherwise, whatever it is given', () => {
    const seed = Number(fc.sample(fc.integer({ min: 1, max: 2 ** 31 - 1 }), 1)[0]);
    const text = encodeStructured(intentEvent(repair, 'f00'));
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 10 }), (at, cut, put) => {
        try {
          parseStructured(text.slice(0, at) + put + text.slice(at + cut));
          parseBinary({ headers: { 'content-type': 'application/json', 'ce-id': put }, body: text.slice(at) });
        } catch (error) {
          expect(error).toBeInstanceOf(BelfryError);
        }
      }),
      { seed, numRuns: 2000 },
    );
  });
});
