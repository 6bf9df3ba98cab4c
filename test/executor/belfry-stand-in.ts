import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Action, Ack } from '../../src/core/autopilot.ts';
import { targetOf } from '../../src/core/autopilot.ts';
import { Secret } from '../../src/core/secret.ts';
import { signIntent, verifyAck } from '../../src/formats/intent-signature.ts';
import { Arrivals } from '../../testbed/arrivals.ts';

export const SIGNING_KEY = 'a signing key of the tests';
export const TOKEN = 'a token of the tests';
const PREFIX = '/api/belfry/v1/autopilot';

export interface OfferOptions {
  readonly id?: string;
  readonly cluster?: string;
  readonly action?: Action;
  readonly broker?: number | undefined;
  readonly desiredBrokers?: number;
  readonly expiresAt?: number;
  /** Signed with this key instead. */
  readonly key?: string;
}

interface Offer {
  readonly id: string;
  readonly cluster: string;
  readonly action: Action;
  readonly broker: number | undefined;
  readonly desiredBrokers: number | undefined;
  readonly expiresAt: number;
  state: string;
  readonly key: string;
}

export interface TakenAck extends Ack {
  readonly genuine: boolean;
}

/** What of Belfry's API an executor sees, with the ways in which it may refuse. */
export class BelfryStandIn {
  readonly acks = new Arrivals<TakenAck>();
  readonly heartbeats = new Arrivals<number>();
  readonly leases = new Arrivals<string>();
  readonly polls = new Arrivals<string>();
  /** In whose name leases were asked for. */
  readonly holders: string[] = [];
  readonly dryRuns: { executor: string; ok: boolean; text: string }[] = [];
  ttlMs = 60_000;
  /** The next and all later heartbeats are refused with this sentence. */
  lost: string | undefined;
  /** Leases are refused with this sentence. */
  refusesLease: string | undefined;
  /** The lease is signed with this key instead. */
  leaseKey = SIGNING_KEY;
  /** Every connection is cut. */
  down = false;
  /** What the lease says instead of what was offered. */
  leasedAs: Partial<Offer> = {};
  nextToken = 1;
  /** So many leases are granted without an answer: whoever asks again is given the same. */
  lostAnswers = 0;
  readonly #offers: Offer[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(JSON.stringify({ error: String(error) })));
    });
  }

  static async start(): Promise<BelfryStandIn> {
    const standIn = new BelfryStandIn();
    await new Promise<void>((resolve) => standIn.#server.listen(0, '127.0.0.1', resolve));
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  offer(options: OfferOptions = {}): string {
    const { id = `01J0000000000000000000000${this.#offers.length}`, cluster = 'orders-dal', action = 'repair' } = options;
    const broker = 'broker' in options ? options.broker : action === 'scale_out' ? undefined : 2;
    const expiresAt = options.expiresAt ?? 4_000_000_000_000;
    const desiredBrokers = options.desiredBrokers;
    this.#offers.push({ id, cluster, action, broker, desiredBrokers, expiresAt, state: 'open', key: options.key ?? SIGNING_KEY });
    for (const wake of this.#waiting) wake();
    return id;
  }

  /** The last word about the intent, once it is there. */
  async lastWord(intentId: string, timeoutMs = 10_000): Promise<TakenAck> {
    return await this.acks.next((ack) => ack.intentId === intentId && ['succeeded', 'failed', 'rejected'].includes(ack.status), {
      timeoutMs,
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://belfry');
    const json = (status: number, body: unknown): void => void response.writeHead(status).end(JSON.stringify(body));
    if (this.down) return void request.socket.destroy();
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return json(401, { error: 'no such token' });
    if (url.pathname === PREFIX) return json(200, {});
    if (url.pathname === `${PREFIX}/intents`) return json(200, { intents: await this.#open(url, request) });
    const [, dryRun] = /\/executors\/([^/]+)\/dry-run$/.exec(url.pathname) ?? [];
    if (dryRun !== undefined) {
      let told = '';
      for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) told += chunk;
      this.dryRuns.push({ executor: dryRun, ...(JSON.parse(told) as { ok: boolean; text: string }) });
      return void response.writeHead(204).end();
    }
    const [, id = '', verb] = /\/intents\/([^/]+)\/(lease|heartbeat|ack)$/.exec(url.pathname) ?? [];
    const offer = this.#offers.find((one) => one.id === id);
    if (offer === undefined) return json(404, { error: `there is no intent ${id}` });
    let text = '';
    for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
    const body = JSON.parse(text) as Ack & { signature: string; executor: string };
    if (verb === 'lease') {
      this.holders.push(body.executor);
      if (this.lostAnswers-- > 0) {
        offer.state = 'leased';
        return void request.socket.destroy();
      }
      return this.#lease(offer, json);
    }
    if (verb === 'heartbeat') return this.#heartbeat(offer, body.fencingToken, json);
    const genuine = verifyAck(new Secret(SIGNING_KEY), { ...body, intentId: id }, body.signature);
    this.acks.add({ ...body, intentId: id, genuine });
    return json(200, this.#view(offer, body.fencingToken));
  }

  async #open(url: URL, request: IncomingMessage): Promise<readonly unknown[]> {
    this.polls.add(url.search);
    const open = (): readonly unknown[] => this.#offers.filter(({ state }) => state === 'open').map((offer) => this.#view(offer, 0));
    if (open().length > 0 || url.searchParams.get('wait') === '0s') return open();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      request.once('close', wake);
      request.socket.once('close', wake);
    });
    return open();
  }

  #lease(offer: Offer, json: (status: number, body: unknown) => void): void {
    this.leases.add(offer.id);
    if (this.refusesLease !== undefined) return json(409, { error: this.refusesLease });
    offer.state = 'leased';
    const fencingToken = this.nextToken++;
    const leased = { ...offer, ...this.leasedAs };
    const view = this.#view(leased, fencingToken);
    return json(200, { intent: view, lease: this.#leaseOf(fencingToken), signature: this.#sign(leased, fencingToken, this.leaseKey) });
  }

  #heartbeat(offer: Offer, fencingToken: number, json: (status: number, body: unknown) => void): void {
    this.heartbeats.add(fencingToken);
    if (this.lost !== undefined) return json(409, { error: this.lost });
    return json(200, { lease: this.#leaseOf(fencingToken), signature: this.#sign(offer, fencingToken, SIGNING_KEY) });
  }

  #leaseOf(fencingToken: number): unknown {
    return { fencingToken, executor: 'one', ttlMs: this.ttlMs, expiresAt: 0 };
  }

  #view(offer: Offer, fencingToken: number): unknown {
    const { key, ...shown } = offer;
    return { ...shown, reason: 'a test', target: targetOf(offer), signature: this.#sign(offer, fencingToken, key) };
  }

  #sign(offer: Offer, fencingToken: number, key: string): string {
    const { id, cluster, action, expiresAt } = offer;
    return signIntent(new Secret(key), { id, cluster, target: targetOf(offer), action, expiresAt, fencingToken });
  }
}
