import { z } from 'zod';
import { humanDuration } from '../core/duration.ts';
import { printable, table } from './table.ts';

/** What the auto-pilot's API answers, as far as commands show it, and how. Times are milliseconds. */

const guard = z.object({ guard: z.string(), holds: z.boolean(), sentence: z.string(), approvable: z.boolean().optional() });
const raise = z.object({ cluster: z.string(), action: z.string(), from: z.string(), to: z.string(), why: z.string() });

export const intentSchema = z.looseObject({
  id: z.string(),
  cluster: z.string(),
  action: z.string(),
  target: z.string(),
  mode: z.string(),
  state: z.string(),
  reason: z.string(),
  createdAt: z.number(),
  changedAt: z.number(),
  expiresAt: z.number(),
  opensAt: z.number(),
  guards: z.array(guard),
  lease: z.object({ executor: z.string(), expiresAt: z.number(), fencingToken: z.number() }).optional(),
  approvedBy: z.string().optional(),
  lastWord: z.string(),
  blockedBy: z.object({ guard: z.string(), sentence: z.string() }).nullable(),
});
export const intentsSchema = z.object({ intents: z.array(intentSchema) });
const line = z.looseObject({
  seq: z.number(),
  shard: z.string(),
  at: z.number(),
  kind: z.string(),
  intentId: z.string(),
  text: z.string(),
});
export const journalSchema = z.object({ lines: z.array(line) });
export const shownIntentSchema = intentSchema.extend({ journal: z.array(line) });
export const stateSchema = z.looseObject({
  halted: z.string().nullable(),
  breaker: z.string().nullable(),
  durable: z.boolean(),
  clusters: z.array(
    z.looseObject({
      name: z.string(),
      modes: z.record(z.string(), z.string()),
      pendingRaises: z.array(raise),
      holds: z.array(z.string()),
      maintenance: z.string().nullable(),
      blind: z.string().nullable(),
      brokers: z.array(z.looseObject({ brokerId: z.number(), state: z.string(), since: z.number(), note: z.string() })),
      scale: z.object({ state: z.string(), since: z.number() }),
      desired: z.number().nullable(),
    }),
  ),
  intents: z.array(intentSchema),
});
export const confirmedSchema = stateSchema.extend({ raised: z.array(raise) });
export const reportSchema = z.looseObject({
  since: z.number(),
  acts: z.array(
    z.looseObject({
      at: z.number(),
      cluster: z.string(),
      broker: z.number(),
      action: z.string(),
      outcome: z.string(),
      tookMs: z.number(),
      drill: z.boolean(),
      text: z.string(),
    }),
  ),
  totals: z.array(
    z.object({
      action: z.string(),
      needed: z.number(),
      healed: z.number(),
      wrong: z.number(),
      blocked: z.number(),
      drilled: z.number(),
    }),
  ),
  promotion: z.array(z.object({ action: z.string(), conditions: z.array(z.object({ met: z.boolean(), sentence: z.string() })) })),
  truncated: z.boolean(),
});
export const simulationSchema = z.looseObject({
  cluster: z.string(),
  sentences: z.array(z.string()),
  intents: z.array(z.object({ action: z.string(), target: z.string(), mode: z.string(), state: z.string(), guards: z.array(guard) })),
});

type Intent = z.output<typeof intentSchema>;
export type State = z.output<typeof stateSchema>;

