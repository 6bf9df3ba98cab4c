import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { CloudEvent, HTTP } from 'cloudevents';
import { Kafka, logLevel, type Consumer } from 'kafkajs';
import { Arrivals } from '../../testbed/arrivals.ts';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { spawnGuarded, type GuardedProcess } from '../../testbed/guarded-process.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import { WebhookSink, type WebhookRequest } from '../../testbed/webhook-sink.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { Secret } from '../../src/core/secret.ts';
import { parseStructured, type IntentCloudEvent } from '../../src/formats/intent-event.ts';
import { REPLAY_WINDOW_MS, verifyBody, verifyIntent } from '../../src/formats/intent-signature.ts';
import { FAST, Pilot } from './autopilot-harness.ts';
import { mended, NO_KAFKA, now, until } from './harness.ts';

jest.setTimeout(240_000);

const CONSUMER = fileURLToPath(new URL('../../examples/intent-consumer.mjs', import.meta.url));
const TOPIC = 'test.intents';
const ACKS = 'test.acks';
const SECRET = 'webhook-secret';
const TIMEOUT_MS = 60_000;
/** What a broker is said to bear, bytes a second, and a load that is more than three should have. */
const BEARS = 100_000;
const LOAD = 3 * 0.7 * BEARS;

interface Message {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** A reader of the intents topic that has nothing to do with the example. */
class TopicReader implements AsyncDisposable {
  readonly messages = new Arrivals<Message>();
  readonly #consumer: Consumer;

  constructor(kafka: Cluster) {
    const client = new Kafka({ clientId: 'reader', brokers: kafka.bootstrap, logLevel: logLevel.NOTHING });
    this.#consumer = client.consumer({ groupId: `reader-${process.pid}` });
  }

  async start(): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    await this.#consumer.run({
      eachMessage: async ({ message: { key, value, headers = {} } }) => {
        const texts = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]));
        this.messages.add({ key: String(key), headers: texts, value: String(value) });
      },
    });
  }

  /** The first message of this state of an action, with its event. */
  async event(action: string, state: string): Promise<{ message: Message; event: IntentCloudEvent }> {
    const is = ({ value }: Message): boolean => {
      const { data } = parseStructured(value);
      return data.action === action && data.state === state;
    };
    const message = await this.messages.next(is, { timeoutMs: TIMEOUT_MS });
    return { message, event: parseStructured(message.value) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.disconnect();
  }
}

/** Where the consumer's command goes: does what is asked for to the cluster, and says so. */
class Hands implements AsyncDisposable {
  readonly asked = new Arrivals<{ action: string; target: string; fencingToken: string }>();
  readonly #server: Server;

