import { hostname } from 'node:os';
import { join } from 'node:path';
import { createAutopilot, type AutopilotApp } from './app/autopilot-parts.ts';
import { autopilotSentence } from './app/autopilot-sentence.ts';
import { ClusterWatch } from './app/cluster-watch.ts';
import { createFirstLook } from './app/first-look.ts';
import { createHttpPorts } from './app/http-ports.ts';
import { LeftBehind } from './app/left-behind.ts';
import { loadRules } from './app/load-rules.ts';
import { createOpenWindows } from './app/maintenance-look.ts';
import { ownerTableOf } from './app/owners.ts';
import { Readiness } from './app/readiness.ts';
import { createSourcesKnown } from './app/start-grace.ts';
import { createRemoteWriteOut } from './app/remote-write-out.ts';
import { readOrMakeToken } from './app/token.ts';
import { refuseWhatNeedsARestart, replaceWatches, tryReload, type ConfigReader } from './app/reload.ts';
import { HostCollector } from './collectors/host/host-collector.ts';
import { WatcherIsolation, type Blindness } from './collectors/isolation/watcher-isolation.ts';
import { VERDICTS } from './collectors/liveness/verdict.ts';
import { ConfigSeries } from './collectors/own/config-series.ts';
import { OwnCollector } from './collectors/own/own-collector.ts';
import { Scheduler } from './collectors/scheduler.ts';
import { LargePages } from './collectors/scrape/large-pages.ts';
import type { BelfryConfig } from './config/config.ts';
import type { Alert } from './core/alert.ts';
import { yieldToLoop, type StartableClock } from './core/clock.ts';
import { errorText } from './core/errors.ts';
import { Lifecycle } from './core/lifecycle.ts';
import { LIMITS } from './core/limits.ts';
import type { Logger } from './core/log.ts';
import { type HttpServer, startHttpServer } from './http/server.ts';
import { NotifierSet } from './notifiers/notifier-set.ts';
import { Outbox } from './outbox/outbox.ts';
import { OwnerTable, receiverOf } from './routing/owners.ts';
import { Routing } from './routing/pipeline.ts';
import { DEFAULT_MAIL_INTERVAL_MS } from './routing/verdict.ts';
import { RuleEngine } from './rules/engine.ts';
import { openSampleStore } from './store/sample-store.ts';
import { AlertStore } from './store/state/alert-store.ts';
import { BrokerStore } from './store/state/broker-store.ts';
import { DecisionStore } from './store/state/decision-store.ts';
import { SilenceStore } from './store/state/silence-store.ts';
import { openStateDb } from './store/state/state-db.ts';
import { EventLoopDelay } from './telemetry/event-loop-delay.ts';
import type { PrometheusMeter } from './telemetry/prometheus-meter.ts';
import { SelfMeasures } from './watchdog/self-measures.ts';
import { Watchdog } from './watchdog/watchdog.ts';

const OWN_INTERVAL_MS = 5000;
const STOP_TIMEOUT_MS = 5000;

export interface AppOptions {
  readonly config: BelfryConfig;
  /** Reads the configuration again, for a reload: the problems where it is refused. */
  readonly readConfig: ConfigReader;
  /** Rules are evaluated at their slots only, as Prometheus does. */
  readonly strictSlots: boolean;
  readonly version: string;
  /** The folder of the installation. */
  readonly installation: string;
  readonly clock: StartableClock;
  readonly log: Logger;
  readonly meter: PrometheusMeter;
}

/** A running Belfry. */
export interface App {
  /** Where its HTTP API listens. */
  readonly url: string;
  /** What keeps Belfry from its work now, each a sentence; empty: it is ready. */
  notReady(): readonly string[];
  /** Loads the configuration again: all that can fail first, then one swap. The problems where it was refused. */
  reload(): Promise<readonly string[]>;
  /** Delivers or keeps what is queued, then lets everything go, within five seconds. */
  stop(): Promise<void>;
}

// tidy: the wiring is one straight line on purpose: cut into pieces it would hide how the data flows.

/**
 * Builds every part and plugs them into each other, straight down as the data flows: this is the one place that knows
 * all rooms. Rejects, with everything released again, where a part cannot start.
 */
