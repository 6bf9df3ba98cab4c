import { formatDuration } from '../../core/duration.ts';
import { compareLabels, compareNames, Labels } from '../../core/labels.ts';
import { type Matcher, matchesAll } from '../../core/matcher.ts';
import type { HttpPorts } from '../ports.ts';
import type { CatalogPort, MetricMetadata, SeriesFilter, TargetMetadata, TargetView } from '../prometheus-ports.ts';
import type { RouteContext } from '../server.ts';
import { BelfryError } from '../../core/errors.ts';
import { whileAwaited } from './awaited.ts';
import { gatheredInTurns, sortedInTurns } from './in-turns.ts';
import { limitParameter, optionalTime, parametersOf, reading, rfc3339, TRUNCATED } from './parameters.ts';
import { success } from './prometheus.ts';
import { labelTexts, sendTexts } from './query-answer.ts';
import { turnOf } from './turn-of.ts';

/** The part of the Prometheus HTTP API v1 that tells what there is: series, labels, metadata, targets. */
export function prometheusDataRoutes(context: RouteContext): void {
  const { server, access, ports } = context;
  const { catalog } = ports;

  server.route({
    method: ['GET', 'POST'],
    url: '/api/v1/series',
    handler: async (request, reply) => {
      access.require('read', request.headers);
      const parameters = parametersOf(request);
      if (!parameters.has('match[]')) throw new BelfryError('BAD_REQUEST', 'no match[] parameter provided');
      const limit = limitParameter(parameters);
      const filter = { ...filterOf(ports, parameters, 'match[]'), limit: limit + 1 };
      const found = await whileAwaited(request, async (gone) => {
        const turn = () => turnOf(gone);
        return sortedInTurns(await gatheredInTurns(catalog.series.eachSeries(filter), turn), compareLabels, turn);
      });
      return sendTexts(reply, labelTexts(found.slice(0, limit), found.length > limit ? [TRUNCATED] : []));
    },
  });

  server.route({
    method: ['GET', 'POST'],
    url: '/api/v1/labels',
    handler: async (request) => {
      access.require('read', request.headers);
      const parameters = parametersOf(request);
      return cut(catalog.series.labelNames(filterOf(ports, parameters)), limitParameter(parameters));
    },
  });

  server.get<{ Params: { name: string } }>('/api/v1/label/:name/values', async (request) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    const name = unescapeName(request.params.name);
    return cut(catalog.series.labelValues(name, filterOf(ports, parameters)), limitParameter(parameters));
  });

  server.get('/api/v1/metadata', async (request) => {
    access.require('read', request.headers);
    return metadataAnswer(catalog, parametersOf(request));
  });

  targetRoutes(context);
}

/** What there is on the other side: exporters, Alertmanagers, exemplars. */
function targetRoutes({ server, access, ports }: RouteContext): void {
  const { catalog } = ports;
  server.get('/api/v1/targets', async (request) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    const pool = parameters.get('scrapePool') ?? '';
    const isShown = ['', 'any', 'active'].includes((parameters.get('state') ?? '').toLowerCase());
    const targets = isShown ? catalog.targets().filter(({ job }) => pool === '' || job === pool) : [];
    const byPool = targets.toSorted((a, b) => compareNames(a.job, b.job));
    return success({ activeTargets: byPool.map(targetJson), droppedTargets: [], droppedTargetCounts: {} });
  });

  // Grafana asks for exemplars beside every panel; none are kept.
  server.route({
    method: ['GET', 'POST'],
    url: '/api/v1/query_exemplars',
    handler: async (request) => {
      access.require('read', request.headers);
      const parameters = parametersOf(request);
      const [startTs, endTs] = [boundParameter(parameters, 'start'), boundParameter(parameters, 'end')];
      if (startTs !== undefined && endTs !== undefined && endTs < startTs)
        throw new BelfryError('BAD_REQUEST', 'end timestamp must not be before start timestamp');
      reading(() => ports.query.tree(parameters.get('query') ?? ''));
      return success([]);
    },
  });

  // Belfry tells owners itself.
  server.get('/api/v1/alertmanagers', async (request) => {
    access.require('read', request.headers);
    return success({ activeAlertmanagers: [], droppedAlertmanagers: [] });
  });

  server.get('/api/v1/targets/metadata', async (request) => {
    access.require('read', request.headers);
    const parameters = parametersOf(request);
    const limit = metadataLimit(parameters, 'limit');
    const selector = parameters.get('match_target') ?? '';
    const isAny = selector === '' || selector === '{}';
    const matchers = isAny ? [] : reading(() => ports.query.matchers(selector), 'match_target');
    return targetMetadata(catalog.scraped(), matchers, parameters.get('metric') ?? '', limit);
  });

  server.get('/api/v1/scrape_pools', async (request) => {
    access.require('read', request.headers);
    return success({ scrapePools: [...new Set(catalog.targets().map(({ job }) => job))].toSorted() });
  });
}

function cut(found: readonly string[], limit: number) {
  const answer = success(found.slice(0, limit));
  return found.length > limit ? { ...answer, warnings: [TRUNCATED] } : answer;
}

