import type { Figure, Table } from '../bench.ts';
import { distributionOf, milliseconds, type Distribution } from '../statistics.ts';
import { MISS_AFTER_MS, SINKS, type KillRound, type Sink } from './kill-rounds.ts';

/** Below this many samples a 99th percentile is the largest one under another name. */
const LEAST_FOR_P99 = 100;
export const COLUMNS = ['', 'min', 'p50', 'p90', 'p99', 'max', 'misses'];
const SINK_NAMES: Readonly<Record<Sink, string>> = { slack: 'Slack', email: 'email', webhook: 'webhook' };

export function row(name: string, { min, p50, p90, p99, max, misses, count }: Distribution): readonly string[] {
  return [name, ...[min, p50, p90, p99, max].map(milliseconds), `${misses} of ${count}`];
}

export function toldBy(rounds: readonly KillRound[], sink: Sink): Distribution {
  return distributionOf(rounds.map(({ toldMs }) => toldMs[sink]));
}

/** All three sinks: what the slowest took. */
export function toldByAll(rounds: readonly KillRound[]): Distribution {
  return distributionOf(rounds.map(({ toldMs }) => slowest(SINKS.map((sink) => toldMs[sink]))));
}

function slowest(times: readonly (number | undefined)[]): number | undefined {
  return times.some((time) => time === undefined) ? undefined : Math.max(...times.map((time) => time ?? Infinity));
}

/** Per sink, then where the time goes: each line from the end of the one before it. */
export function killTables(rounds: readonly KillRound[]): readonly Table[] {
  const steps = (name: string, step: (round: KillRound) => number | undefined): readonly string[] =>
    row(name, distributionOf(rounds.map(step)));
  return [
    {
      title: `kill -9 → sink, Belfry with the shipped rules, ${rounds.length} kills`,
      columns: COLUMNS,
      rows: [...SINKS.map((sink) => row(SINK_NAMES[sink], toldBy(rounds, sink))), row('all three', toldByAll(rounds))],
    },
    {
      title: 'where it goes (each from the station before; the first is the kernel ending a JVM, the sinks are each from the decision)',
      columns: COLUMNS,
      rows: [
        steps('signal → sockets ended', ({ socketsEndedMs }) => socketsEndedMs),
        steps('→ verdict', ({ socketsEndedMs, verdictMs }) => since(verdictMs, socketsEndedMs)),
        steps('→ decided whom to tell', ({ verdictMs, decidedMs }) => since(decidedMs, verdictMs)),
        ...SINKS.map((sink) => steps(`→ ${SINK_NAMES[sink]}`, ({ toldMs, decidedMs }) => since(toldMs[sink], decidedMs))),
      ],
    },
  ];
}

function since(time: number | undefined, before: number | undefined): number | undefined {
  return time === undefined || before === undefined ? undefined : time - before;
}

export function killFigures(rounds: readonly KillRound[]): readonly Figure[] {
  const figures = SINKS.flatMap((sink): Figure[] => {
    const told = toldBy(rounds, sink);
    const name = SINK_NAMES[sink];
    return [
      { name: `${name} p50`, value: told.p50, unit: 'ms' },
      rounds.length >= LEAST_FOR_P99
        ? { name: `${name} p99`, value: told.p99, unit: 'ms' }
        : { name: `${name} max`, value: told.max, unit: 'ms' },
    ];
  });
  return [...figures, { name: 'misses', value: misses(rounds).length, unit: '' }];
}

function misses(rounds: readonly KillRound[]): readonly string[] {
  return rounds.flatMap(({ broker, verdict, toldMs }, index) => {
    const missed = SINKS.filter((sink) => toldMs[sink] === undefined);
    if (missed.length === 0) return [];
    return [
      `kill ${index + 1} (broker ${broker}, verdict ${verdict ?? 'none'}) did not reach ${missed.join(', ')} within ${MISS_AFTER_MS / 1000} s`,
    ];
  });
}

export function killNotes(rounds: readonly KillRound[]): readonly string[] {
  const notes = misses(rounds).map((miss) => `MISS: ${miss}`);
  const [first] = rounds;
  if (first !== undefined) {
    const told = SINKS.map((sink) => `${SINK_NAMES[sink]} ${milliseconds(first.toldMs[sink] ?? Infinity)}`).join(', ');
    notes.push(`the first kill, on cold code and connections, is among them: ${told}`);
    notes.push(
      'later mails go over the connection that the mail of the recovery before has left open; the first pays the greeting of a new one',
    );
  }
  if (rounds.length < LEAST_FOR_P99) notes.push(`p99 of fewer than ${LEAST_FOR_P99} kills is the slowest or next to it`);
  return notes;
}
