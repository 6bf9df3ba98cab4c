// Reads intents from the topic, takes the lease of each, runs one command for it, and acknowledges.
//   BELFRY_URL, BELFRY_TOKEN (scope executor), BELFRY_KEY_FILE (autopilot-key), KAFKA_BROKERS, INTENTS_TOPIC
//   node examples/intent-consumer.mjs COMMAND [ARGUMENT…]
import { execFile } from 'node:child_process';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Kafka } from 'kafkajs';

const { BELFRY_URL, BELFRY_TOKEN, BELFRY_KEY_FILE, KAFKA_BROKERS, INTENTS_TOPIC = 'belfry.intents' } = process.env;
const [command, ...args] = process.argv.slice(2);
const hmac = (...lines) => createHmac('sha256', readFileSync(BELFRY_KEY_FILE, 'utf8').trim()).update(lines.join('\n')).digest('hex');
const isSame = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

async function post(id, verb, body) {
  const response = await fetch(`${BELFRY_URL}/api/belfry/v1/autopilot/intents/${encodeURIComponent(id)}/${verb}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${BELFRY_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${verb}: ${response.status} ${await response.text()}`);
  return await response.json();
}

/** The placeholder for what you do. It gets the intent in its environment and must be quick, or you renew the lease by `heartbeat`. */
async function act(intent, fencingToken) {
  const env = { ...process.env, BELFRY_ACTION: intent.action, BELFRY_TARGET: intent.target, BELFRY_FENCING_TOKEN: String(fencingToken) };
  return (await promisify(execFile)(command, args, { env })).stdout.slice(-4096);
}

async function take({ id, cluster, target, action, expiresAt, state, signature }) {
  if (state !== 'open') return;
  if (!isSame(hmac('belfry.intent.v1', id, cluster, target, action, expiresAt, 0), String(signature))) throw new Error(`forged: ${id}`);
  const { intent, lease, signature: granted } = await post(id, 'lease', { executor: 'intent-consumer' });
  const { fencingToken } = lease;
  if (!isSame(hmac('belfry.intent.v1', id, cluster, target, action, intent.expiresAt, fencingToken), granted))
    throw new Error(`forged lease: ${id}`);
  const ack = (status, text) => post(id, 'ack', { fencingToken, status, text, signature: hmac('belfry.ack.v1', id, fencingToken, status) });
  await ack('running', 'begun');
  await act(intent, fencingToken).then(
    (text) => ack('succeeded', text),
    (error) => ack('failed', String(error)),
  );
}

const consumer = new Kafka({ clientId: 'intent-consumer', brokers: KAFKA_BROKERS.split(',') }).consumer({ groupId: 'intent-consumer' });
await consumer.connect();
await consumer.subscribe({ topic: INTENTS_TOPIC });
await consumer.run({
  eachMessage: async ({ message }) => {
    const value = JSON.parse(String(message.value));
    // In structured mode the CloudEvent is the value and the intent its data; in binary mode the value is the intent.
    await take(value.data ?? value).catch((error) => void process.stderr.write(`${error.message}\n`));
  },
});
process.stdout.write(`reading ${INTENTS_TOPIC}\n`);
process.once('SIGTERM', () => void consumer.disconnect());