/** `shown` is what Prometheus calls the parameter in front of a mistake in a selector; not every page of it does. */
function filterOf({ query }: HttpPorts, parameters: URLSearchParams, shown?: string): SeriesFilter {
  const [minTs, maxTs] = [boundParameter(parameters, 'start'), boundParameter(parameters, 'end')];
  const matcherSets = parameters.getAll('match[]').map((selector) => reading(() => query.matchers(selector), shown));
  return {
    ...(matcherSets.length === 0 ? {} : { matcherSets }),
    ...(minTs === undefined ? {} : { minTs }),
    ...(maxTs === undefined ? {} : { maxTs }),
  };
}

/** What Prometheus itself prints for the earliest and the latest time there is: no bound. */
const OPEN_BOUNDS: readonly string[] = ['-292273086-05-16T16:47:06Z', '292277025-08-18T07:12:54.999999999Z'];

function boundParameter(parameters: URLSearchParams, name: string): number | undefined {
  return OPEN_BOUNDS.includes(parameters.get(name) ?? '') ? undefined : optionalTime(parameters, name);
}

/** A label's name in an address: `U__` begins an escaped one, `_2e_` is a dot, `__` an underscore (Prometheus 3). */
function unescapeName(text: string): string {
  if (!text.startsWith('U__')) return text;
  const escaped = text.slice(3);
  if (!/^(?:__|_[0-9a-fA-F]{1,6}_|[^_])*$/.test(escaped)) return text;
  return escaped.replaceAll(/__|_([0-9a-fA-F]{1,6})_/g, (whole, code: string | undefined) => {
    const point = code === undefined ? 0x5f : Number.parseInt(code, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** So much is told of metrics at once: what pages may say of them has no other bound. */
const METADATA_ENTRIES_MAX = 100_000;

/** Where pages differ about a metric, each is told once. */
async function metadataAnswer(catalog: CatalogPort, parameters: URLSearchParams) {
  const metric = parameters.get('metric') ?? '';
  const [limit, perMetric] = [metadataLimit(parameters, 'limit'), metadataLimit(parameters, 'limit_per_metric')];
  const found = new Map<string, Map<string, ReturnType<typeof entryOf>>>();
  let [count, isCut] = [0, false];
  const add = (families: readonly MetricMetadata[]): void => {
    for (const family of families) {
      if (metric !== '' && family.name !== metric) continue;
      const entries = found.get(family.name) ?? new Map<string, ReturnType<typeof entryOf>>();
      const entry = entryOf(family);
      const key = JSON.stringify(entry);
      if (entries.has(key) || (!found.has(family.name) && found.size >= limit)) continue;
      isCut ||= count >= METADATA_ENTRIES_MAX && entries.size < perMetric;
      if (isCut) return;
      found.set(family.name, entries);
      if (entries.size >= perMetric) continue;
      entries.set(key, entry);
      count++;
    }
  };
  add(catalog.metadata());
  let last: readonly MetricMetadata[] = [];
  for await (const { families } of catalog.scraped()) {
    // Targets of one make stand one after the other.
    if (families !== last) add(families);
    last = families;
  }
  const answer = success(Object.fromEntries(Array.from(found, ([name, entries]) => [name, [...entries.values()]])));
  return isCut ? { ...answer, warnings: [TRUNCATED] } : answer;
}

function entryOf({ type, help, unit = '' }: MetricMetadata) {
  return { type, help, unit };
}

/** As Prometheus does it, `limit` ends the answer with the target that reaches it. */
async function targetMetadata(targets: AsyncIterable<TargetMetadata>, matchers: readonly Matcher[], metric: string, limit: number) {
  const found: object[] = [];
  for await (const { labels, families } of targets) {
    if (found.length >= limit) break;
    if (!matchesAll(matchers, labels)) continue;
    const target = labels.toObject();
    for (const family of families) {
      if (metric === '') found.push({ target, metric: family.name, ...entryOf(family) });
      else if (family.name === metric) found.push({ target, ...entryOf(family) });
      if (found.length >= METADATA_ENTRIES_MAX) return { ...success(found), warnings: [TRUNCATED] };
    }
  }
  return success(found);
}

/** Here, unlike elsewhere, 0 is none at all, and what is below it stands for no limit. */
function metadataLimit(parameters: URLSearchParams, name: string): number {
  const text = parameters.get(name) ?? '';
  if (text === '') return Infinity;
  if (!/^[+-]?\d{1,15}$/.test(text)) throw new BelfryError('BAD_REQUEST', `${name} must be a number`);
  return Number(text) < 0 ? Infinity : Number(text);
}

function targetJson(target: TargetView) {
  const { job, labels, url, health, lastError, lastScrape, lastScrapeDurationMs, intervalMs, timeoutMs } = target;
  const { protocol, host, pathname } = new URL(url);
  const [scrapeInterval, scrapeTimeout] = [formatDuration(intervalMs), formatDuration(timeoutMs)];
  const discovered = Labels.of([
    ...labels.without('instance'),
    ['__address__', host],
    ['__metrics_path__', pathname],
    ['__scheme__', protocol.replace(/:$/, '')],
    ['__scrape_interval__', scrapeInterval],
    ['__scrape_timeout__', scrapeTimeout],
  ]);
  return {
    discoveredLabels: discovered.toObject(),
    labels: labels.toObject(),
    scrapePool: job,
    scrapeUrl: url,
    globalUrl: url,
    lastError,
    lastScrape: rfc3339(lastScrape),
    lastScrapeDuration: lastScrapeDurationMs / 1000,
    health,
    scrapeInterval,
    scrapeTimeout,
  };
}
