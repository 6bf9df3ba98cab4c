import { describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AcksConsumer } from '../../../src/autopilot/intents/acks-consumer.ts';
import { Delivery } from '../../../src/autopilot/intents/delivery.ts';
import { WebhookPublisher } from '../../../src/autopilot/intents/webhook-publisher.ts';
import type { IntentPublisher } from '../../../src/autopilot/ports.ts';
import type { Ack, Intent } from '../../../src/core/autopilot.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { BelfryError, errorText } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter, type LabelValues, type Meter } from '../../../src/core/meter.ts';
import { Secret } from '../../../src/core/secret.ts';
import { parseStructured } from '../../../src/formats/intent-event.ts';
import { signAck, verifyBody, verifyIntent } from '../../../src/formats/intent-signature.ts';
import { BookStand, HOLDS, PASSES } from './book-stand.ts';

const key = new Secret('the key');

/** Counts by name and outcome. */
class CountingMeter implements Meter {
  readonly counts: Record<string, number> = {};

  counter(name: string) {
    return {
      add: (by: number, labels: LabelValues = {}) => {
        const at = `${name}.${labels['outcome'] ?? ''}`;
        this.counts[at] = (this.counts[at] ?? 0) + by;
      },
    };
  }

  gauge(name: string) {
    return silentMeter.gauge(name, '');
  }

  histogram(name: string) {
    return silentMeter.histogram(name, '', []);
  }
}

class FakePublisher implements IntentPublisher {
  readonly name = 'fake';
  readonly cluster: string | undefined;
  readonly told: string[] = [];
  /** What the next attempts throw. */
  readonly failures: Error[] = [];
  hangs = false;

  constructor(cluster?: string) {
    this.cluster = cluster;
  }

