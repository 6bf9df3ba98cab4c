import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../src/core/clock.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { silentLogger, type Logger } from '../../src/core/log.ts';
import { BelfryApi } from '../../src/executor/belfry-api.ts';
import { Executor } from '../../src/executor/executor.ts';
import { JsonClient } from '../../src/executor/json-client.ts';
import { planCluster, type KafkaActs } from '../../src/executor/plan.ts';
import { executorFileSchema } from '../../src/executor/schema.ts';
import { StopFile } from '../../src/executor/stop-file.ts';
import { Arrivals } from '../../testbed/arrivals.ts';
import { BelfryStandIn, SIGNING_KEY, TOKEN } from './belfry-stand-in.ts';

const clock = new SystemClock();
let folder: string;
let belfry: BelfryStandIn;
let executor: Executor | undefined;
let log: Arrivals<{ event: string; text: string }>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-executor-'));
  belfry = await BelfryStandIn.start();
  log = new Arrivals();
});

afterEach(async () => {
  belfry.down = false;
  await executor?.stop();
  executor = undefined;
  await belfry.close();
  rmSync(folder, { recursive: true, force: true });
});

function logger(): Logger {
  const add = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => log.add({ event, text: JSON.stringify(fields) });
  return { ...silentLogger, info: add, warn: add, error: add, child: () => logger() };
}

/** A program of the tests: lines of JavaScript. */
function script(body: string): readonly string[] {
  return ['node', '-e', `const fs = require('node:fs');\n${body}`];
}

/** Writes a line into `done`: what the test may look at. */
function act(what: string, more = ''): readonly string[] {
  return script(`fs.appendFileSync('done', ${JSON.stringify(`${what}\n`)});${more}`);
}

/** The content of the file `probe` is what it ends with and prints: `1`, or `3 42`. */
const probe = script(
  `const [code, text = ''] = fs.readFileSync('probe', 'utf8').split(' '); console.log(text); process.exit(Number(code));`,
);

function showProcess(what: string): void {
  writeFileSync(join(folder, 'probe'), what);
}

