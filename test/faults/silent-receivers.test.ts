import { afterEach, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import { SystemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { DeliveryOutcome, Notifier } from '../../src/core/notification.ts';
import { Secret } from '../../src/core/secret.ts';
import { EmailNotifier } from '../../src/notifiers/email/email-notifier.ts';
import { MailTransport } from '../../src/notifiers/email/mail-transport.ts';
import { DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { DEFAULT_TLS } from '../../src/notifiers/schema.ts';
import { WebhookNotifier } from '../../src/notifiers/webhook/webhook-notifier.ts';
import { attempt } from '../../src/outbox/attempt.ts';
import { HttpPeer } from '../notifiers/http-peer.ts';
import { MailPeer } from '../notifiers/mail-peer.ts';
import { notificationOf } from '../notifiers/sample-notifications.ts';
import { Way, type Passage } from '../notifiers/way.ts';

const clock = new SystemClock();
const TIMEOUT_MS = 200;

/**
 * What befalls the way to a receiver. `dark`: what stands and what is connected anew stays open, and nothing passes, as after a
 * firewall forgot the connection or the peer lost its power. `drip`: the answers come a byte at a time.
 */
class Fault {
  mode: 'open' | 'dark' | 'drip' = 'open';

  passage(): Passage {
    const born = this.mode;
    return {
      forth: (chunk, peer) => void (this.mode !== 'dark' && born !== 'dark' && peer.write(chunk)),
      back: (chunk, client) => this.#back(client, chunk),
      tellsEnd: () => this.mode === 'open',
    };
  }

  #back(client: Socket, chunk: Buffer): void {
    if (this.mode === 'open') client.write(chunk);
    if (this.mode !== 'drip') return;
    let at = 0;
    const timer = setInterval(() => {
      if (at < chunk.length && client.writable) client.write(chunk.subarray(at, ++at));
      else clearInterval(timer);
    }, 60);
  }
}

interface Rig {
  readonly fault: Fault;
  readonly notifier: Notifier;
  readonly arrived: () => number;
  readonly close: () => Promise<void>;
}

async function webhookRig(): Promise<Rig> {
  const peer = await HttpPeer.start();
  const fault = new Fault();
  const way = await Way.to(Number(new URL(peer.url).port), () => fault.passage());
  const options = {
    hmacSecret: undefined,
    bearerToken: undefined,
    basicAuth: undefined,
    maxAlerts: 1000,
    timeoutMs: 10_000,
    tls: DEFAULT_TLS,
  };
  const url = new Secret(`http://127.0.0.1:${way.port}/`);
  const notifier = new WebhookNotifier({ ...options, url }, { clock, externalUrl: undefined });
  return {
    fault,
    notifier,
    arrived: () => peer.requests.length,
    close: async () => {
      await way.close();
      await peer.close();
    },
  };
}

async function mailRig(): Promise<Rig> {
  const peer = await MailPeer.start();
  const fault = new Fault();
  const way = await Way.to(peer.port, () => fault.passage());
  const transport = new MailTransport({
    host: '127.0.0.1',
    port: way.port,
    secure: false,
    requireTls: false,
    from: 'Belfry <belfry@example.com>',
    username: undefined,
    password: undefined,
    tls: DEFAULT_TLS,
    minIntervalMs: 300_000,
  });
  const options = { transport, message: DEFAULT_MESSAGE_OPTIONS, clock, logger: silentLogger, timeoutMs: 60_000, password: undefined };
  return {
    fault,
    notifier: new EmailNotifier({ ...options, to: ['oncall@example.com'] }),
    arrived: () => peer.mails.length,
    close: async () => {
      transport.close();
      await way.close();
      await peer.close();
    },
  };
}

let rig: Rig | undefined;
afterEach(() => rig?.close());

/** One attempt as the outbox makes it, and how long it took. */
async function send(notifier: Notifier, timeoutMs = 5000): Promise<{ kind: DeliveryOutcome['kind']; tookMs: number }> {
  const startedAt = clock.elapsed();
  const notification = notificationOf({ seq: Math.round(startedAt * 1000) });
  const { kind } = await attempt(notifier, { notification, previous: {}, abort: new AbortController(), timeoutMs, clock });
  return { kind, tookMs: clock.elapsed() - startedAt };
}

describe.each([
  ['a webhook', webhookRig],
  ['a mail server', mailRig],
])('%s', (_, start) => {
  it.each(['dark', 'drip'] as const)(
    'that goes %s, its kept connection too: attempts end in time, and the first one afterwards arrives',
    async (mode) => {
      rig = await start();
      const { fault, notifier, arrived } = rig;
      expect((await send(notifier)).kind).toBe('delivered');
      fault.mode = mode;
      for (let i = 0; i < 4; i++) {
        const { kind, tookMs } = await send(notifier, TIMEOUT_MS);
        expect(kind).toBe('retry');
        // Before the time-outs of their own, which are 10 s and more.
        expect(tookMs).toBeLessThan(9000);
      }
      fault.mode = 'open';
      const before = arrived();
      expect((await send(notifier)).kind).toBe('delivered');
      expect(arrived()).toBeGreaterThan(before);
    },
  );
});

describe('a receiver whose name is not found', () => {
  it('is tried again later: nothing is given up for the sake of DNS', async () => {
    const options = {
      hmacSecret: undefined,
      bearerToken: undefined,
      basicAuth: undefined,
      maxAlerts: 1000,
      timeoutMs: 10_000,
      tls: DEFAULT_TLS,
    };
    const url = new Secret('http://no-such-host.invalid/hook');
    const notifier = new WebhookNotifier({ ...options, url }, { clock, externalUrl: undefined });
    const outcome = await notifier.notify(notificationOf(), {}, new AbortController().signal);
    expect(outcome).toMatchObject({ kind: 'retry', reason: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
  });
});
