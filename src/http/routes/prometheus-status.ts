import { formatDuration } from '../../core/duration.ts';
import { METRIC_NAME } from '../../core/labels.ts';
import { LIMITS } from '../../core/limits.ts';
import { Matcher } from '../../core/matcher.ts';
import type { RuntimeView, SeriesPort } from '../prometheus-ports.ts';
import type { RouteContext } from '../server.ts';
import { BelfryError } from '../../core/errors.ts';
import { parametersOf } from './parameters.ts';
import { success } from './prometheus.ts';

/** The Prometheus version whose API and PromQL these are: clients ask to learn what they may use. */
const SPOKEN_VERSION = '3.0.0';
const TSDB_ROWS = 10;
const TSDB_ROWS_MAX = 10_000;

/** The status pages of the Prometheus HTTP API v1, as far as clients read them; nothing secret is on any of them. */
export function prometheusStatusRoutes({ server, access, ports }: RouteContext): void {
  const { catalog } = ports;
  const page = (name: string, shown: (parameters: URLSearchParams) => unknown): void => {
    server.get(`/api/v1/status/${name}`, async (request) => {
      access.require('read', request.headers);
      return success(shown(parametersOf(request)));
    });
  };

  page('buildinfo', () => buildInfo(catalog.runtime()));
  page('runtimeinfo', () => runtimeInfo(catalog.runtime()));
  page('flags', () => flags(catalog.runtime()));
  page('config', () => ({ yaml: configYaml(catalog.runtime()) }));
  // Where samples are kept is read before anything is answered.
  page('walreplay', () => ({ min: 0, max: 0, current: 0 }));
  page('tsdb', (parameters) => {
    return tsdb(catalog.series, catalog.runtime(), rowsParameter(parameters));
  });
}

function rowsParameter(parameters: URLSearchParams): number {
  const text = parameters.get('limit') ?? '';
  if (!/^(\+?0*[1-9]\d{0,14})?$/.test(text)) throw new BelfryError('BAD_REQUEST', 'limit must be a positive number');
  if (Number(text) > TSDB_ROWS_MAX) throw new BelfryError('BAD_REQUEST', `limit must not exceed ${TSDB_ROWS_MAX}`);
  return text === '' ? TSDB_ROWS : Number(text);
}

function buildInfo({ version }: RuntimeView) {
  return { version: `${SPOKEN_VERSION}+belfry.${version}`, revision: '', branch: '', buildUser: '', buildDate: '', goVersion: '' };
}

function runtimeInfo({ startedAt, now, lastReload, retentionMs }: RuntimeView) {
  return {
    startTime: new Date(startedAt).toISOString(),
    serverTime: new Date(now).toISOString(),
    reloadConfigSuccess: lastReload.successful,
    lastConfigTime: new Date(lastReload.configuredAt).toISOString(),
    corruptionCount: 0,
    storageRetention: formatDuration(retentionMs),
  };
}

/** Those of Prometheus's flags that say something about this server. */
function flags({ listen, retentionMs }: RuntimeView) {
  return {
    'query.lookback-delta': '5m',
    'query.max-samples': String(LIMITS.querySamples),
    'query.timeout': formatDuration(LIMITS.queryTimeoutMs),
    'storage.tsdb.retention.time': formatDuration(retentionMs),
    'web.listen-address': listen,
  };
}

/** Belfry's configuration is no Prometheus's, and has addresses in it: only what both have is told. */
function configYaml({ evaluationIntervalMs }: RuntimeView): string {
  return `global:\n  evaluation_interval: ${formatDuration(evaluationIntervalMs)}\n`;
}

/** How many series and names there are. What would take a walk over every label of every series is left empty. */
function tsdb(series: SeriesPort, { minTs, maxTs }: RuntimeView, limit: number) {
  const names = series.labelNames({});
  const valueCounts = names.map((name) => ({ name, value: series.labelValueCount(name) }));
  const metrics = series.labelValues(METRIC_NAME, {}).map((name) => ({
    name,
    value: series.seriesCount({ matcherSets: [[new Matcher(METRIC_NAME, '=', name)]] }),
  }));
  const numLabelPairs = valueCounts.reduce((sum, { value }) => sum + value, 0);
  return {
    headStats: { numSeries: series.seriesCount({}), numLabelPairs, chunkCount: 0, minTime: minTs ?? 0, maxTime: maxTs ?? 0 },
    seriesCountByMetricName: largest(metrics, limit),
    labelValueCountByLabelName: largest(valueCounts, limit),
    memoryInBytesByLabelName: [],
    seriesCountByLabelValuePair: [],
  };
}

function largest(rows: readonly { readonly name: string; readonly value: number }[], limit: number) {
  return rows.toSorted((a, b) => b.value - a.value).slice(0, limit);
}