function done(): readonly string[] {
  const path = join(folder, 'done');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

async function start(cluster: object, more: { kafka?: Partial<KafkaActs>; stopWithinMs?: number } = {}): Promise<void> {
  const file = executorFileSchema.parse({
    name: 'one',
    belfry: { url: belfry.url, token: TOKEN, signing_key: SIGNING_KEY, timeout: '2s' },
    clusters: { 'orders-dal': { hosts: { 2: 'kafka2' }, probing: { every: '20ms', stalled_after: '300ms' }, ...cluster } },
  });
  const acts: KafkaActs = {
    rebalance: () => Promise.resolve(),
    unregister: () => Promise.resolve(),
    look: () => Promise.resolve(),
    ...more.kafka,
  };
  const lookup = (name: string): string | undefined => process.env[name];
  const surroundings = { folder, lookup, clock, passEnv: [], openKafka: () => acts };
  const client = new JsonClient({ baseUrl: belfry.url, clock, authorization: () => `Bearer ${TOKEN}` });
  executor = new Executor({
    api: new BelfryApi({ client, signingKey: () => SIGNING_KEY, executor: file.name, instance: 'abcd', timeoutMs: file.belfry.timeout }),
    plans: Object.entries(file.clusters).map(([name, one]) => planCluster(name, one, surroundings)),
    stopFile: new StopFile(join(folder, 'executor.stop')),
    pollMs: 20_000,
    stopWithinMs: more.stopWithinMs ?? 5000,
    clock,
    log: logger(),
  });
  executor.run().catch((error: unknown) => log.add({ event: 'ended', text: String(error) }));
  await belfry.polls.next();
}

describe('an executor', () => {
  it('probes, acts and acknowledges what Belfry has leased', async () => {
    showProcess('1');
    await start({ probe, repair: [{ command: act('repair', `console.log('started'); fs.writeFileSync('probe', '0')`) }] });
    const id = belfry.offer();
    const word = await belfry.lastWord(id);
    expect(word).toMatchObject({ status: 'succeeded', process: 'running', fencingToken: 1, genuine: true });
    expect(done()).toEqual(['repair']);
    expect(belfry.acks.all.map(({ status }) => status)).toEqual(expect.arrayContaining(['accepted', 'running', 'succeeded']));
    expect(belfry.acks.all.every(({ genuine }) => genuine)).toBe(true);
  });

  it('leaves a process that recovers alone, for as long as it advances', async () => {
    showProcess('3 1');
    await start({
      probe,
      probing: { every: '20ms', stalled_after: '10s' },
      repair: [{ command: act('repair', `fs.writeFileSync('probe', '0')`) }],
    });
    const id = belfry.offer();
    const ack = await belfry.acks.next(({ process: seen }) => seen === 'recovering');
    expect(ack).toMatchObject({ status: 'running', progress: 1 });
    for (const progress of [2, 3]) {
      showProcess(`3 ${progress}`);
      await belfry.acks.next((one) => one.progress === progress);
    }
    expect(done()).toEqual([]);
    showProcess('1');
    await belfry.lastWord(id);
    expect(done()).toEqual(['repair']);
  });

  it.each([
    ['a recovery that stands still', '3 7', 'failed', 'its recovery has stood still'],
    ['a process that runs and does not come back', '0', 'failed', 'it has not come back'],
    ['a process that cannot be looked at', '9', 'failed', 'nothing was started'],
  ])('never restarts %s', async (_, process, status, text) => {
    showProcess(process);
    await start({ probe, repair: [{ command: act('repair') }] });
    const word = await belfry.lastWord(belfry.offer());
    expect(word.status).toBe(status);
    expect(word.text).toContain(text);
    expect(done()).toEqual([]);
  });

  it('restarts a process that hangs only where that was asked for', async () => {
    showProcess('0');
    await start({ probe, probing: { every: '20ms', hung_after: '100ms' }, repair: [{ command: act('repair') }] });
    expect((await belfry.lastWord(belfry.offer())).status).toBe('succeeded');
    expect(done()).toEqual(['repair']);
  });

  it('fails when what it started ends again', async () => {
    showProcess('1');
    await start({ probe, probing: { every: '20ms', stalled_after: '30s' }, repair: [{ command: act('repair') }] });
    const word = await belfry.lastWord(belfry.offer());
    // Whoever was told of a recovery before must not go on to wait for it.
    expect(word).toMatchObject({ status: 'failed', process: 'stopped' });
    expect(word.text).toContain('has ended again');
  });

  it.each([
    ['0', 'a broker that lives is not replaced'],
    ['3 5', 'a broker that lives is not replaced'],
  ])('does not replace a broker whose process shows %s', async (process, text) => {
    showProcess(process);
    await start({ probe, replace: [{ command: act('replace') }] });
    const word = await belfry.lastWord(belfry.offer({ action: 'replace' }));
    expect(word.status).toBe('rejected');
    expect(word.text).toContain(text);
    expect(done()).toEqual([]);
  });

  it('replaces a broker whose machine does not answer, and gives the new one its partitions', async () => {
    showProcess('255');
    const requests: unknown[] = [];
    const kafka: Partial<KafkaActs> = {
      rebalance: (request, report) => {
        requests.push(request);
        report({ doneMoves: 3, totalMoves: 3, text: '3 of 3 moves' });
        return Promise.resolve();
      },
      unregister: (broker) => {
        requests.push(`unregister ${broker}`);
        return Promise.resolve();
      },
    };
    const replace = [{ command: act('replace', `console.log('ready\\nbroker=4')`) }, { rebalance: 'kafka' }, { unregister: true }];
    await start({ probe, brokers: ['127.0.0.1:1'], replace }, { kafka });
    expect((await belfry.lastWord(belfry.offer({ action: 'replace' }))).status).toBe('succeeded');
    expect(requests).toEqual([{ kind: 'replace', from: 2, to: 4 }, 'unregister 2']);
  });

  it('asks Belfry before every step, and begins none after the lease is lost', async () => {
    await start({ scale_in: [{ command: act('first') }, { command: act('second') }] });
    const wait = belfry.heartbeats.next().then(() => (belfry.lost = 'the auto-pilot was halted by anna'));
    await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    await wait;
    expect(done()).toEqual(['first']);
    expect(await belfry.lastWord('01J00000000000000000000000')).toMatchObject({ status: 'failed' });
    expect(belfry.acks.all.at(-1)?.text).toContain('the auto-pilot was halted by anna');
  });

  it('does not kill a command that runs when the lease is lost', async () => {
    belfry.ttlMs = 150;
    await start({
      scale_in: [{ command: act('begun', `setTimeout(() => fs.appendFileSync('done', 'ended\\n'), 400)`) }, { command: act('second') }],
    });
    const id = belfry.offer({ action: 'scale_in' });
    await belfry.acks.next(({ text }) => text.startsWith('step 1'));
    belfry.lost = 'leased by another';
    const word = await belfry.lastWord(id);
    expect(word.text).toContain('leased by another');
    expect(done()).toEqual(['begun', 'ended']);
  });

  it('begins no step when Belfry cannot be reached any more', async () => {
    belfry.ttlMs = 200;
    await start({ scale_in: [{ command: act('first', `setTimeout(() => undefined, 300)`) }, { command: act('second') }] });
    belfry.offer({ action: 'scale_in' });
    await belfry.acks.next(({ text }) => text.startsWith('step 1'));
    belfry.down = true;
    const { text } = await log.next(({ event }) => event === 'intent_not_done');
    expect(text).toContain('could not be reached');
    expect(done()).toEqual(['first']);
  });

  it('begins nothing while its stop file is there, and goes on once it is gone', async () => {
    await start({ scale_in: [{ command: act('first', `fs.writeFileSync('executor.stop', '')`) }, { command: act('second') }] });
    const word = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(word).toMatchObject({ status: 'failed' });
    expect(word.text).toContain('executor.stop is there');
    expect(done()).toEqual(['first']);
    await log.next(({ event }) => event === 'stop_file_found');
    belfry.offer({ action: 'scale_in' });
    expect(belfry.leases.count).toBe(1);
  });
});

describe('what moves partitions', () => {
  const behind = (): BelfryError => new BelfryError('CONFLICT', 'orders-0 is under-replicated');

  it('refuses, and nothing has failed, where the cluster forbids it before the first move', async () => {
    await start({ brokers: ['127.0.0.1:1'], scale_in: [{ rebalance: 'kafka' }] }, { kafka: { rebalance: () => Promise.reject(behind()) } });
    const word = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(word).toMatchObject({ status: 'rejected' });
    expect(word.text).toContain('nothing was begun');
    expect(word.text).toContain('orders-0 is under-replicated');
  });

  it('has failed where that happens later', async () => {
    const rebalance: KafkaActs['rebalance'] = (_, report) => {
      report({ doneMoves: 1, totalMoves: 2, text: '1 of 2 moves done' });
      return Promise.reject(behind());
    };
    await start({ brokers: ['127.0.0.1:1'], scale_in: [{ rebalance: 'kafka' }] }, { kafka: { rebalance } });
    expect(await belfry.lastWord(belfry.offer({ action: 'scale_in' }))).toMatchObject({ status: 'failed' });
  });

  it('asks Belfry before each thing that it begins', async () => {
    const begun: number[] = [];
    const rebalance: KafkaActs['rebalance'] = async (_, __, ___, confirm) => {
      for (let batch = 1; batch <= 3; batch++) {
        if (batch === 3) belfry.lost = 'halted by anna';
        await confirm?.();
        begun.push(batch);
      }
    };
    await start({ brokers: ['127.0.0.1:1'], scale_in: [{ rebalance: 'kafka' }] }, { kafka: { rebalance } });
    const word = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(word.text).toContain('halted by anna');
    expect(begun).toEqual([1, 2]);
  });
});

describe('an executor believes nobody', () => {
  it.each([
    ['an intent that is signed with another key', () => belfry.offer({ key: 'forged' }), 'intent_not_believed'],
    ['an intent that expired long ago', () => belfry.offer({ expiresAt: 1000 }), 'intent_not_believed'],
    ['a repair that names no broker', () => belfry.offer({ broker: undefined }), 'intent_not_believed'],
    [
      'a lease that is signed with another key',
      () => {
        belfry.leaseKey = 'forged';
        belfry.offer();
      },
      'lease_refused',
    ],
    [
      'a lease for another broker',
      () => {
        belfry.leasedAs = { broker: 3 };
        belfry.offer();
      },
      'lease_refused',
    ],
    [
      'a lease that a guard refuses',
      () => {
        belfry.refusesLease = 'last_copy: broker 2 holds the last copy of payments-3';
        belfry.offer();
      },
      'lease_refused',
    ],
  ])('%s', async (_, offer, event) => {
    showProcess('1');
    await start({ probe, repair: [{ command: act('repair') }] });
    offer();
    await log.next((line) => line.event === event);
    expect(done()).toEqual([]);
    expect(belfry.acks.count).toBe(0);
  });

  it('asks for the lease in the name of its own process: one of the same name is another', async () => {
    await start({ scale_in: [{ command: act('first') }] });
    await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(belfry.holders).toEqual(['one.abcd']);
  });

  it('asks again where the answer to its question for the lease was lost: it may hold it, and nobody else then acts', async () => {
    belfry.lostAnswers = 1;
    await start({ scale_in: [{ command: act('first') }] });
    const word = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(word).toMatchObject({ status: 'succeeded', fencingToken: 1 });
    expect(belfry.holders).toEqual(['one.abcd', 'one.abcd']);
    expect(done()).toEqual(['first']);
  });

  it('leaves the actions it has no steps for to others', async () => {
    await start({ scale_in: [{ command: act('scale_in') }] });
    belfry.offer({ action: 'scale_out', desiredBrokers: 4 });
    await belfry.polls.next(() => true, { since: 1 });
    expect(belfry.leases.count).toBe(0);
  });
});

describe('a command', () => {
  it('is ended with all it started when its time is over', async () => {
    const stubborn = act('first', `process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1000)`);
    await start({ scale_in: [{ command: stubborn, timeout: '500ms' }] });
    const word = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(word).toMatchObject({ status: 'failed' });
    expect(word.text).toContain('not done within 500ms');
  });

  it('may say much: the end of it is acknowledged, 4,096 characters at most', async () => {
    const loud = script(`for (let i = 0; i < 5000; i++) console.log('\u001b[31mline\u001b[0m ' + i); process.exitCode = 2;`);
    await start({ scale_in: [{ command: loud }] });
    const { text, status } = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(status).toBe('failed');
    expect(text.length).toBeLessThanOrEqual(4096);
    expect(text).toMatch(/line 4999$/);
  });

  it('sees nothing of the environment but what is passed on, and the fencing token', async () => {
    await start({ scale_in: [{ command: script(`console.log(Object.keys(process.env).sort().join(' ')); process.exitCode = 1`) }] });
    const { text } = await belfry.lastWord(belfry.offer({ action: 'scale_in' }));
    expect(text).toContain('BELFRY_ACTION BELFRY_BROKER BELFRY_CLUSTER BELFRY_FENCING_TOKEN BELFRY_INTENT');
    expect(text).not.toMatch(/NODE_|JEST|npm_/);
  });
});

describe('a stop', () => {
  it('ends at once where nothing runs', async () => {
    await start({ scale_in: [{ command: act('scale_in') }] });
    await executor?.stop();
    expect(log.all.filter(({ event }) => event === 'belfry_not_reached')).toEqual([]);
  });

  it('lets the step that runs finish and begins no other', async () => {
    await start({
      scale_in: [{ command: act('first', `setTimeout(() => fs.appendFileSync('done', 'ended\\n'), 200)`) }, { command: act('second') }],
    });
    const id = belfry.offer({ action: 'scale_in' });
    await belfry.acks.next(({ text }) => text.startsWith('step 1'));
    await executor?.stop();
    expect(await belfry.lastWord(id)).toMatchObject({ status: 'failed' });
    expect(belfry.acks.all.at(-1)?.text).toContain('the executor was told to stop');
    expect(done()).toEqual(['first', 'ended']);
  });

  it('abandons a step that takes too long, with all that it started, and says so', async () => {
    const stubborn = act('first', `require('node:child_process').spawn('sleep', ['60']); setInterval(() => undefined, 1000)`);
    await start({ scale_in: [{ command: stubborn }] }, { stopWithinMs: 50 });
    const id = belfry.offer({ action: 'scale_in' });
    await belfry.acks.next(({ text }) => text.startsWith('command node'));
    await executor?.stop();
    const word = await belfry.lastWord(id);
    expect(word).toMatchObject({ status: 'failed' });
    expect(word.text).toContain('abandoned, its outcome is not known');
  });
});
