import type { Alert } from '../core/alert.ts';
import { type Action, ACTIONS } from '../core/autopilot.ts';
import type { PilotEvidenceRow, PilotStore } from '../core/autopilot-state.ts';
import type { Logger } from '../core/log.ts';
import type { Counter, Meter } from '../core/meter.ts';
import type { ClusterObserver, EvidenceView } from './ports.ts';

/** Alerts that stand as evidence at once; more are refused, for nobody repairs so much by machine. */
const EVIDENCE_MAX = 10_000;
/** How long evidence of an earlier run is believed without news of its alert. */
const BELIEVED_AFTER_START_MS = 15 * 60_000;
const NO_BROKER = -1;

export interface EvidenceOptions {
  readonly store: PilotStore;
  readonly observer: Pick<ClusterObserver, 'clusters' | 'picture'>;
  readonly startedAt: number;
  readonly log: Logger;
  readonly meter: Meter;
}

interface Standing {
  readonly row: PilotEvidenceRow;
  /** Not believed after this time without news. */
  believedUntil: number;
}

/**
 * What loaded rules ask for. Only an alert of a rule whose file says `action` literally is evidence; the label `action`
 * of a sample, a template or a posted alert is never looked at. It stands until its alert ends, for whatever reason.
 */
export class EvidenceIntake implements EvidenceView {
  readonly #options: EvidenceOptions;
  readonly #standing = new Map<string, Standing>();
  readonly #refused: Counter;

  constructor(options: EvidenceOptions) {
    this.#options = options;
    this.#refused = options.meter.counter(
      'belfry_autopilot_evidence_refused_total',
      'Alerts with an action that name no known cluster or broker, or are too many.',
      ['reason'],
    );
    for (const row of options.store.loadEvidence())
      this.#standing.set(row.alertKey, { row, believedUntil: options.startedAt + BELIEVED_AFTER_START_MS });
  }

  /** Takes the alerts in; returns the clusters for which something changed. */
  receive(alerts: readonly Alert[], now: number): ReadonlySet<string> {
    const changed = new Set<string>();
    const relevant = alerts.filter(({ source }) => source.kind === 'rule' && source.action !== undefined);
    if (relevant.length === 0) return changed;
    this.#options.store.durably(() => {
      for (const alert of relevant) {
        const cluster = alert.status === 'resolved' ? this.#end(alert.labels.key, reasonOf(alert)) : this.#begin(alert, now);
        if (cluster !== undefined) changed.add(cluster);
      }
    });
    return changed;
  }

  /** Ends what has not been heard of for longer than its alert was to be believed. Returns the clusters concerned. */
  tick(now: number): ReadonlySet<string> {
    const changed = new Set<string>();
    const overdue = [...this.#standing].filter(([, { believedUntil }]) => believedUntil < now);
    if (overdue.length === 0) return changed;
    this.#options.store.durably(() => {
      for (const [key] of overdue) {
        const cluster = this.#end(key, 'its rule has not spoken of it any more');
        if (cluster !== undefined) changed.add(cluster);
      }
    });
    return changed;
  }

  of(cluster: string, action: Action, broker?: number): readonly PilotEvidenceRow[] {
    const found: PilotEvidenceRow[] = [];
    for (const { row } of this.#standing.values())
      if (row.cluster === cluster && row.action === action && (row.brokerId === NO_BROKER ? undefined : row.brokerId) === broker)
        found.push(row);
    return found;
  }

  /** Whatever stands for one cluster. */
  all(cluster: string): readonly PilotEvidenceRow[] {
    return [...this.#standing.values()].filter(({ row }) => row.cluster === cluster).map(({ row }) => row);
  }

  /** Those for which anything stands. */
  clusters(): ReadonlySet<string> {
    return new Set([...this.#standing.values()].map(({ row }) => row.cluster));
  }

  /** Forgets what stands for a cluster that is no longer configured. */
  removeCluster(cluster: string): void {
    this.#options.store.durably(() => {
      for (const { alertKey } of this.all(cluster)) this.#end(alertKey, 'the cluster is no longer configured');
    });
  }

  #begin(alert: Alert, now: number): string | undefined {
    const key = alert.labels.key;
    const believedUntil = Math.max(alert.endsAt, now);
    const known = this.#standing.get(key);
    const action = ACTIONS.find((name) => name === alert.source.action);
    if (action === undefined) return undefined;
    if (known?.row.action === action) {
      known.believedUntil = believedUntil;
      return undefined;
    }
    const target = this.#targetOf(alert, action);
    if (target === undefined) return undefined;
    if (this.#standing.size >= EVIDENCE_MAX) return this.#refuse(alert, 'too_many');
    const row: PilotEvidenceRow = {
      alertKey: key,
      shard: target.cluster,
      cluster: target.cluster,
      brokerId: target.broker,
      action,
      rule: alert.source.rule,
      startsAt: alert.startsAt,
      value: alert.value,
      labels: alert.labels.toObject(),
    };
    this.#standing.set(key, { row, believedUntil });
    this.#options.store.saveEvidence(row);
    return row.cluster;
  }

  /** The target must be one that Belfry knows by itself: a configured cluster and an expected broker's id. */
  #targetOf(alert: Alert, action: Action): { readonly cluster: string; readonly broker: number } | undefined {
    const cluster = alert.labels.get('cluster');
    const label = alert.labels.get('broker');
    if (!this.#options.observer.clusters().includes(cluster)) return this.#refuse(alert, 'unknown_cluster');
    if (label === '') {
      if (action === 'scale_out' || action === 'scale_in') return { cluster, broker: NO_BROKER };
      return this.#refuse(alert, 'no_broker');
    }
    const broker = /^\d{1,10}$/.test(label) ? Number(label) : NO_BROKER;
    if (this.#options.observer.picture(cluster)?.brokers.get(broker)?.expected !== true) return this.#refuse(alert, 'unknown_broker');
    return { cluster, broker };
  }

  #refuse(alert: Alert, reason: string): undefined {
    this.#refused.add(1, { reason });
    this.#options.log.debug('autopilot_evidence_refused', { reason, rule: alert.source.rule });
    return undefined;
  }

  #end(key: string, why: string): string | undefined {
    const standing = this.#standing.get(key);
    if (standing === undefined) return undefined;
    this.#standing.delete(key);
    this.#options.store.deleteEvidence(key);
    this.#options.log.debug('autopilot_evidence_ended', { rule: standing.row.rule, cluster: standing.row.cluster, why });
    return standing.row.cluster;
  }
}

function reasonOf({ resolveReason }: Alert): string {
  return resolveReason ?? 'recovered';
}