export async function startApp(options: AppOptions): Promise<App> {
  const lifecycle = new Lifecycle();
  try {
    return await build(options, lifecycle);
  } catch (error) {
    await lifecycle
      .stop(options.clock, STOP_TIMEOUT_MS)
      .catch((failure: unknown) => options.log.error('stop_failed', { error: errorText(failure) }));
    throw error;
  }
}

async function build(options: AppOptions, lifecycle: Lifecycle): Promise<App> {
  const { clock, log, meter } = options;
  let { config } = options;
  const startedAt = clock.now();
  const ruleSet = await loadRules(config, clock, log);
  // Until it listens nobody sees it, and nothing is watched: there it may give way, so that a signal is not kept waiting.
  await yieldToLoop();

  // What must survive: decisions in state.db, samples in samples.db.
  const stateDb = openStateDb({ path: join(config.storage.path, 'state.db'), clock, log, meter });
  lifecycle.onStop('state.db', () => stateDb.close());
  const decisions = new DecisionStore(stateDb);
  const expectedBrokers = new BrokerStore(stateDb, VERDICTS);
  const samples = openSampleStore({
    path: join(config.storage.path, 'samples.db'),
    retentionMs: config.storage.retentionMs,
    ...(config.storage.retentionBytes === undefined ? {} : { retentionBytes: config.storage.retentionBytes }),
    clock,
    log,
    meter,
  });
  lifecycle.onStop('samples.db', () => samples.close());
  // The wall clock may have been set back since the last run; rows must go on after the newest stored one.
  clock.startNotBefore((samples.stats().maxTs ?? 0) + 1);
  samples.start();
  const remoteWrite = createRemoteWriteOut({ samples, stateDb, clock, log, meter, clusters: () => watches.values() });
  lifecycle.onStop('remote write', () => remoteWrite.stop());

  // From the end of the flow to its beginning: whoever is called exists before whoever calls.
  let notifiers = createNotifiers(config, options);
  lifecycle.onStop('notifiers', () => notifiers.close());
  const owners = new OwnerTable(ownerTableOf(config, notifiers));
  const outbox: Outbox = new Outbox({
    store: decisions,
    notifierFor: ({ receiver, integration }) => notifiers.get(receiver, integration),
    notificationFor: (message) => routing.notificationFor(message),
    settings: config.delivery.outbox,
    clock,
    log,
    meter,
  });
  const routing = new Routing({
    store: decisions,
    silenceStore: new SilenceStore(stateDb),
    inhibitRules: () => config.inhibitRules,
    maintenance: createOpenWindows(() => config.maintenance, clock),
    damping: () => config.damping,
    inhibitionHoldMs: () => config.watch.inhibitionHoldMs,
    startGraceMs: config.watch.startGraceMs,
    sourcesKnown: createSourcesKnown({
      clusters: () => watches.values(),
      hasEvaluated: (isMeant) => rules.hasEvaluated(isMeant),
    }),
    outbox,
    owners,
    mailIntervalMs: () => config.smtp?.minIntervalMs ?? DEFAULT_MAIL_INTERVAL_MS,
    fallbackOwner: () => config.delivery.fallbackTo,
    autopilotOf: (cluster, broker) => autopilotSentence(autopilot.pilot, cluster, broker),
    clock,
    log,
    meter,
  });
  outbox.listen({
    onDelivered: (message) => routing.onDelivered(message),
    onOverdue: (message, reason) => routing.onOverdue(message, reason),
    onGiveUp: (message, reason, told) => routing.onGiveUp(message, reason, told),
  });
  const watches = new Map<string, ClusterWatch>();
  const autopilot: AutopilotApp = createAutopilot({
    config: () => config,
    stateDb,
    querier: samples.reader,
    watches,
    board: routing,
    clock,
    log,
    meter,
  });
  const sink = {
    receive: (said: readonly Alert[], ts: number): void => {
      const alerts = watchdog.withhold(said);
      if (alerts.length === 0) return;
      // People are told first: what the auto-pilot says of an alert belongs into its incident.
      routing.receive(alerts, ts);
      autopilot.pilot.receive(alerts, ts);
    },
  };
  const blindness = (cluster: string): Blindness | undefined => isolation.blindness(cluster);
  const rules: RuleEngine = new RuleEngine(
    { querier: samples.reader, writer: samples.writer, state: new AlertStore(stateDb), sink, blindness, clock, logger: log, meter },
    { externalUrl: config.http.externalUrl ?? '', strictSlots: options.strictSlots },
  );
  const isolation = new WatcherIsolation({
    references: () => config.watch.references,
    exporterAnsweredSince: (ts) =>
      [...watches.values()].some(({ targets }) => targets.some((one) => one.health === 'up' && one.lastScrape >= ts)),
    writer: samples.writer,
    wake: (wake) => rules.wake(wake),
    clock,
    log,
  });
  rules.replace(ruleSet);
  await yieldToLoop();

  // Whether all that works, for whoever asks and for whoever waits to hear it.
  const readiness = new Readiness({
    clock,
    startedAt,
    durable: () => stateDb.durable,
    clusters: () => watches.values(),
    groups: () => rules.progress(),
    ownCollectedAt: () => ownCollector.lastRunAt,
    outboxWorkedAt: () => outbox.workedAt,
  });
  const watchdog = new Watchdog({
    sources: readiness.sources,
    webhookOf: (owner) => {
      const receiver = receiverOf(owner);
      const notifier = notifiers.get(receiver, 'webhook');
      return notifier === undefined ? undefined : { receiver, notifier };
    },
    clock,
    log,
    meter,
  });

  const scheduler = new Scheduler({ clock, log, meter });
  const clockOffset = meter.gauge('belfry_clock_offset_seconds', 'By how much the wall clock is ahead of Belfry time.');
  const loopDelay = new EventLoopDelay(meter);
  lifecycle.onStop('event loop delay', () => loopDelay.close());
  const measures = new SelfMeasures({ folder: config.storage.path, groups: () => rules.progress(), clock, log, meter });
  const ownSamples = () => {
    loopDelay.read();
    measures.measure();
    clockOffset.set((clock.wall() - clock.now()) / 1000);
    return meter.samples();
  };
  const ownCollector = new OwnCollector({
    samples: ownSamples,
    instance: hostname(),
    intervalMs: OWN_INTERVAL_MS,
    writer: samples.writer,
  });
  const configSeries = new ConfigSeries({ writer: samples.writer, intervalMs: OWN_INTERVAL_MS });
  const largePages = new LargePages({ smallBytes: LIMITS.smallPageBytes, places: LIMITS.largePages });
  const firstLook = createFirstLook({ clusters: () => watches.values(), look: () => rules.lookAtAll() });
  const watch = (cluster: BelfryConfig['clusters'][number]): void => {
    const made = new ClusterWatch(cluster, {
      clock,
      log,
      meter,
      scheduler,
      expectedBrokers,
      largePages,
      writer: samples.writer,
      wake: (wake) => {
        rules.wake(wake);
        firstLook();
      },
      isolation,
      removed: (isGone) => rules.targetRemoved(isGone),
      onVerdict: (name) => autopilot.pilot.lookNow(name),
    });
    watches.set(cluster.name, made);
    made.start();
  };
  const hashGauge = meter.gauge('belfry_config_hash_info', 'The loaded configuration, by its hash.', ['hash']);
  const reloadGauge = meter.gauge('belfry_config_last_reload_successful', '1, or 0 after a changed configuration was refused.');
  hashGauge.set(1, { hash: config.hash });
  // At once: a gauge that has not been set says 0, which is an alert.
  reloadGauge.set(1);

  /** All that can fail comes first; nothing has changed when it does. */
  const swap = async (next: BelfryConfig): Promise<void> => {
    const before = config;
    refuseWhatNeedsARestart(before, next);
    const [nextRules, nextNotifiers] = [await loadRules(next, clock, log), createNotifiers(next, options)];
    const oldNotifiers = notifiers;
    notifiers = nextNotifiers;
    owners.replace(ownerTableOf(next, nextNotifiers));
    outbox.reload(next.delivery.outbox);
    configSeries.replace(next.clusters, next.thresholds, clock.now());
    rules.replace(nextRules);
    await replaceWatches(watches, next, watch, {
      removed: (cluster) => rules.targetRemoved((labels) => labels.get('cluster') === cluster),
      stopFailed: (cluster, error) => log.error('cluster_watch_not_stopped', { cluster, error: errorText(error) }),
    });
    if (next.http.tls !== undefined) http.renewTls({ cert: next.http.tls.cert, key: next.http.tls.key.reveal() });
    hashGauge.remove({ hash: config.hash });
    hashGauge.set(1, { hash: next.hash });
    config = next;
    routing.reload();
    autopilot.reload();
    for (const { name } of before.clusters) if (!watches.has(name)) await meter.forget('cluster', name);
    await watchdog.replace(next);
    await remoteWrite.replace(next.remoteWrite);
    oldNotifiers.close();
  };
  let reloading: Promise<readonly string[]> = Promise.resolve([]);
  let lastReload = { successful: true, configuredAt: startedAt };
  const reload = (): Promise<readonly string[]> => {
    if (lifecycle.stopping) return Promise.resolve(['Belfry is stopping']);
    reloading = reloading
      .then(() => tryReload(options, () => config, swap))
      .then((problems) => {
        const successful = problems.length === 0;
        reloadGauge.set(successful ? 1 : 0);
        lastReload = { successful, configuredAt: successful ? clock.now() : lastReload.configuredAt };
        return problems;
      });
    return reloading;
  };

  const http: HttpServer = await startHttpServer({
    listen: config.http.listen,
    externalUrl: config.http.externalUrl,
    tls: config.http.tls === undefined ? undefined : { cert: config.http.tls.cert, key: config.http.tls.key.reveal() },
    token: readOrMakeToken(config.storage.path),
    tokens: () => config.http.tokens,
    runbookFolder: join(options.installation, 'docs/runbooks'),
    ports: createHttpPorts({
      version: options.version,
      startedAt,
      clock,
      log,
      meter,
      samples,
      rules,
      routing,
      outbox,
      watches,
      reload,
      lastReload: () => lastReload,
      config: () => config,
      notifiers: () => notifiers,
      autopilot: autopilot.port,
      readiness,
    }),
    clock,
    log,
    meter,
  });
  lifecycle.onStop('http', () => http.close());

  // Now that nothing can fail any more it all begins, in the order in which it is let go backwards.
  outbox.load();
  routing.start();
  lifecycle.onStop('routing', () => routing.stop());
  outbox.start();
  lifecycle.onStop('outbox', () => outbox.stop(STOP_TIMEOUT_MS / 2));
  lifecycle.onStop('collectors', () => scheduler.stop());
  configSeries.replace(config.clusters, config.thresholds, clock.now());
  scheduler.add(configSeries);
  scheduler.add(ownCollector, { now: true });
  if (config.host.collect)
    scheduler.add(new HostCollector({ ...config.host, instance: hostname(), writer: samples.writer, clock }), { now: true });

  // What left the configuration while Belfry was down will never be heard of again.
  const left = new LeftBehind(config, expectedBrokers.clusters());
  samples.endTargets((id) => left.isTarget(id), clock.now());
  rules.start();
  rules.targetRemoved((labels) => left.isAbout(labels));
  lifecycle.onStop('rules', () => rules.stop());
  lifecycle.onStop('cluster watches', async () => {
    await Promise.all([...watches.values()].map((made) => made.stop()));
  });
  isolation.start();
  lifecycle.onStop('isolation', () => isolation.stop());
  for (const cluster of config.clusters) watch(cluster);
  firstLook();
  // After the clusters are there: what it knows of them from before stands from its first answer on.
  autopilot.start();
  lifecycle.onStop('autopilot', () => autopilot.stop());
  await watchdog.replace(config);
  await remoteWrite.replace(config.remoteWrite);
  lifecycle.onStop('watchdog', () => watchdog.stop());
  lifecycle.onStop('reload', () => reloading.then(() => undefined));
  return { url: http.url, notReady: () => readiness.notReady(), reload, stop: () => lifecycle.stop(clock, STOP_TIMEOUT_MS) };
}

function createNotifiers(config: BelfryConfig, { clock, log }: AppOptions): NotifierSet {
  // Runbooks are named by their path in the installation; Belfry serves them under it.
  const links =
    config.http.externalUrl === undefined ? {} : { externalUrl: config.http.externalUrl, runbookBaseUrl: config.http.externalUrl };
  return new NotifierSet({
    receivers: config.owners.map(({ receiver }) => receiver),
    slack: config.slack,
    smtp: config.smtp,
    message: { autopilot: '', ...links },
    clock,
    logger: log,
  });
}
