import { Readable } from 'node:stream';
import { compareLabels, compareNames, type Labels } from '../../core/labels.ts';
import { EXPOSITION_CONTENT_TYPE, expositionPieces, type WrittenFamily } from '../../formats/write-exposition.ts';
import type { QueryPort } from '../ports.ts';
import type { RouteContext } from '../server.ts';
import { whileAwaited } from './awaited.ts';
import { eachInTurns, sortedInTurns } from './in-turns.ts';
import { paced } from './lifecycle.ts';
import { parametersOf, reading } from './parameters.ts';
import { turnOf } from './turn-of.ts';

/** Prometheus's own look-back: what is older is over. */
const LOOKBACK = '5m';

interface Newest {
  readonly labels: Labels;
  readonly ts: number;
  readonly value: number;
}

/** `GET /federate?match[]=…`: the newest sample of each series, for another Prometheus to scrape (its federation). */
export function federateRoutes({ server, access, ports: { query } }: RouteContext): void {
  server.get('/federate', async (request, reply) => {
    access.require('read', request.headers);
    const selectors = parametersOf(request).getAll('match[]');
    for (const selector of selectors) reading(() => query.matchers(selector));
    const ts = query.now();
    const found = await whileAwaited(request, async (gone) => {
      const newest = new Map<string, Newest>();
      for (const selector of selectors) await addNewest(newest, query, selector, ts, gone);
      return sortedInTurns([...newest.values()], byName, () => turnOf(gone));
    });
    return reply.type(EXPOSITION_CONTENT_TYPE).send(Readable.from(paced(expositionPieces(familiesOf(found)))));
  });
}

/** Those that an instant query finds, by their labels' text; the time of its sample, which each has, only a range of samples tells. */
async function addNewest(newest: Map<string, Newest>, query: QueryPort, selector: string, ts: number, signal: AbortSignal): Promise<void> {
  const { result: alive } = await query.instantInSlices(selector, ts, { signal });
  // On a line of its own: the selector may end with a comment.
  const { result: samples } = await query.instantInSlices(`${selector}\n[${LOOKBACK}]`, ts, { signal });
  if (alive.type !== 'vector' || samples.type !== 'matrix') return;
  const turn = () => turnOf(signal);
  const present = new Set<string>();
  await eachInTurns(alive.samples, ({ labels }) => void present.add(labels.toString()), turn);
  const add = ({ labels, timestamps, values }: (typeof samples.series)[number]): void => {
    const [key, at, value] = [labels.toString(), timestamps.at(-1), values.at(-1)];
    if (at !== undefined && value !== undefined && present.has(key)) newest.set(key, { labels, ts: at, value });
  };
  await eachInTurns(samples.series, add, turn);
}

function byName(a: Newest, b: Newest): number {
  return compareNames(a.labels.metricName, b.labels.metricName) || compareLabels(a.labels, b.labels);
}

/** Samples of one name after the other. */
function* familiesOf(sorted: readonly Newest[]): Generator<WrittenFamily, void> {
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    const name = sorted[from]?.labels.metricName ?? '';
    while (sorted[to]?.labels.metricName === name) to++;
    const samples = sorted.slice(from, to).map(({ labels, ts, value }) => ({ labels: writtenLabels(labels), ts, value }));
    yield { name: legacyName(name), type: 'untyped', samples };
  }
}

/** With an `instance`, be it an empty one: the scraper must not take this server for it. Made when they are written, piece by piece. */
function* writtenLabels(labels: Labels): Generator<readonly [string, string], void> {
  for (const [name, value] of labels) yield [legacyName(name), value];
  if (!labels.has('instance')) yield ['instance', ''];
}

/** This format has letters, digits and underscores only; what it has not becomes an underscore (Prometheus 3, "underscores"). */
function legacyName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_:]/gu, '_').replace(/^(?=\d)/, '_');
}
