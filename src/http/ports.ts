import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { WrittenFamily } from '../formats/write-exposition.ts';
import type { AutopilotPort } from './autopilot-ports.ts';
import type { BackfillPort, CatalogPort, RemoteWritePort } from './prometheus-ports.ts';
import type { AlertStatusPort, SilencesPort } from './quiet-ports.ts';
import type { ReplayPort } from './replay-ports.ts';

/** What the HTTP room reads of the others; `app.ts` plugs the rooms in. Times are milliseconds of Belfry time. */
export interface HttpPorts {
  readonly health: HealthPort;
  readonly metrics: MetricsPort;
  readonly query: QueryPort;
  readonly catalog: CatalogPort;
  readonly remoteWrite: RemoteWritePort;
  readonly backfill: BackfillPort;
  readonly rules: RulesPort;
  readonly operations: OperationsPort;
  readonly silences: SilencesPort;
  readonly alertStatus: AlertStatusPort;
  readonly replay: ReplayPort;
  /** Left out where there is no auto-pilot: its routes are then not there. */
  readonly autopilot?: AutopilotPort;
}

export interface HealthPort {
  /** What keeps Belfry from doing its work now; empty when it is ready. */
  notReady(): readonly string[];
}

export interface MetricsPort {
  /** Belfry's own metrics as an exposition page. */
  own(): Promise<{ readonly text: string; readonly contentType: string }>;
  /** The newest sample of every collected series of kafka_exporter's families, each read when it is asked for. */
  kafka(): Iterable<WrittenFamily>;
}

/** A result as the Prometheus API names it. */
export type QueryResult =
  | { readonly type: 'scalar'; readonly ts: number; readonly value: number }
  | { readonly type: 'string'; readonly ts: number; readonly text: string }
  | { readonly type: 'vector'; readonly ts: number; readonly samples: readonly { readonly labels: Labels; readonly value: number }[] }
  | {
      readonly type: 'matrix';
      /** Each with as many times, rising, as values. */
      readonly series: readonly { readonly labels: Labels; readonly timestamps: Float64Array; readonly values: Float64Array }[];
    };

export interface QueryAnswer {
  readonly result: QueryResult;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
  /** Where they were asked for. */
  readonly stats?: QueryStats;
}

/** What an evaluation took. */
export interface QueryStats {
  readonly preparationMs: number;
  /** Until the result is there, the turns of others among it. */
  readonly evaluationMs: number;
  /** Samples of the store that were looked at, each as often as it was; and held at once. */
  readonly samples: number;
  readonly peakSamples: number;
}

export interface QueryOptions {
  readonly timeoutMs?: number;
  readonly lookbackMs?: number;
  /** Whether to tell what it took. */
  readonly stats?: boolean;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/** Milliseconds; the end is included where a step falls on it. */
export interface QueryRange {
  readonly startTs: number;
  readonly endTs: number;
  readonly stepMs: number;
}

export interface QueryPort {
  /** Evaluates an expression at a time, in one piece. Throws `PROMQL_…` errors. */
  instant(expression: string, ts: number, options: QueryOptions): QueryAnswer;
  /** The same in slices between which others have their turn. Rejects as `instant`, and with `PROMQL_CANCELED`. */
  instantInSlices(expression: string, ts: number, options: QueryOptions): Promise<QueryAnswer>;
  /**
   * Evaluates it at each step of a range, in slices between which others have their turn. Rejects as these, and with
   * `BAD_REQUEST` for what is neither scalar nor instant vector.
   */
  range(expression: string, range: QueryRange, options: QueryOptions): Promise<QueryAnswer>;
  /** The expression as people like to read it, over several lines where it is long. Throws `PROMQL_…` errors for what is none. */
  format(expression: string): string;
  /** The expression's tree, in the shape of Prometheus's API. Throws as `format`. */
  tree(expression: string): object;
  /** The matchers of an instant selector, such as a `match[]` parameter. Throws `PROMQL_SYNTAX`. */
  matchers(selector: string): readonly Matcher[];
  now(): number;
}

export interface RulesPort {
  groups(): readonly RuleGroupView[];
}

export interface RuleGroupView {
  readonly name: string;
  readonly file: string;
  readonly intervalMs: number;
  readonly limit: number;
  readonly evaluationTimeMs: number;
  readonly lastEvaluation: number;
  readonly rules: readonly RuleView[];
}

export interface RuleView {
  readonly kind: 'alerting' | 'recording';
  readonly name: string;
  readonly query: string;
  readonly durationMs: number;
  readonly keepFiringForMs: number;
  /** As written; values may be empty. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError: string;
  readonly evaluationTimeMs: number;
  readonly lastEvaluation: number;
  readonly state: 'firing' | 'pending' | 'inactive' | 'unknown';
  readonly alerts: readonly AlertView[];
}

export interface AlertView {
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'firing' | 'pending' | 'inactive';
  readonly activeAt: number;
  readonly keepFiringSince: number | undefined;
  readonly value: number;
}

export interface OperationsPort {
  /** Loads the configuration again; the problems where it was refused, the old one then running on. */
  reload(): Promise<readonly string[]>;
  /** Sends a test message to every channel of an owner; one outcome a channel. Throws `NOT_FOUND`. */
  sendTest(owner: string): Promise<readonly { readonly integration: string; readonly outcome: string; readonly ok: boolean }[]>;
  /** Forgets a broker that will not come back. Throws `NOT_FOUND`, and `BAD_REQUEST` for one that is alive. */
  forgetBroker(cluster: string, brokerId: number): void;
  /** Takes the cluster that answers now as the one meant by the name. Throws `NOT_FOUND`. */
  acceptCluster(cluster: string): void;
  incidents(): readonly IncidentView[];
  status(): StatusView;
}

export interface IncidentView {
  readonly id: string;
  readonly owner: string;
  readonly cluster: string;
  readonly broker: string;
  readonly severity: string;
  readonly openedAt: number;
  readonly closedAt: number | undefined;
  readonly firing: number;
  readonly events: readonly { readonly seq: number; readonly at: number; readonly kind: string; readonly text: string }[];
}

export interface StatusView {
  readonly version: string;
  readonly startedAt: number;
  readonly configFile: string | undefined;
  readonly configHash: string;
  /** Of clusters without an owner, and of alerts about none; empty where there is none. */
  readonly defaultOwner?: string;
  readonly clusters: readonly {
    readonly name: string;
    readonly owner: string | undefined;
    readonly brokersUp: number;
    readonly brokersExpected: number;
    /** Why not everything is known of it now, a sentence: what is not known must not be shown as healthy. */
    readonly unknown?: string;
  }[];
  readonly outbox: { readonly waiting: number; readonly oldestMs: number };
}
