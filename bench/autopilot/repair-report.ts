import type { BenchReport, Table } from '../bench.ts';
import { distributionOf, milliseconds } from '../statistics.ts';
import { FIRST_AFTER_MS, SETTINGS_NOTE } from './pilot-stage.ts';
import type { RepairRound, Stations } from './repair-rounds.ts';

/** All that was measured. */
export interface Repaired {
  readonly rounds: readonly RepairRound[];
  readonly kills: number;
  readonly sessionMs: number;
}

/** Each phase from one station to another; the kill is where there is none before. */
const PHASES: readonly { readonly name: string; readonly from?: keyof Stations; readonly to: keyof Stations }[] = [
  { name: 'kill → verdict', to: 'verdict' },
  { name: '→ unhealthy (alert, evidence, confirmed)', from: 'verdict', to: 'unhealthy' },
  { name: `→ intent made (the configured wait, first_after ${FIRST_AFTER_MS} ms)`, from: 'unhealthy', to: 'intent' },
  { name: '→ lease taken (guards judged on fresh answers)', from: 'intent', to: 'leased' },
  { name: '→ process started', from: 'leased', to: 'started' },
  { name: '→ registered (Kafka starts; the old session ends)', from: 'started', to: 'registered' },
  { name: '→ in all its in-sync sets', from: 'registered', to: 'whole' },
  { name: '→ verified healthy', from: 'whole', to: 'verified' },
  { name: 'in all its in-sync sets → resolved in the webhook', from: 'whole', to: 'resolved' },
];

export function reportOf({ rounds, kills, sessionMs }: Repaired): BenchReport {
  const verified = distributionOf(rounds.map((round) => tookMs(round, undefined, 'verified')));
  const resolved = distributionOf(rounds.map((round) => tookMs(round, undefined, 'resolved')));
  const own = distributionOf(rounds.map(ownMs));
  const missed = rounds.filter(({ missing }) => missing !== undefined);
  return {
    tables: rounds.length === 0 ? [] : [phaseTable(rounds)],
    notes: [
      ...missed.map(({ broker, missing }) => `MISS: broker ${broker}: ${missing?.split('\n')[0] ?? ''}`),
      ...(rounds.length < kills ? [`ended early: ${rounds.length} of ${kills} kills`] : []),
      SETTINGS_NOTE,
      `session time-out of the brokers ${milliseconds(sessionMs)}: a broker that was killed cannot register again before it is over`,
      'always the same broker: the auto-pilot acts on no more than one of three within an hour',
      `"Belfry's own" is kill → unhealthy, the wait beyond first_after (a tick), intent → lease, and in-sync → verified; the rest is the configured wait, the executor and Kafka`,
    ],
    figures: [
      { name: 'SIGKILL to verified p50', value: verified.p50 / 1000, unit: 's' },
      { name: 'max', value: verified.max / 1000, unit: 's' },
      { name: 'to resolved p50', value: resolved.p50 / 1000, unit: 's' },
      { name: "Belfry's own part p50", value: own.p50, unit: 'ms' },
      { name: 'max', value: own.max, unit: 'ms' },
      { name: 'misses', value: missed.length, unit: '' },
    ],
    results: { sessionMs, firstAfterMs: FIRST_AFTER_MS, rounds },
  };
}

function phaseTable(rounds: readonly RepairRound[]): Table {
  const row = (name: string, times: readonly (number | undefined)[]): readonly string[] => {
    const { min, p50, max, misses, count } = distributionOf(times);
    return [name, ...[min, p50, max].map(milliseconds), `${misses} of ${count}`];
  };
  return {
    title: `kill -9 → repaired and verified, ${rounds.length} kills; each phase from the end of the one before`,
    columns: ['', 'min', 'p50', 'max', 'misses'],
    rows: [
      ...PHASES.map(({ name, from, to }) =>
        row(
          name,
          rounds.map((round) => tookMs(round, from, to)),
        ),
      ),
      row(
        'kill → verified healthy, all in all',
        rounds.map((round) => tookMs(round, undefined, 'verified')),
      ),
      row('of which Belfry’s own', rounds.map(ownMs)),
    ],
  };
}

function tookMs({ at, stations }: RepairRound, from: keyof Stations | undefined, to: keyof Stations): number | undefined {
  const begin = from === undefined ? at : stations[from];
  const end = stations[to];
  return begin === undefined || end === undefined ? undefined : end - begin;
}

/** What is neither waited for on purpose nor another's doing; what the configured wait took longer is Belfry's own. */
function ownMs(round: RepairRound): number | undefined {
  const waited = tookMs(round, 'unhealthy', 'intent');
  const parts = [
    tookMs(round, undefined, 'unhealthy'),
    waited === undefined ? undefined : waited - FIRST_AFTER_MS,
    tookMs(round, 'intent', 'leased'),
    tookMs(round, 'whole', 'verified'),
  ];
  return parts.reduce((sum: number | undefined, part) => (sum === undefined || part === undefined ? undefined : sum + part), 0);
}
