import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { severityOf, type Alert } from '../../src/core/alert.ts';
import type { Notification } from '../../src/core/notification.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import { defaultInhibitRules } from '../../src/routing/default-inhibitions.ts';
import { SEED } from './inhibition-cases.ts';
import { QuietModel } from './quiet-model.ts';
import { alertOf, resolved, Setup } from './setup.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const HOLD = 15 * SECOND;
const GRACE = 15 * SECOND;
const REPEAT = 4 * HOUR;
/** The group interval, and as long again for the delivery. */
const SOON = 2 * SECOND;
const RETENTION = 15 * MINUTE;
/** More with BELFRY_TEST_RUNS. */
const RUNS = Number(process.env['BELFRY_TEST_RUNS'] ?? 14);

const ALERTS: readonly Readonly<Record<string, string>>[] = [
  { alertname: 'ClusterUnreachable', cluster: 'orders-dal', severity: 'critical' },
  { alertname: 'LeaderLoss', cluster: 'orders-dal', severity: 'critical' },
  { alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: '2', severity: 'critical' },
  { alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: '2', severity: 'warning' },
  { alertname: 'BrokerFlapping', cluster: 'orders-dal', broker: '2', severity: 'critical' },
  { alertname: 'UnderReplicated', cluster: 'orders-dal', severity: 'warning' },
  { alertname: 'DiskLow', cluster: 'orders-dal', broker: '3', severity: 'warning' },
  { alertname: 'LeaderLoss', cluster: 'orders-fra', severity: 'critical' },
  { alertname: 'QuorumVoterBehind', cluster: 'pay-dal', severity: 'info' },
  { alertname: 'BelfryIsolated', severity: 'critical', audience: 'platform' },
  { alertname: 'CollectorStale', cluster: 'pay-dal', severity: 'warning', audience: 'platform' },
];
const SILENCES = ['cluster="orders-dal"', 'severity!="critical"', 'broker=~"2|3"', 'alertname=~"Leader.*"', 'cluster!~".+"'];
const CLUSTERS = ['orders-dal', 'orders-fra', 'pay-dal'];
const WAITS = [0, 400, 1500, 5 * SECOND, 14 * SECOND, HOLD, 16 * SECOND, MINUTE, 6 * MINUTE, 11 * MINUTE, REPEAT + MINUTE, REPEAT + MINUTE];

type Step =
  | { readonly do: 'fire' | 'end'; readonly alerts: readonly number[] }
  | { readonly do: 'flap'; readonly alert: number; readonly times: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'silence'; readonly what: number; readonly minutes: number; readonly inMinutes: number }
  | { readonly do: 'expire'; readonly which: number }
  | { readonly do: 'window'; readonly cluster: number; readonly minutes: number }
  | { readonly do: 'rules'; readonly on: boolean }
  | { readonly do: 'owner'; readonly of: number; readonly is: 'orders' | 'payments' }
  | { readonly do: 'kill'; readonly downMs: number };

