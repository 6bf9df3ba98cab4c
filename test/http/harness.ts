import { join } from 'node:path';
import { createQueryPort } from '../../src/app/query-port.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { compareNames, Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { matchesAll } from '../../src/core/matcher.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { BelfryError } from '../../src/core/errors.ts';
import type { MutedAlert, Silence } from '../../src/core/silence.ts';
import type { AlertView, HttpPorts, RuleGroupView, RuleView, StatusView } from '../../src/http/ports.ts';
import type { AlertStatusView, SilencesPort } from '../../src/http/quiet-ports.ts';
import type { ReplayPort } from '../../src/http/replay-ports.ts';
import type { SeriesFilter, SeriesPort, TargetMetadata, TargetView } from '../../src/http/prometheus-ports.ts';
import { buildServer, type HttpServerOptions } from '../../src/http/server.ts';
import { MemoryQuerier } from '../promql/memory-querier.ts';

export const TOKEN = 'a-token-that-is-long-enough-for-anyone';
export const NOW = 1_700_000_000_000;
export const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` };

/** What the fake rooms were asked to do, and what they answer. */
export interface FakeRooms {
  readonly querier: MemoryQuerier;
  readonly calls: string[];
  notReady: readonly string[];
  reloadProblems: readonly string[];
  groups: readonly RuleGroupView[];
  targets: readonly TargetView[];
  scraped: readonly TargetMetadata[];
  alerts: readonly AlertStatusView[];
  mutedHistory: readonly MutedAlert[];
  clusters: StatusView['clusters'];
}

/** A server whose rooms are fakes, but for PromQL, which is the real one over series in memory. */
export function serverWith(options: { listen?: string; externalUrl?: string; ports?: Partial<HttpPorts> } = {}) {
  const clock = new ManualClock(NOW);
  const rooms: FakeRooms = {
    querier: new MemoryQuerier(),
    calls: [],
    notReady: [],
    reloadProblems: [],
    groups: [],
    targets: [],
    scraped: [],
    mutedHistory: [],
    clusters: [],
    alerts: [],
  };
  const serverOptions: HttpServerOptions = {
    listen: { host: options.listen ?? '127.0.0.1', port: 0 },
    externalUrl: options.externalUrl,
    tls: undefined,
    token: TOKEN,
    ports: { ...portsOf(rooms, clock), ...options.ports },
    runbookFolder: join(import.meta.dirname, 'runbooks'),
    clock,
    log: silentLogger,
    meter: silentMeter,
  };
  return { server: buildServer(serverOptions), rooms, clock, serverOptions };
}

function portsOf(rooms: FakeRooms, clock: ManualClock): HttpPorts {
  return {
    health: { notReady: () => rooms.notReady },
    metrics: {
      own: async () => ({ text: '# TYPE belfry_up gauge\nbelfry_up 1\n', contentType: 'text/plain; version=0.0.4; charset=utf-8' }),
      kafka: () => [
        {
          name: 'kafka_brokers',
          help: 'Number of brokers,\nwith a \\ and a line break.',
          type: 'gauge',
          samples: [{ labels: Labels.of({ __name__: 'kafka_brokers', cluster: 'say "hi"\\\nthere' }), value: 3 }],
        },
        { name: 'kafka_topic_partitions', help: 'None now.', type: 'gauge', samples: [] },
      ],
    },
    query: createQueryPort(rooms.querier, clock),
    catalog: {
      series: seriesOf(rooms.querier),
      metadata: () => [
        { name: 'kafka_brokers', type: 'gauge', help: 'Number of brokers.' },
        { name: 'belfry_up', type: 'counter', help: 'Up.' },
      ],
      scraped: async function* () {
        yield* rooms.scraped;
      },
      targets: () => rooms.targets,
      runtime: () => ({
        version: '0.1.0',
        startedAt: NOW,
        now: NOW + 1000,
        lastReload: { successful: false, configuredAt: NOW },
        listen: '127.0.0.1:9559',
        evaluationIntervalMs: 5000,
        retentionMs: 15 * 86_400_000,
        minTs: NOW - 1000,
        maxTs: NOW,
      }),
    },
    remoteWrite: {
      committed: async () => undefined,
      write: ({ labels, samples }) => {
        rooms.calls.push(`write ${Labels.of(labels).toString()} ${samples.length}`);
        return [];
      },
    },
    backfill: {
      bring: async (text) => {
        rooms.calls.push(`bring ${text.length}`);
        return { series: 0, stored: 0, known: 0, conflicting: 0, tooOld: 0, tooNew: 0, overLimit: 0 };
      },
      take: async function* () {
        yield '# EOF\n';
      },
    },
    rules: { groups: () => rooms.groups },
    replay: fakeReplay(rooms),
    silences: fakeSilences(clock),
    alertStatus: {
      alerts: () => rooms.alerts,
      receivers: () => ['owner/orders', 'owner/platform'],
      mutedHistory: () => rooms.mutedHistory,
    },
    operations: {
      reload: async () => {
        rooms.calls.push('reload');
        return rooms.reloadProblems;
      },
      sendTest: async (owner) => {
        rooms.calls.push(`send-test ${owner}`);
        return [{ integration: 'slack', outcome: 'delivered', ok: true }];
      },
      forgetBroker: (cluster, id) => void rooms.calls.push(`forget ${cluster} ${id}`),
      acceptCluster: () => undefined,
      incidents: () => [],
      status: () => ({
        version: '0.0.0',
        startedAt: NOW,
        configFile: undefined,
        configHash: '0',
        clusters: rooms.clusters,
        outbox: { waiting: 0, oldestMs: 0 },
      }),
    },
  };
}

/** Silences in memory, without the rules for changing one in place: each change is a new one. */
function fakeSilences(clock: ManualClock): SilencesPort {
  const kept = new Map<string, Silence>();
  const known = (id: string): Silence => {
    const silence = kept.get(id);
    if (silence === undefined) throw new BelfryError('NOT_FOUND', `no such silence: ${id}`);
    return silence;
  };
  const keep = (silence: Silence): Silence => {
    kept.set(silence.id, silence);
    return silence;
  };
  return {
    list: () => [...kept.values()],
    get: (id) => kept.get(id),
    set: (draft) => {
      if (draft.id !== undefined) known(draft.id);
      const id = draft.id ?? `00000000-0000-4000-8000-${String(kept.size + 1).padStart(12, '0')}`;
      return keep({ annotations: {}, ...draft, id, updatedAt: clock.now() });
    },
    expire: (id) => keep({ ...known(id), endsAt: Math.min(known(id).endsAt, clock.now()), updatedAt: clock.now() }),
  };
}

/** The names of series in memory, as a store would tell them. */
export function seriesOf(querier: MemoryQuerier): SeriesPort {
  const found = ({ matcherSets, minTs = -Infinity, maxTs = Infinity }: SeriesFilter): readonly Labels[] =>
    querier.series
      .filter(({ labels }) => matcherSets?.some((matchers) => matchesAll(matchers, labels)) ?? true)
      .filter(({ points }) => points.some(({ ts }) => ts >= minTs && ts <= maxTs))
      .map(({ labels }) => labels);
  const distinct = (texts: readonly string[]): readonly string[] => [...new Set(texts)].toSorted(compareNames);
  return {
    eachSeries: found,
    seriesCount: (filter) => found(filter).length,
    labelNames: (filter) => distinct(found(filter).flatMap((labels) => Array.from(labels, ([name]) => name))),
    labelValueCount: (name) =>
      new Set(
        found({})
          .map((labels) => labels.get(name))
          .filter(Boolean),
      ).size,
    labelValues: (name, filter) => distinct(found(filter).flatMap((labels) => (labels.has(name) ? [labels.get(name)] : []))),
  };
}

/** An alerting rule with nothing special about it, but for what is given. */
export function alertingRule(name: string, more: Partial<RuleView> = {}): RuleView {
  return {
    kind: 'alerting',
    name,
    query: 'up == 0',
    durationMs: 60_000,
    keepFiringForMs: 0,
    labels: { severity: 'critical' },
    annotations: { summary: 'down' },
    health: 'ok',
    lastError: '',
    evaluationTimeMs: 1.5,
    lastEvaluation: NOW,
    state: 'inactive',
    alerts: [],
    ...more,
  };
}

export function recordingRule(name: string, more: Partial<RuleView> = {}): RuleView {
  return { ...alertingRule(name), kind: 'recording', state: 'unknown', labels: {}, annotations: {}, ...more };
}

export function firingAlert(labels: Readonly<Record<string, string>>, more: Partial<AlertView> = {}): AlertView {
  return {
    labels: Labels.of(labels),
    annotations: {},
    state: 'firing',
    activeAt: NOW - 60_000,
    keepFiringSince: undefined,
    value: 1,
    ...more,
  };
}

export function ruleGroup(name: string, file: string, rules: readonly RuleView[]): RuleGroupView {
  return { name, file, intervalMs: 5000, limit: 0, evaluationTimeMs: 2, lastEvaluation: NOW, rules };
}

function fakeReplay({ calls }: FakeRooms): ReplayPort {
  return {
    start: async (request) => {
      calls.push(`replay ${JSON.stringify(request)}`);
      return {
        lines: linesOf(['{"type":"started","id":"X"}\n', '{"type":"result","answer":', '{}}\n']),
        end: () => void calls.push('replay over'),
      };
    },
    stop: (id) => void calls.push(`stop replay ${id}`),
  };
}

async function* linesOf(lines: readonly string[]): AsyncGenerator<string, void> {
  yield* lines;
}
