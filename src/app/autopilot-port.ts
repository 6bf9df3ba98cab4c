import type { Autopilot } from '../autopilot/autopilot.ts';
import type { ClusterObserver, PolicySource } from '../autopilot/ports.ts';
import { drillRequest } from '../autopilot/control/drill.ts';
import { simulate } from '../autopilot/control/simulate.ts';
import { intentView } from '../autopilot/views.ts';
import { type Action, ACTIONS, isEnded, type Intent } from '../core/autopilot.ts';
import type { Clock } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { signedPartOf, signIntent, verifyAck } from '../formats/intent-signature.ts';
import type { AutopilotPort, AutopilotView, IntentView, LeaseView, ReportView } from '../http/autopilot-ports.ts';

export interface AutopilotPortParts {
  readonly autopilot: Autopilot;
  readonly observer: ClusterObserver;
  readonly policies: PolicySource;
  readonly clock: Clock;
  /** The key of intents and acks now. */
  readonly signingKey: () => Secret;
}

/** What the HTTP API reads and asks of the auto-pilot; signatures are made and checked here. */
export function createAutopilotPort(parts: AutopilotPortParts): AutopilotPort {
  const { autopilot, clock, signingKey, policies } = parts;
  const { book, control } = autopilot;
  const views = new SignedViews(signingKey);
  const view = (intent: Intent): IntentView => views.of(intent);
  const leaseOf = (intent: Intent): LeaseView => leaseView(view(intent), policies.fleet().leaseTtlMs);
  return {
    state: () => stateView(parts, view),
    intents: () => book.all().map(view),
    intent: (id) => view(autopilot.intent(id)),
    onIntent: (listener) => book.on(listener),
    lease: async (id, executor) => leaseOf(await book.lease(id, executor)),
    heartbeat: (id, fencingToken) => leaseOf(book.heartbeat(id, fencingToken)),
    ack: (ack, signature) => {
      if (!verifyAck(signingKey(), ack, signature)) throw new BelfryError('FORBIDDEN', 'the ack is not signed with the key of this Belfry');
      return view(book.ack(ack));
    },
    approve: (id, by, reason) => view(book.approve(id, by, reason)),
    reject: (id, by, reason) => view(book.reject(id, by, reason)),
    halt: (by, reason) => control.halt(by, reason),
    resume: (by, reason) => control.resume(by, reason),
    closeBreaker: (by, reason) => control.closeBreaker(by, reason),
    confirm: (by, reason, cluster) => control.confirm(by, reason, cluster),
    hold: (cluster, forMs, by, reason) => control.hold(cluster, forMs, by, reason),
    release: (cluster, by) => control.release(cluster, by),
    reset: (cluster, broker, by, reason) => autopilot.reset(cluster, broker, `${by}: ${reason}`),
    desired: (cluster) => {
      const desired = autopilot.desired(cluster);
      if (desired === undefined) throw new BelfryError('NOT_READY', `how many brokers ${cluster} has is not known`);
      return { cluster, ...desired, at: clock.now() };
    },
    journal: (filter) => autopilot.journal(filter),
    report: (cluster, days) => reportView(parts, cluster, days),
    promote: (request) => control.promote(request),
    simulate: (cluster, faults) =>
      simulate(
        {
          picture: pictureOf(parts, cluster),
          policy: policies.cluster(cluster),
          now: clock.now(),
          modeOf: (action) => control.modeOf(cluster, action),
          judge: (intent, picture) => autopilot.judge.judge(intent, picture),
        },
        faults,
      ),
    drill: (cluster, broker, by) =>
      view(book.request(drillRequest(pictureOf(parts, cluster), broker, by, clock.now(), book.active(cluster)))),
    noteDryRun: (executor, ok, text) => control.noteDryRun(executor, ok, text, clock.now()),
  };
}

/** Intents never change, they are replaced: each is signed once, however many requests wait for news of it. */
class SignedViews {
  readonly #key: () => Secret;
  #signedWith: string | undefined;
  #views = new WeakMap<Intent, IntentView>();

  constructor(key: () => Secret) {
    this.#key = key;
  }

  of(intent: Intent): IntentView {
    const key = this.#key();
    if (this.#signedWith !== key.reveal()) {
      this.#signedWith = key.reveal();
      this.#views = new WeakMap();
    }
    const known = this.#views.get(intent);
    if (known !== undefined) return known;
    const made = signed(intent, key);
    this.#views.set(intent, made);
    return made;
  }
}

function signed(intent: Intent, key: Secret): IntentView {
  const { blockedBy, ...rest } = intentView(intent);
  const isHeld = blockedBy !== undefined && !isEnded(intent.state);
  return { ...rest, blockedBy: isHeld ? blockedBy : null, signature: signIntent(key, signedPartOf(intent)) };
}

function leaseView(intent: IntentView, ttlMs: number): LeaseView {
  const { lease, signature } = intent;
  if (lease === undefined) throw new BelfryError('LEASE_LOST', `intent ${intent.id} has no lease`);
  const { fencingToken, executor, expiresAt } = lease;
  return { intent, lease: { fencingToken, executor, expiresAt, ttlMs }, signature };
}

function stateView({ autopilot, clock }: AutopilotPortParts, view: (intent: Intent) => IntentView): AutopilotView {
  const { halted, breaker, durable, clusters, intents } = autopilot.state();
  const raises = autopilot.control.pendingRaises();
  return {
    halted: halted ?? null,
    breaker: breaker ?? null,
    durable,
    clusters: clusters.map(({ maintenance, blind, scale, desired, ...rest }) => ({
      ...rest,
      pendingRaises: raises.filter(({ cluster }) => cluster === rest.name),
      maintenance: maintenance ?? null,
      blind: blind ?? null,
      scale: { state: scale?.state ?? 'steady', since: scale?.since ?? clock.now() },
      desired: desired ?? null,
    })),
    intents: intents.map(view),
  };
}

function reportView({ autopilot }: AutopilotPortParts, cluster: string | undefined, days: number): ReportView {
  const { since, acts, totals, truncated } = autopilot.report(cluster, days);
  const conditions = (action: Action) => ({
    action,
    conditions: cluster === undefined ? [] : autopilot.control.conditions(cluster, action),
  });
  return { cluster: cluster ?? null, since, acts, totals, truncated, promotion: cluster === undefined ? [] : ACTIONS.map(conditions) };
}

function pictureOf({ observer }: AutopilotPortParts, cluster: string) {
  const picture = observer.picture(cluster);
  if (picture !== undefined) return picture;
  if (!observer.clusters().includes(cluster)) throw new BelfryError('NOT_FOUND', `no such cluster: ${cluster}`);
  throw new BelfryError('NOT_READY', `nothing is known of ${cluster} yet`);
}