const some = fc.uniqueArray(fc.nat(ALERTS.length - 1), { minLength: 1, maxLength: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('fire' as const, 'end' as const), alerts: some }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(...WAITS) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('flap' as const), alert: fc.nat(ALERTS.length - 1), times: fc.constantFrom(3, 5) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('silence' as const),
      what: fc.nat(SILENCES.length - 1),
      minutes: fc.constantFrom(1, 7, 300, 300),
      inMinutes: fc.constantFrom(0, 0, 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('window' as const), cluster: fc.nat(2), minutes: fc.constantFrom(1, 10) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rules' as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('owner' as const), of: fc.nat(2), is: fc.constantFrom('orders' as const, 'payments' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), downMs: fc.constantFrom(0, MINUTE, 20 * MINUTE) }) },
);

/** What one destination believes of one incident. */
interface Belief {
  readonly firing: Map<string, number>;
  loudAt: number;
  last: Notification;
}

/** One run: the real routing, outbox and state, the model, and what every webhook was told. */
class Referee {
  readonly model = new QuietModel(defaultInhibitRules(), HOLD);
  readonly setup: Setup;
  readonly #beliefs = new Map<string, Belief>();
  readonly #heard = new Map<string, number>();
  readonly #isDamped: boolean;
  #ownerOf = new Map([
    ['orders-dal', 'orders'],
    ['orders-fra', 'orders'],
    ['pay-dal', 'payments'],
  ]);
  #resendAt: number;

  constructor(isDamped: boolean) {
    this.#isDamped = isDamped;
    this.setup = new Setup({
      settings: { rates: {}, otherRate: { perSecond: 1000, burst: 1000 } },
      routing: {
        inhibitRules: () => this.model.rules,
        maintenance: (cluster, now) => ({ open: this.#openFor(cluster, now), until: now + MINUTE - (now % MINUTE) }),
        startGraceMs: GRACE,
        ...(isDamped ? {} : { damping: () => ({ times: 1_000_000, withinMs: MINUTE, steadyMs: MINUTE }) }),
      },
    });
    this.#resendAt = this.#now + MINUTE;
    this.model.restart(this.#now + GRACE);
  }

  get #now(): number {
    return this.setup.clock.now();
  }

  #openFor(cluster: string, now: number): readonly string[] {
    return this.model.windows.some((one) => one.cluster === cluster && one.from <= now && now < one.until) ? ['window'] : [];
  }

  async play(step: Step): Promise<void> {
    if (step.do === 'wait') return this.#wait(step.ms);
    if (step.do === 'fire' || step.do === 'end') await this.setup.receive(...this.#change(step));
    else if (step.do === 'flap') await this.#flap(step);
    else if (step.do === 'silence') this.#silence(step);
    else if (step.do === 'expire') this.#expire(step.which);
    else if (step.do === 'window') {
      const from = Math.ceil((this.#now + 1) / MINUTE) * MINUTE;
      this.model.windows.push({ cluster: CLUSTERS[step.cluster] ?? '', from, until: from + step.minutes * MINUTE });
    } else if (step.do === 'rules') {
      this.model.replaceRules(step.on ? defaultInhibitRules() : []);
      this.setup.routing.reload();
    } else if (step.do === 'owner') this.#handOver(CLUSTERS[step.of] ?? '', step.is);
    else if (step.do === 'kill') await this.#kill(step.downMs);
    await this.#wait(0);
  }

  #change({ do: what, alerts }: { do: 'fire' | 'end'; alerts: readonly number[] }): readonly Alert[] {
    const now = this.#now;
    const changed: Alert[] = [];
    for (const index of alerts) {
      const fresh = alertOf(ALERTS[index] ?? {}, now);
      const life = this.model.lives.get(fresh.labels.key);
      const isFiring = life?.ended === 0;
      if (what === 'fire' && !isFiring) {
        this.model.fire(fresh, now);
        changed.push(fresh);
      } else if (what === 'end' && isFiring) {
        this.model.end(fresh.labels.key, now);
        changed.push(resolved(life.alert, now));
      }
    }
    return changed;
  }

  async #flap({ alert, times }: { readonly alert: number; readonly times: number }): Promise<void> {
    for (let i = 0; i < times; i++) {
      for (const what of ['fire', 'end'] as const) {
        await this.setup.receive(...this.#change({ do: what, alerts: [alert] }));
        await this.#wait(SOON);
      }
    }
  }

  #silence({ what, minutes, inMinutes }: { what: number; minutes: number; inMinutes: number }): void {
    const startsAt = this.#now + inMinutes * MINUTE;
    const draft = { matchers: [parseMatcher(SILENCES[what] ?? '')], startsAt, endsAt: startsAt + minutes * MINUTE };
    const silence = this.setup.routing.silences.set({ ...draft, createdBy: 'ann', comment: '' });
    this.model.silences.set(silence.id, silence);
  }

  #expire(which: number): void {
    const id = [...this.model.silences.keys()][which];
    if (id === undefined) return;
    this.model.silences.delete(id);
    this.setup.routing.silences.expire(id);
  }

  #handOver(cluster: string, owner: string): void {
    this.#ownerOf = new Map([...this.#ownerOf, [cluster, owner]]);
    const way = (integration: string) => ({ integration, index: 0 });
    this.setup.owners.replace({
      owners: new Map([
        ['orders', ['slack', 'email', 'webhook'].map(way)],
        ['payments', [way('webhook')]],
        ['platform', [way('webhook')]],
      ]),
      ownerOfCluster: this.#ownerOf,
      defaultOwner: 'platform',
    });
  }

  /** After a start rules say everything again, also what ended meanwhile or not long before. */
  async #kill(downMs: number): Promise<void> {
    this.setup.kill();
    await this.setup.clock.advance(downMs);
    this.setup.start();
    this.model.restart(this.#now + GRACE);
    await this.setup.receive(...this.#said());
  }

  #said(): readonly Alert[] {
    return [...this.model.lives.values()].map(({ alert, ended }) => (ended === 0 ? alert : resolved(alert, ended)));
  }

  async #wait(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      this.model.look(this.#now);
      const next = Math.min(end, this.#resendAt, this.model.nextEdge(this.#now));
      await this.setup.clock.advance(Math.max(0, next - this.#now));
      this.model.look(this.#now);
      this.#hear();
      this.#judge();
      if (this.#now >= this.#resendAt) await this.#resend();
      if (this.#now >= end) return;
    }
  }

  async #resend(): Promise<void> {
    this.#resendAt = this.#now + MINUTE;
    for (const [key, { ended }] of this.model.lives)
      if (ended > 0 && this.#now - ended > RETENTION && !this.#believed().has(key)) this.model.lives.delete(key);
    await this.setup.receive(...this.#said().filter(({ status, endsAt }) => status === 'firing' || this.#now - endsAt <= RETENTION));
    this.#hear();
  }

  /** Every alert that some destination takes to be firing. */
  #believed(): ReadonlySet<string> {
    return new Set([...this.#beliefs.values()].flatMap(({ firing }) => [...firing.keys()]));
  }

  #hear(): void {
    for (const [name, { delivered }] of this.setup.notifiers) {
      if (!name.endsWith('webhook')) continue;
      for (const message of delivered.slice(this.#heard.get(name) ?? 0)) this.#take(`${name} ${message.groupKey}`, message);
      this.#heard.set(name, delivered.length);
    }
  }

  #take(key: string, message: Notification): void {
    const before = this.#beliefs.get(key);
    const firing = new Map(message.alerts.filter(({ status }) => status === 'firing').map((one) => [one.labels.key, one.startsAt]));
    const news = [...firing].filter(([alert, startsAt]) => before?.firing.get(alert) !== startsAt).map(([alert]) => alert);
    const { reason, loud, status } = message;
    const where = { key, reason, at: this.#now, alerts: message.alerts.map(({ labels }) => labels.toString()) };
    const lives = (alerts: Iterable<string>) =>
      [...alerts].map((alert) => this.model.lives.get(alert)).filter((life) => life !== undefined);
    // Nobody is told of what was muted from its beginning on; what was told before goes on.
    const untellable = lives(news.filter((alert) => before?.firing.has(alert) !== true)).filter(({ everAudible }) => !everAudible);
    expect({ ...where, untellable }).toEqual({ ...where, untellable: [] });
    if (loud && status === 'firing' && reason === 'repeat') {
      // What comes between two looks is heard up to a minute late.
      expect({ ...where, tooSoon: this.#now - (before?.loudAt ?? 0) < REPEAT - MINUTE }).toEqual({ ...where, tooSoon: false });
      const isGrace = this.#now < this.model.graceEndsAt;
      const criticals = lives(firing.keys()).filter(({ alert }) => severityOf(alert.labels) === 'critical');
      const isHeard = isGrace || criticals.some(({ audibleSince }) => audibleSince > 0);
      expect({ ...where, isHeard }).toEqual({ ...where, isHeard: true });
    } else if (loud && status === 'firing') {
      expect({ ...where, hasNews: news.length > 0 }).toEqual({ ...where, hasNews: true });
    } else if (loud && !this.#isDamped) {
      const over = lives(before?.firing.keys() ?? []);
      const isQuiet = over.length > 0 && over.every(({ endedMuted }) => endedMuted);
      expect({ ...where, isQuiet }).toEqual({ ...where, isQuiet: false });
    }
    this.#beliefs.set(key, { firing, loudAt: loud ? this.#now : (before?.loudAt ?? 0), last: message });
  }

  #judge(): void {
    const now = this.#now;
    const believed = this.#believed();
    const wait = SOON + (this.#isDamped ? 10 * MINUTE : 0);
    for (const [key, { alert, ended, audibleSince }] of this.model.lives) {
      const what = { alert: alert.labels.toString(), now, ended, audibleSince };
      if (audibleSince > 0 && now - audibleSince >= SOON) expect({ ...what, told: believed.has(key) }).toEqual({ ...what, told: true });
      if (ended > 0 && now >= Math.max(ended + wait, this.model.graceEndsAt - GRACE + SOON))
        expect({ ...what, told: believed.has(key) }).toEqual({ ...what, told: false });
    }
    for (const [key, { firing, loudAt }] of this.#beliefs) {
      const long = [...firing.keys()].some((alert) => {
        const life = this.model.lives.get(alert);
        return (
          life !== undefined && severityOf(life.alert.labels) === 'critical' && life.audibleSince > 0 && now - life.audibleSince > REPEAT
        );
      });
      expect({ key, forgotten: long && now - loudAt > REPEAT + 2 * MINUTE }).toEqual({ key, forgotten: false });
    }
  }

  /** Everything ends; then nobody is left with anything open, mail included. */
  async conclude(): Promise<void> {
    await this.play({ do: 'end', alerts: ALERTS.map((_, index) => index) });
    await this.#wait(20 * MINUTE);
    expect([...this.#believed()]).toEqual([]);
    for (const [name, { delivered }] of this.setup.notifiers) {
      const last = new Map(delivered.map((message) => [message.groupKey, message]));
      const open = [...last.values()]
        .filter(({ status }) => status === 'firing')
        .map(({ alerts }) => alerts.map(({ labels }) => labels.toString()));
      expect({ name, open }).toEqual({ name, open: [] });
    }
    expect([this.setup.routing.openIncidents(), this.setup.db.rows('outbox')]).toEqual([[], []]);
  }
}

describe(`against a referee that looks at everything each time (seed ${SEED}, ${RUNS} runs)`, () => {
  it('who is to be told is told soon, who is not is not, nothing pings twice, and nobody is left with what is over', async () => {
    const run = async (isDamped: boolean, steps: readonly Step[]): Promise<void> => {
      const referee = new Referee(isDamped);
      try {
        for (const each of steps) await referee.play(each);
        await referee.conclude();
      } finally {
        await referee.setup.end();
      }
      expect(referee.setup.clock.pendingTimers).toBe(0);
    };
    const steps = fc.array(step, { minLength: 20, maxLength: 50, size: 'max' });
    await fc.assert(fc.asyncProperty(fc.boolean(), steps, run), { numRuns: RUNS, seed: SEED, endOnFailure: true });
  }, 3_600_000);
});
