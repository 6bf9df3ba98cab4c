// An executor of one's own: reads intents from the topic, takes the lease of each, runs a command for it, acknowledges.
//   BELFRY_URL, BELFRY_TOKEN (scope executor), BELFRY_KEY_FILE (autopilot-key), KAFKA_BROKERS, INTENTS_TOPIC,
//   ACKS_TOPIC (without it acks go over HTTP)            node examples/intent-consumer.mjs COMMAND [ARGUMENT…]
import { execFile } from 'node:child_process';
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Kafka } from 'kafkajs';

const { BELFRY_URL, BELFRY_TOKEN, BELFRY_KEY_FILE, KAFKA_BROKERS, INTENTS_TOPIC = 'belfry.intents', ACKS_TOPIC } = process.env;
const [command, ...args] = process.argv.slice(2);
const sign = (...lines) => createHmac('sha256', readFileSync(BELFRY_KEY_FILE, 'utf8').trim()).update(lines.join('\n')).digest('hex');
const isSame = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
const kafka = new Kafka({ clientId: 'intent-consumer', brokers: KAFKA_BROKERS.split(',') });
const [consumer, producer] = [kafka.consumer({ groupId: 'intent-consumer' }), kafka.producer()];

async function ask(method, id, verb, body) {
  const headers = { authorization: `Bearer ${BELFRY_TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const url = `${BELFRY_URL}/api/belfry/v1/autopilot/intents/${encodeURIComponent(id)}/${verb}`.replace(/\/$/, '');
  const response = await fetch(url, { method, headers, body: JSON.stringify(body), redirect: 'error' });
  if (!response.ok) throw new Error(`${verb} ${id}: ${response.status} ${await response.text()}`);
  return await response.json();
}
const post = (id, verb, body) => ask('POST', id, verb, body);

/** A guard may hold for a moment, as while two brokers do not agree: no further event says that it let go, so ask again. */
async function leaseOf(id) {
  // A name of its own for each lease: an event that comes twice must not be acted on twice.
  const executor = `intent-consumer.${randomUUID()}`;
  for (;;) {
    try {
      return await post(id, 'lease', { executor });
    } catch (error) {
      const { state } = await ask('GET', id, '');
      if (state !== 'open') throw error;
      await setTimeout(3000);
    }
  }
}

/** The value is a CloudEvent, the intent its data. */
async function take({ value }) {
  const { intentId: id, cluster, target, action, expiresAt, state, signature } = JSON.parse(value).data;
  const signed = (until, token) => sign('belfry.intent.v1', id, cluster, target, action, until, token);
  if (state !== 'open') return;
  if (!isSame(signed(expiresAt, 0), String(signature))) throw new Error(`forged: ${id}`);
  const { intent, lease, signature: granted } = await leaseOf(id);
  const { fencingToken, ttlMs } = lease;
  if (!isSame(signed(intent.expiresAt, fencingToken), granted)) throw new Error(`forged lease: ${id}`);
  const ack = async (status, text) => {
    const body = { fencingToken, status, text, signature: sign('belfry.ack.v1', id, fencingToken, status) };
    if (ACKS_TOPIC === undefined) await post(id, 'ack', body);
    else await producer.send({ topic: ACKS_TOPIC, messages: [{ key: cluster, value: JSON.stringify({ intentId: id, ...body }) }] });
  };
  await ack('running', 'begun');
  const lost = new AbortController(); // Without the lease nothing goes on.
  const beat = setInterval(() => void post(id, 'heartbeat', { fencingToken }).catch((error) => lost.abort(error)), ttlMs / 3);
  const env = { ...process.env, BELFRY_ACTION: action, BELFRY_TARGET: target, BELFRY_FENCING_TOKEN: String(fencingToken) };
  const ended = promisify(execFile)(command, args, { env, signal: lost.signal }).finally(() => clearInterval(beat));
  await ended.then(
    ({ stdout }) => ack('succeeded', stdout.slice(-4096)),
    (error) => ack('failed', String(error)),
  );
}

await Promise.all([consumer.connect(), producer.connect()]);
await consumer.subscribe({ topic: INTENTS_TOPIC });
// What takes long is not waited for, or the consumer would lose its group.
await consumer.run({ eachMessage: async ({ message }) => void take(message).catch((error) => process.stderr.write(`${error.message}\n`)) });
