import type { AutopilotPort, IntentView } from '../../src/http/autopilot-ports.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { NOW } from './harness.ts';

export function intentView(id: string, more: Partial<IntentView> = {}): IntentView {
  return {
    id,
    key: id,
    cluster: 'orders',
    action: 'repair',
    broker: 2,
    desiredBrokers: undefined,
    currentBrokers: undefined,
    incidentId: 'INC',
    attempt: 1,
    mode: 'approve',
    state: 'awaiting_approval',
    reason: 'broker 2 crashed',
    createdAt: NOW - 60_000,
    changedAt: NOW - 30_000,
    expiresAt: NOW + 600_000,
    opensAt: 0,
    guards: [{ guard: 'last_copy', holds: true, sentence: 'payments-3 has its only copy there', approvable: true }],
    evidence: [],
    lease: undefined,
    approvedBy: undefined,
    lastWord: '',
    drill: false,
    target: 'broker/2',
    blockedBy: { guard: 'last_copy', sentence: 'payments-3 has its only copy there' },
    signature: 'f00d',
    ...more,
  };
}

/** An auto-pilot that writes down what it was asked to do. */
export class FakeAutopilot implements AutopilotPort {
  readonly calls: string[] = [];
  readonly listeners = new Set<() => void>();
  all: readonly IntentView[] = [intentView('I1')];
  halted: string | null = null;
  known = true;

  state = () => ({
    halted: this.halted,
    breaker: null,
    durable: true,
    clusters: [
      {
        name: 'orders',
        modes: { repair: 'approve', replace: 'observe', scale_out: 'off', scale_in: 'off' } as const,
        pendingRaises: [{ cluster: 'orders', action: 'repair' as const, from: 'approve' as const, to: 'auto' as const, why: 'raised' }],
        holds: ['orders is held by anna for another 1 h: a move'],
        maintenance: null,
        blind: null,
        brokers: [],
        scale: { state: 'steady' as const, since: NOW },
        desired: 3,
      },
    ],
    intents: this.all,
  });
  intents = () => this.all;
  intent = (id: string) => {
    const found = this.all.find((one) => one.id === id);
    if (found === undefined) throw new BelfryError('NOT_FOUND', `there is no intent ${id}`);
    return found;
  };
  onIntent = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };
  lease = async (id: string, executor: string) => {
    if (this.intent(id).state !== 'open') throw new BelfryError('CONFLICT', 'last_copy holds: payments-3 has its only copy there');
    this.#called('lease', id, executor);
    return this.#lease(id, executor);
  };
  heartbeat = (id: string, token: number) => {
    if (token !== 7) throw new BelfryError('LEASE_LOST', 'the lease is over');
    return this.#lease(id, 'exec-1');
  };
  ack: AutopilotPort['ack'] = (ack, signature) => {
    if (signature !== 'good') throw new BelfryError('FORBIDDEN', 'the ack is not signed with the key of this Belfry');
    this.#called('ack', JSON.stringify(ack));
    return this.intent(ack.intentId);
  };
  approve = (...args: [string, string, string]) => this.#intent('approve', args);
  reject = (...args: [string, string, string]) => this.#intent('reject', args);
  halt = (...args: [string, string]) => {
    this.halted = args.join(': ');
    this.#called('halt', ...args);
  };
  resume = (...args: [string, string]) => this.#called('resume', ...args);
  closeBreaker = (...args: [string, string]) => this.#called('closeBreaker', ...args);
  confirm: AutopilotPort['confirm'] = (...args) => {
    this.#called('confirm', ...args.map(String));
    return this.state().clusters[0]?.pendingRaises ?? [];
  };
  hold: AutopilotPort['hold'] = (cluster, forMs, by, reason) => {
    this.#called('hold', cluster, String(forMs), by, reason);
    return { cluster, shard: cluster, until: NOW + forMs, by, reason, at: NOW };
  };
  release = (...args: [string, string]) => this.#called('release', ...args);
  reset: AutopilotPort['reset'] = (...args) => this.#called('reset', ...args.map(String));
  desired = (cluster: string) => {
    if (!this.known) throw new BelfryError('NOT_READY', `how many brokers ${cluster} has is not known`);
    return { cluster, desired: 4, current: 3, state: 'scaling_out' as const, at: NOW };
  };
  journal: AutopilotPort['journal'] = (filter) => {
    this.#called('journal', JSON.stringify(filter));
    const line = { seq: 1, shard: 'orders', at: NOW, brokerId: 2, kind: 'intent' as const, from: '', to: '', intentId: 'I1', detail: {} };
    return [{ ...line, text: 'repair of broker 2 waits for approval' }];
  };
  report: AutopilotPort['report'] = (cluster, days) => {
    this.#called('report', String(cluster), String(days));
    const act = { at: NOW, cluster: 'orders', broker: 2, intentId: 'I1', action: 'repair' as const, outcome: 'needed', tookMs: 90_000 };
    return {
      cluster: cluster ?? null,
      since: NOW - days * 86_400_000,
      acts: [{ ...act, drill: true, text: 'it stayed down' }],
      totals: [{ action: 'repair', needed: 1, healed: 0, wrong: 0, blocked: 0, drilled: 1 }],
      promotion: [{ action: 'repair', conditions: [{ name: 'wrong', met: false, sentence: '1 acts were wrong' }] }],
      truncated: false,
    };
  };
  promote: AutopilotPort['promote'] = (request) => this.#called('promote', JSON.stringify(request));
  simulate: AutopilotPort['simulate'] = (cluster, faults) => {
    this.#called('simulate', cluster, ...faults);
    const { guards } = intentView('S');
    return {
      cluster,
      faults,
      sentences: ['Broker 2 would be suspect.'],
      intents: [{ action: 'repair', target: 'broker/2', mode: 'approve', state: 'awaiting_approval', guards }],
    };
  };
  drill: AutopilotPort['drill'] = (cluster, broker, by) => {
    this.#called('drill', cluster, String(broker), by);
    return intentView('D1', { drill: true });
  };
  noteDryRun: AutopilotPort['noteDryRun'] = (...args) => this.#called('dryRun', ...args.map(String));

  /** A change, as the book tells it. */
  change(intents: readonly IntentView[]): void {
    this.all = intents;
    for (const listener of this.listeners) listener();
  }

  #lease(id: string, executor: string) {
    return { intent: this.intent(id), lease: { fencingToken: 7, executor, expiresAt: NOW + 60_000, ttlMs: 60_000 }, signature: 'f00d' };
  }

  #intent(verb: string, [id, ...rest]: readonly [string, string, string]): IntentView {
    const found = this.intent(id);
    this.#called(verb, id, ...rest);
    return found;
  }

  #called(...parts: readonly string[]): void {
    this.calls.push(parts.join(' '));
  }
}