export function renderState({ halted, breaker, durable, clusters, intents }: State, now: number): string {
  const banners = [
    ...(halted === null ? [] : [`HALTED: ${halted}`]),
    ...(breaker === null ? [] : [`BREAKER: ${breaker}`]),
    ...(durable ? [] : ['STATE NOT DURABLE: state.db cannot be written, so nothing is done']),
  ];
  const rows = clusters.map(({ name, modes, scale, desired, brokers, blind }) => [
    name,
    ...['repair', 'replace', 'scale_out', 'scale_in'].map((action) => modes[action] ?? '-'),
    scale.state,
    desired === null ? '-' : String(desired),
    blind === null ? (brokers.length === 0 ? 'all well' : `${brokers.length} brokers not well`) : `blind: ${blind}`,
  ]);
  const details = clusters.flatMap(({ name, brokers, holds, maintenance, pendingRaises }) => [
    ...brokers.map(
      (row) => `${name}: broker ${row.brokerId} ${row.state} for ${ago(now, row.since)}${row.note === '' ? '' : `: ${row.note}`}`,
    ),
    ...holds.map((hold) => `${name}: ${hold}`),
    ...(maintenance === null ? [] : [`${name}: maintenance: ${maintenance}`]),
    ...pendingRaises.map(
      ({ action, from, to, why }) => `${name}: ${action} stays at ${from}, ${to} waits for "belfry autopilot confirm" (${why})`,
    ),
  ]);
  return [
    lines(banners),
    clusters.length === 0
      ? 'No clusters.\n'
      : table([
          ['CLUSTER', 'REPAIR', 'REPLACE', 'SCALE-OUT', 'SCALE-IN', 'SIZE', 'DESIRED', 'BROKERS'],
          ...rows.map((row) => row.map(printable)),
        ]),
    lines(details),
    intents.length === 0 ? 'No intents.\n' : renderIntents(intents, now),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

export function renderIntents(intents: readonly Intent[], now: number): string {
  if (intents.length === 0) return 'No intents.\n';
  const rows = intents.map((intent) => [
    intent.id,
    intent.state,
    intent.cluster,
    intent.action,
    intent.target,
    ago(now, intent.createdAt),
    intent.blockedBy === null ? intent.lastWord || intent.reason : `${intent.blockedBy.guard}: ${intent.blockedBy.sentence}`,
  ]);
  return table([['ID', 'STATE', 'CLUSTER', 'ACTION', 'TARGET', 'AGE', 'WHY'], ...rows.map((row) => row.map(printable))]);
}

export function renderIntent(intent: z.output<typeof shownIntentSchema>, now: number): string {
  const { lease } = intent;
  const facts = [
    ['intent', intent.id],
    ['act', `${intent.action} ${intent.target} of ${intent.cluster}`],
    ['state', `${intent.state} for ${ago(now, intent.changedAt)}`],
    ['mode', intent.mode],
    ['reason', intent.reason],
    ...(intent.approvedBy === undefined ? [] : [['approved by', intent.approvedBy]]),
    ...(lease === undefined ? [] : [['lease', `${lease.executor}, fencing token ${lease.fencingToken}`]]),
    ...(intent.opensAt > now ? [['opens in', humanDuration(intent.opensAt - now)]] : []),
    ...(intent.expiresAt > now ? [['expires in', humanDuration(intent.expiresAt - now)]] : []),
    ...(intent.lastWord === '' ? [] : [['last word', intent.lastWord]]),
  ];
  const head = table(facts.map((row) => row.map(printable)));
  return `${head}\nGuards:\n${renderGuards(intent.guards)}\nJournal, newest first:\n${renderJournal(intent.journal)}`;
}

export function renderGuards(guards: readonly z.output<typeof guard>[]): string {
  return table(
    guards.map(({ guard: name, holds, approvable, sentence }) =>
      [holds ? (approvable === true ? 'ASKS' : 'HOLDS') : 'ok', name, sentence].map(printable),
    ),
  );
}

export function renderJournal(journal: z.output<typeof journalSchema>['lines']): string {
  if (journal.length === 0) return 'Nothing is written yet.\n';
  const rows = journal.map(({ at, shard, kind, text }) => [timeText(at), shard === '' ? '-' : shard, kind, text].map(printable));
  return table([['TIME', 'CLUSTER', 'KIND', 'WHAT'], ...rows]);
}

export function renderReport({ since, acts, totals, promotion, truncated }: z.output<typeof reportSchema>): string {
  const counts = totals.map((one) => [one.action, one.needed, one.healed, one.wrong, one.blocked, one.drilled].map((cell) => String(cell)));
  const rows = acts.map((act) =>
    [
      timeText(act.at),
      act.cluster,
      act.action + (act.drill ? ' (drill)' : ''),
      act.broker < 0 ? '-' : String(act.broker),
      act.outcome,
      humanDuration(act.tookMs),
      act.text,
    ].map(printable),
  );
  const gates = promotion.flatMap(({ action, conditions }) => [
    `Promotion of ${action}:`,
    ...conditions.map(({ met, sentence }) => `  ${met ? 'met    ' : 'NOT MET'}  ${sentence}`),
  ]);
  return [
    `Since ${timeText(since)}${truncated ? ' (the journal is longer than what was read)' : ''}:\n`,
    table([['ACTION', 'NEEDED', 'HEALED BY ITSELF', 'WRONG', 'BLOCKED', 'DRILLED'], ...counts]),
    rows.length === 0 ? '' : `\n${table([['TIME', 'CLUSTER', 'ACTION', 'BROKER', 'OUTCOME', 'TOOK', 'WHAT'], ...rows])}`,
    gates.length === 0 ? '' : `\n${lines(gates)}`,
  ].join('');
}

export function renderSimulation({ sentences, intents }: z.output<typeof simulationSchema>): string {
  const parts = intents.map(
    ({ action, target, mode, state, guards }) => `\n${printable(`${action} ${target}`)}, mode ${mode}: ${state}\n${renderGuards(guards)}`,
  );
  return lines(sentences) + parts.join('');
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${printable(text)}\n`).join('');
}

function ago(now: number, at: number): string {
  return humanDuration(Math.max(0, now - at));
}

function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
