import { expect, it, jest } from '@jest/globals';
import { FixtureExporter } from '../../testbed/fixture-exporter.ts';
import { Stage } from '../../testbed/stage.ts';
import { Receiver } from '../remotewrite/harness.ts';
import { NO_KAFKA } from './harness.ts';

jest.setTimeout(300_000);

/** What was sent that long before a kill -9 may be sent once more, however long it had waited until then. */
const AGAIN_MS = 5000;
const QUICK = { batch_send_deadline: '100ms', min_backoff: '30ms', max_backoff: '100ms', max_samples_per_send: 100 };

it('killed while it sends: nothing that it kept is lost, in order, at most what was sent in the last five seconds twice', async () => {
  let n = 0;
  await using exporter = await FixtureExporter.start(() => `fixture_n ${n++}\n`);
  await using receiver = await Receiver.listen();
  await using stage = await Stage.start({
    clusters: [{ ...NO_KAFKA, exporters: [{ job: 'fixture', targets: [exporter.target], interval: '1s' }] }],
    rules: JSON.stringify({ groups: [] }),
    config: { remote_write: [{ name: 'there', url: receiver.url, queue_config: QUICK }] },
  });
  /** `value@ts` of the one series, in the order in which it came. */
  const kept = (): readonly string[] => [...receiver.kept].find(([name]) => name.startsWith('fixture_n{'))?.[1] ?? [];
  const values = (): readonly number[] => kept().map((sample) => Number.parseFloat(sample));

  const flushes = async (): Promise<number> => {
    const page = await (await stage.belfry.request('GET', '/metrics')).text();
    return Number(/^belfry_store_flush_seconds_count (\d+)/m.exec(page)?.[1] ?? 0);
  };
  await receiver.until(() => values().length >= 1);
  // Away until the store has written down what the destination does not have yet; then there for a part of it.
  receiver.answer = () => ({ status: 503 });
  const sentBefore = Math.max(...kept().map(timeOf));
  const flushesBefore = await flushes();
  while ((await flushes()) === flushesBefore) await new Promise((resolve) => setTimeout(resolve, 50));
  let taken = 0;
  receiver.answer = () => (++taken <= 10 ? undefined : { status: 503 });
  await receiver.until(() => taken > 10);
  await stage.belfry.kill9();
  const killedAt = n;
  receiver.answer = () => undefined;
  await stage.startAgain();
  await receiver.until(() => values().some((value) => value >= killedAt));

  const response = await stage.belfry.request('POST', '/api/v1/query', { form: { query: 'fixture_n[1m]' } });
  const [series] = ((await response.json()) as { data: { result: { values: [number, string][] }[] } }).data.result;
  const stored = (series?.values ?? []).map(([seconds, text]) => `${text}@${Math.round(seconds * 1000)}`);
  const arrived = kept();
  const newest = Math.max(...arrived.map(timeOf));
  expect(stored.length).toBeGreaterThanOrEqual(3);
  expect(stored.filter((sample) => timeOf(sample) <= newest && !arrived.includes(sample))).toEqual([]);
  for (const [i, sample] of arrived.entries()) {
    const before = Math.max(0, ...arrived.slice(0, i).map(timeOf));
    if (timeOf(sample) > before) continue;
    expect(arrived.slice(0, i)).toContain(sample);
    expect(timeOf(sample)).toBeGreaterThanOrEqual(sentBefore - AGAIN_MS);
  }
});

function timeOf(sample: string): number {
  return Number(sample.slice(sample.indexOf('@') + 1));
}