  private constructor(cluster: Cluster) {
    this.#server = createServer((request, response) => {
      const [, action = '', target = '', fencingToken = ''] = (request.url ?? '').split('/').map(decodeURIComponent);
      this.asked.add({ action, target, fencingToken });
      const done = action === 'repair' ? restart(cluster, Number(target.split('/')[1])) : grow(cluster);
      done.then(
        (text) => response.end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
  }

  static async open(cluster: Cluster): Promise<Hands> {
    const hands = new Hands(cluster);
    await new Promise<void>((resolve) => hands.#server.listen(0, '127.0.0.1', resolve));
    return hands;
  }

  /** The command that the consumer runs for an intent. */
  get command(): readonly string[] {
    const { port } = this.#server.address() as AddressInfo;
    const script = `
      const { BELFRY_ACTION, BELFRY_TARGET, BELFRY_FENCING_TOKEN } = process.env;
      const path = [BELFRY_ACTION, BELFRY_TARGET, BELFRY_FENCING_TOKEN].map(encodeURIComponent).join('/');
      const response = await fetch('http://127.0.0.1:${port}/' + path, { method: 'POST' });
      if (!response.ok) throw new Error(await response.text());
      console.log(await response.text());`;
    return [process.execPath, '--input-type=module', '-e', script];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function restart(cluster: Cluster, broker: number): Promise<string> {
  await cluster.start(broker, { wait: false });
  return `started broker ${broker}`;
}

async function grow(cluster: Cluster): Promise<string> {
  return `added broker ${await cluster.addBroker()}`;
}

/** `examples/intent-consumer.mjs` in a process of its own, as its readers run it. */
class ExampleConsumer implements AsyncDisposable {
  readonly said = new Arrivals<string>();
  readonly #process: GuardedProcess;

  private constructor(pilot: Pilot, ops: Cluster, hands: Hands, acksTopic: string | undefined) {
    const { belfry } = pilot.stage;
    this.#process = spawnGuarded({
      command: process.execPath,
      args: [CONSUMER, ...hands.command],
      env: {
        BELFRY_URL: belfry.url,
        BELFRY_TOKEN: belfry.token,
        BELFRY_KEY_FILE: keyPath(pilot),
        KAFKA_BROKERS: ops.bootstrap.join(','),
        INTENTS_TOPIC: TOPIC,
        ...(acksTopic === undefined ? {} : { ACKS_TOPIC: acksTopic }),
        KAFKAJS_NO_PARTITIONER_WARNING: '1',
      },
      onOutput: (text) => this.said.add(text),
    });
  }

  /** Resolves when it has its partitions. */
  static async start(pilot: Pilot, ops: Cluster, hands: Hands, acksTopic?: string): Promise<ExampleConsumer> {
    const consumer = new ExampleConsumer(pilot, ops, hands, acksTopic);
    await consumer.said.next((text) => text.includes('joined the group'), { timeoutMs: TIMEOUT_MS });
    return consumer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#process.exited;
  }
}

function keyPath(pilot: Pilot): string {
  return join(pilot.stage.dataPath, 'autopilot-key');
}

function isGenuine(pilot: Pilot, { data }: IntentCloudEvent): boolean {
  const key = new Secret(readFileSync(keyPath(pilot), 'utf8').trim());
  return verifyIntent(key, { ...data, id: data.intentId }, data.signature);
}

/** What the SDK of CloudEvents makes of it; throws where it is none. */
function readBySdk(headers: Readonly<Record<string, unknown>>, body: string): CloudEvent {
  const event = HTTP.toEvent({ headers: headers as Record<string, string>, body });
  if (!(event instanceof CloudEvent)) throw new Error('the SDK reads no single event');
  event.validate();
  return event;
}

function bodySignature({ headers }: WebhookRequest): { timestamp: string; signature: string } {
  return { timestamp: String(headers['x-belfry-timestamp']), signature: String(headers['x-belfry-signature']) };
}

describeWithKafka('intents on their way out, and acks on theirs back', () => {
  let watched: Cluster;
  let ops: Cluster;
  let sink: WebhookSink;

  beforeAll(async () => {
    [watched, ops, sink] = await Promise.all([
      startCluster({ sessionTimeoutMs: 3000 }),
      startCluster({ brokers: 1, controllers: 'combined' }),
      WebhookSink.start(),
    ]);
    await watched.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await watched.produce('orders', 100);
  });

  beforeEach(async () => {
    await mended(watched);
    sink.requests.clear();
  });

  afterAll(async () => {
    await Promise.all([watched[Symbol.asyncDispose](), ops[Symbol.asyncDispose](), sink[Symbol.asyncDispose]()]);
  });

  function publish(): Readonly<Record<string, unknown>> {
    return {
      kafka: { brokers: ops.bootstrap, topic: TOPIC, acks_topic: ACKS },
      webhook: { url: `${sink.url}intents`, secret: SECRET },
    };
  }

  it('a repair: a signed CloudEvent on a topic of another cluster and at a webhook; a plain consumer repairs, acks over HTTP', async () => {
    await using pilot = await Pilot.start(watched, { executor: false, autopilot: { publish: publish() } });
    await using hands = await Hands.open(watched);
    await using reader = new TopicReader(ops);
    await ops.waitUntil(({ topics }) => topics.has(ACKS));
    await ops.createTopic(TOPIC, { partitions: 1, replicas: 1 });
    await reader.start();
    await using _consumer = await ExampleConsumer.start(pilot, ops, hands);
    await watched.kill(2);

    const { message, event } = await reader.event('repair', 'open');
    expect(message.key).toBe('orders-dal');
    expect(event).toMatchObject({ type: 'belfry.intent.repair.v1', subject: 'broker/2', partitionkey: 'orders-dal' });
    expect(isGenuine(pilot, event)).toBe(true);
    expect(readBySdk(message.headers, message.value)).toMatchObject({
      id: event.id,
      source: '/belfry/clusters/orders-dal',
      data: event.data,
    });

    const request = await sink.next(({ json }) => (json as IntentCloudEvent).id === event.id, { timeoutMs: TIMEOUT_MS });
    expect(request.path).toBe('/intents');
    const signed = bodySignature(request);
    expect(verifyBody(new Secret(SECRET), request.body, signed, now())).toBe('genuine');
    expect(verifyBody(new Secret(SECRET), `${request.body} `, signed, now())).toBe('signature');
    expect(verifyBody(new Secret(SECRET), request.body, signed, now() + REPLAY_WINDOW_MS + 2000)).toBe('replay');
    expect(readBySdk(request.headers, request.body).data).toEqual(event.data);

    const done = await pilot.untilIntent(({ id, state }) => id === event.data.intentId && state === 'succeeded');
    await pilot.untilState(2, 'healthy');
    expect(hands.asked.all).toEqual([{ action: 'repair', target: 'broker/2', fencingToken: expect.stringMatching(/^\d+$/) }]);
    expect(await acksOf(pilot, done.id)).toContain('succeeded');
    const ended = await reader.event('repair', 'succeeded');
    expect(ended.event.data.intentId).toBe(done.id);
  });

  it('a scale event: a plain consumer takes the lease, adds a broker, and acknowledges on the acks topic', async () => {
    await using pilot = await Pilot.start(watched, {
      executor: false,
      rules: shippedRules({
        only: ['ClusterOverUtilised'],
        for: { ClusterOverUtilised: '2s' },
        keepFiringFor: { ClusterOverUtilised: '1s' },
        windows: { ClusterOverUtilised: { '[5m]': '[10s]' } },
      }),
      autopilot: {
        publish: publish(),
        scale: { min: 3, max: 4, stabilise_out: '3s', cooldown_out: '2s', warmup: '5s', settle: '60s', bytes_per_second_per_broker: BEARS },
      },
      // The disks are those of this machine, however full.
      cluster: { thresholds: { broker_disk_used_ratio: 1 } },
    });
    await using hands = await Hands.open(watched);
    await using _consumer = await ExampleConsumer.start(pilot, ops, hands, ACKS);
    await using _load = watched.load({ topic: 'orders', bytesPerSecond: LOAD });

    const asked = await hands.asked.next(() => true, { timeoutMs: TIMEOUT_MS });
    expect(asked).toMatchObject({ action: 'scale_out', target: 'brokers=4' });
    const acked = await pilot.untilIntent(({ action, lastWord }) => action === 'scale_out' && lastWord.startsWith('succeeded'));
    expect(acked.lastWord).toContain('added broker 4');
    expect(await acksOf(pilot, acked.id)).toEqual(expect.arrayContaining(['running', 'succeeded']));
    // The ack is not believed: the new broker leads nothing yet.
    expect((await pilot.get<{ state: string }>(`/intents/${acked.id}`)).state).toBe('running');
    await until(async () => {
      const { desired, current } = await pilot.get<{ desired: number; current: number }>('/clusters/orders-dal/desired');
      return desired === 4 && current === 4;
    }, 'four brokers are wanted and seen');
  });
});

/** What executors said of an intent, oldest first. */
async function acksOf(pilot: Pilot, id: string): Promise<readonly string[]> {
  const said = (await pilot.journal()).filter(({ kind, intentId }) => kind === 'ack' && intentId === id);
  return said.map(({ text }) => /running|succeeded|failed|rejected/.exec(text)?.[0] ?? text);
}

describeWithKafka('the number of brokers that is wanted, as KEDA and operators read it', () => {
  it('is a number at the top level', async () => {
    await using cluster = await startCluster({ brokers: 1, controllers: 'combined' });
    await using pilot = await Pilot.start(cluster, { executor: false });
    const answer = await pilot.get<Record<string, unknown>>('/clusters/orders-dal/desired');
    expect(answer).toMatchObject({ cluster: 'orders-dal', desired: 1, current: 1, state: 'steady' });
  });

  it('is 503 while it is not known, and 404 for a cluster that there is not', async () => {
    await using stage = await Stage.start({ clusters: [NO_KAFKA], config: { autopilot: FAST } });
    const status = async (name: string): Promise<number> =>
      (await stage.belfry.request('GET', `/api/belfry/v1/autopilot/clusters/${name}/desired`)).status;
    expect(await status(NO_KAFKA.name)).toBe(503);
    expect(await status('nobody')).toBe(404);
  });
});