  async publish(intent: Intent): Promise<void> {
    if (this.hangs) await new Promise(() => undefined);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    this.told.push(`${intent.broker ?? ''} ${intent.state}`);
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

function deliver(stand: BookStand, ...publishers: IntentPublisher[]) {
  const meter = new CountingMeter();
  const delivery = new Delivery({ book: stand.book, publishers: () => publishers, clock: stand.clock, log: silentLogger, meter });
  delivery.start();
  return { delivery, meter, publishers };
}

describe('the delivery of intents', () => {
  it('tells of an open intent and of all that becomes of it, each once and in order', async () => {
    const stand = new BookStand();
    const publisher = new FakePublisher();
    const { delivery } = deliver(stand, publisher);
    const { id } = stand.request();
    const { lease } = await stand.book.lease(id, 'hands');
    const token = lease?.fencingToken ?? 0;
    stand.book.heartbeat(id, token);
    for (const text of ['a', 'b', 'c']) stand.book.ack({ intentId: id, fencingToken: token, status: 'running', text });
    stand.book.revokeAll('halt');
    stand.book.settle(id, 'failed', 'still down');
    await stand.clock.advance(0);
    expect(publisher.told).toEqual(['2 open', '2 leased', '2 running', '2 unknown', '2 failed']);
    await delivery.stop();
  });

  it('does not tell of what no executor may ever take', async () => {
    const stand = new BookStand();
    const publisher = new FakePublisher();
    const { delivery } = deliver(stand, publisher);
    stand.made = [HOLDS];
    stand.book.cancel(stand.request().id, 'healed');
    stand.mode = 'approve';
    stand.book.reject(stand.request().id, 'ada', 'no');
    stand.mode = 'observe';
    stand.request();
    await stand.clock.advance(0);
    expect(publisher.told).toEqual([]);
    await delivery.stop();
  });

  it('tells again of all that is active after a start, and of the rest of it', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    await stand.clock.advance(1);
    stand.request({ broker: 3 });
    await stand.book.lease(id, 'hands');
    stand.restart();
    const publisher = new FakePublisher();
    const { delivery } = deliver(stand, publisher);
    stand.book.settle(id, 'succeeded', 'seen');
    await stand.clock.advance(0);
    expect(publisher.told).toEqual(['2 leased', '3 open', '2 succeeded']);
    await delivery.stop();
  });

  it('tries again with growing pauses, and holds back what came after', async () => {
    const stand = new BookStand();
    const publisher = new FakePublisher();
    const { delivery, meter } = deliver(stand, publisher);
    publisher.failures.push(...Array.from({ length: 3 }, () => new BelfryError('KAFKA_UNREACHABLE', 'down')));
    stand.book.cancel(stand.request().id, 'healed');
    await stand.clock.advance(0);
    await stand.clock.advance(1000 + 2000 + 3999);
    expect(publisher.told).toEqual([]);
    await stand.clock.advance(1);
    expect(publisher.told).toEqual(['2 open', '2 cancelled']);
    expect(meter.counts).toEqual({ 'belfry_autopilot_publish_total.failed': 3, 'belfry_autopilot_publish_total.ok': 2 });
    await delivery.stop();
  });

  it('gives up what is refused for good, and what is not taken in time is tried again', async () => {
    const stand = new BookStand();
    const publisher = new FakePublisher();
    const { delivery, meter } = deliver(stand, publisher);
    publisher.failures.push(new BelfryError('DELIVERY_REFUSED', '400'));
    stand.request();
    await stand.clock.advance(0);
    expect(meter.counts).toEqual({ 'belfry_autopilot_publish_total.refused': 1 });
    publisher.hangs = true;
    stand.request({ broker: 3 });
    await stand.clock.advance(60_000);
    publisher.hangs = false;
    await stand.clock.advance(1000);
    expect(publisher.told).toEqual(['3 open']);
    publisher.hangs = true;
    stand.request({ broker: 4 });
    await delivery.stop();
    expect(stand.clock.pendingTimers).toBe(0);
  });

  it('drops the oldest news where a thousand wait', async () => {
    const stand = new BookStand();
    const publisher = new FakePublisher();
    const { delivery, meter } = deliver(stand, publisher);
    publisher.failures.push(new Error('down'));
    for (let i = 0; i < 600; i++) stand.book.cancel(stand.request({ broker: i }).id, 'healed');
    await stand.clock.advance(0);
    expect(meter.counts['belfry_autopilot_publish_total.dropped']).toBe(200);
    await stand.clock.advance(1000);
    expect(publisher.told).toHaveLength(1000);
    expect(publisher.told[0]).toBe('100 open');
    await delivery.stop();
  });

  it('takes up new publishers at a reload and lets go of old ones', async () => {
    const stand = new BookStand();
    const [old, next] = [new FakePublisher(), new FakePublisher()];
    const { delivery, publishers } = deliver(stand, old);
    stand.request();
    await stand.clock.advance(0);
    publishers.splice(0, 1, next);
    delivery.refresh();
    stand.request({ broker: 3 });
    await stand.clock.advance(0);
    expect([old.told, next.told]).toEqual([['2 open'], ['2 open', '3 open']]);
    await delivery.stop();
  });

  it.each<[readonly IntentPublisher[], number]>([
    [[], 0],
    [[new FakePublisher('ops')], 1],
    [[new FakePublisher('ops'), new FakePublisher('ops')], 1],
    [[new FakePublisher('ops'), new FakePublisher()], 0],
    [[new FakePublisher()], 0],
  ])('warns where a cluster would carry its own intents alone', (publishers, warnings) => {
    const stand = new BookStand();
    const { delivery } = deliver(stand, ...publishers);
    expect(delivery.warnings(['orders-dal', 'ops'])).toHaveLength(warnings);
  });
});

describe('the webhook', () => {
  async function withServer(
    answer: (request: IncomingMessage, body: string) => { status: number; headers?: Record<string, string>; body?: string },
    work: (url: string) => Promise<void>,
  ): Promise<void> {
    const server: Server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { status, headers = {}, body = '' } = answer(request, Buffer.concat(chunks).toString('utf8'));
        if (status === 0) return;
        response.writeHead(status, headers).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await work(`http://user:hidden@127.0.0.1:${(server.address() as AddressInfo).port}/a-secret-path`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  const publisherOf = (url: string, clock = new ManualClock()): WebhookPublisher =>
    new WebhookPublisher({ url: new Secret(url), hmacSecret: new Secret('shared'), signingKey: key, clock });

  const failureOf = async (work: Promise<void>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('posts a signed event that says what is signed', async () => {
    const clock = new ManualClock();
    const intent = new BookStand().request();
    let got = { verdict: '', event: parseStructuredOrNone('') };
    await withServer(
      ({ headers }, body) => {
        const given = { timestamp: String(headers['x-belfry-timestamp']), signature: String(headers['x-belfry-signature']) };
        got = { verdict: verifyBody(new Secret('shared'), body, given, clock.wall()), event: parseStructuredOrNone(body) };
        return { status: 204 };
      },
      async (url) => {
        const publisher = publisherOf(url, clock);
        await publisher.publish(intent);
        await publisher.close();
      },
    );
    expect(got.verdict).toBe('genuine');
    const { data } = got.event ?? {};
    expect(data).toMatchObject({ intentId: intent.id, state: 'open' });
    expect(data !== undefined && verifyIntent(key, { ...data, id: data.intentId }, data.signature)).toBe(true);
  });

  it.each([
    [200, undefined],
    [301, 'DELIVERY_REFUSED'],
    [307, 'DELIVERY_REFUSED'],
    [400, 'DELIVERY_REFUSED'],
    [404, 'DELIVERY_REFUSED'],
    [408, 'DELIVERY_FAILED'],
    [429, 'DELIVERY_FAILED'],
    [500, 'DELIVERY_FAILED'],
    [503, 'DELIVERY_FAILED'],
  ])('answered %i is %s, without a secret in the reason', async (status, code) => {
    await withServer(
      () => ({ status, headers: { location: 'http://127.0.0.1:1/elsewhere' }, body: 'y'.repeat(200_000) }),
      async (url) => {
        const failure = await failureOf(publisherOf(url).publish(new BookStand().request()));
        expect((failure as BelfryError | undefined)?.code).toBe(code);
        expect(failure === undefined ? '' : errorText(failure)).not.toMatch(/hidden|a-secret-path/);
        expect(failure === undefined ? 0 : errorText(failure).length).toBeLessThan(400);
      },
    );
  });

  it('waits ten seconds, and no longer', async () => {
    const clock = new ManualClock();
    let arrived: () => void = () => undefined;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    await withServer(
      () => {
        arrived();
        return { status: 0 };
      },
      async (url) => {
        const failing = failureOf(publisherOf(url, clock).publish(new BookStand().request()));
        await arrival;
        await clock.advance(10_000);
        expect(errorText(await failing)).toContain('no whole answer within 10000 ms');
        expect(clock.pendingTimers).toBe(0);
      },
    );
  });

  it('does not post once it is closed, nor to what is no address', async () => {
    const publisher = publisherOf('http://127.0.0.1:1/');
    await publisher.close();
    expect(await failureOf(publisher.publish(new BookStand().request()))).toMatchObject({ code: 'DELIVERY_FAILED' });
    expect(() => publisherOf('ftp://127.0.0.1/')).toThrow('not an http or https address');
  });
});

function parseStructuredOrNone(text: string) {
  return text === '' ? undefined : parseStructured(text);
}

describe('the acks topic', () => {
  it.each<[string, (ack: Record<string, unknown>) => string, string]>([
    ['a genuine ack', (ack) => JSON.stringify(ack), 'ok'],
    ['one with more than is known', (ack) => JSON.stringify({ ...ack, more: 1 }), 'ok'],
    [
      'one with what a probe found',
      (ack) => signed({ intentId: String(ack['intentId']), fencingToken: 1, process: 'recovering', progress: 0.5 }),
      'ok',
    ],
    ['one with a finding put into it', (ack) => JSON.stringify({ ...ack, process: 'stopped' }), 'forged'],
    ['a forged one', (ack) => JSON.stringify({ ...ack, signature: '0'.repeat(64) }), 'forged'],
    ['one signed for another status', (ack) => JSON.stringify({ ...ack, status: 'failed' }), 'forged'],
    ['no JSON', () => '{', 'malformed'],
    ['no object', () => '[]', 'malformed'],
    ['no status', (ack) => JSON.stringify({ ...ack, status: 'fine' }), 'malformed'],
    ['a strange token', (ack) => JSON.stringify({ ...ack, fencingToken: '1' }), 'malformed'],
    ['a strange text', (ack) => JSON.stringify({ ...ack, text: 1 }), 'malformed'],
    ['a strange process', (ack) => JSON.stringify({ ...ack, process: 'fine' }), 'malformed'],
    ['a strange progress', (ack) => JSON.stringify({ ...ack, progress: 'much' }), 'malformed'],
    ['a huge one', (ack) => JSON.stringify({ ...ack, text: 'x'.repeat(65_536) }), 'malformed'],
    ['a tombstone', () => '', 'malformed'],
    ['an ack of nothing', () => signed({ intentId: 'nothing', fencingToken: 1 }), 'refused'],
    ['a stale one', (ack) => signed({ intentId: String(ack['intentId']), fencingToken: 99 }), 'refused'],
  ])('%s is counted, and never an error', async (_, write, outcome) => {
    const stand = new BookStand();
    stand.atLease = async () => [PASSES];
    const { id } = stand.request();
    await stand.book.lease(id, 'hands');
    const meter = new CountingMeter();
    const consumer = new AcksConsumer({
      messaging: { ensureTopic: () => Promise.resolve(false), consume: () => Promise.reject(new Error('not here')) },
      topic: 'acks',
      groupId: 'belfry',
      book: stand.book,
      signingKey: key,
      clock: stand.clock,
      log: silentLogger,
      meter,
    });
    const text = write(JSON.parse(signed({ intentId: id, fencingToken: 1 })) as Record<string, unknown>);
    await consumer.take({ partition: 0, offset: '0', key: undefined, value: text === '' ? undefined : Buffer.from(text) });
    expect(meter.counts).toEqual({ [`belfry_autopilot_acks_total.${outcome}`]: 1 });
    expect(stand.book.get(id)?.state).toBe(outcome === 'ok' ? 'running' : 'leased');
  });
});

function signed(of: Pick<Ack, 'intentId' | 'fencingToken' | 'process' | 'progress'>): string {
  const ack = { ...of, status: 'running', text: 'x' } as const;
  return JSON.stringify({ ...ack, signature: signAck(key, ack) });
}
