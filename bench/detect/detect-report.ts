import type { BenchReport, Figure, Table } from '../bench.ts';
import { distributionOf, milliseconds } from '../statistics.ts';
import { SETTINGS_NOTE } from './belfry-stage.ts';
import { COLUMNS, killFigures, killNotes, killTables, row, toldBy } from './kill-report.ts';
import type { KillRound } from './kill-rounds.ts';
import type { LeaderlessRound } from './leaderless.ts';
import type { PeerRound } from './prometheus-peer.ts';

/** All that was measured. */
export interface Detected {
  readonly sessionMs: number;
  readonly wanted: { readonly kills: number; readonly losses: number; readonly peer: boolean };
  kills: readonly KillRound[];
  leaderless: readonly LeaderlessRound[];
  peer: MeasuredPeer | undefined;
}

export interface MeasuredPeer {
  readonly version: string;
  readonly rounds: readonly PeerRound[];
  /** Why it could not be measured to the end. */
  readonly broken: string | undefined;
}

export function reportOf(detected: Detected): BenchReport {
  const { kills, leaderless, peer } = detected;
  return {
    tables: [...(kills.length === 0 ? [] : killTables(kills)), ...peerTable(detected), ...leaderlessTable(leaderless)],
    notes: notesOf(detected),
    figures: [...(kills.length === 0 ? [] : killFigures(kills)), ...leaderlessFigures(leaderless), ...peerFigures(detected)],
    results: { sessionMs: detected.sessionMs, kills, leaderless, ...(peer === undefined ? {} : { peer }) },
  };
}

function peerTable({ peer }: Detected): readonly Table[] {
  if (peer === undefined || peer.rounds.length === 0) return [];
  const told = distributionOf(peer.rounds.map(({ toldMs }) => toldMs));
  const title = `kill -9 → webhook, ${peer.version} at 1 s, ${peer.rounds.length} kills`;
  return [{ title, columns: COLUMNS, rows: [row('webhook', told)] }];
}

function leaderlessTable(rounds: readonly LeaderlessRound[]): readonly Table[] {
  if (rounds.length === 0) return [];
  return [
    {
      title: `leaderless partitions, LeaderLoss at "for: 0s", ${rounds.length} losses`,
      columns: COLUMNS,
      rows: [
        row('kill → observer sees it', distributionOf(rounds.map(({ seenMs }) => seenMs))),
        row('observer → webhook', distributionOf(rounds.map(({ toldMs }) => toldMs))),
      ],
    },
  ];
}

function leaderlessFigures(rounds: readonly LeaderlessRound[]): readonly Figure[] {
  if (rounds.length === 0) return [];
  const told = distributionOf(rounds.map(({ toldMs }) => toldMs));
  return [
    { name: 'leaderless p50', value: told.p50, unit: 'ms' },
    { name: 'leaderless max', value: told.max, unit: 'ms' },
  ];
}

function peerFigures(detected: Detected): readonly Figure[] {
  const ratio = ratioOf(detected);
  if (detected.peer === undefined || ratio === undefined) return [];
  const told = distributionOf(detected.peer.rounds.map(({ toldMs }) => toldMs));
  return [
    { name: 'Prometheus webhook p50', value: told.p50, unit: 'ms' },
    { name: 'Belfry faster', value: ratio, unit: 'times' },
  ];
}

/** The peer's median over Belfry's, webhook to webhook; undefined where one of them has none. */
function ratioOf({ peer, kills }: Detected): number | undefined {
  if (peer === undefined || peer.rounds.length === 0 || kills.length === 0) return undefined;
  return distributionOf(peer.rounds.map(({ toldMs }) => toldMs)).p50 / toldBy(kills, 'webhook').p50;
}

function notesOf(detected: Detected): readonly string[] {
  const { kills, leaderless, peer, wanted, sessionMs } = detected;
  const notes = [...killNotes(kills)];
  for (const [index, { broker, toldMs }] of leaderless.entries()) {
    if (toldMs === undefined) notes.unshift(`MISS: leader loss ${index + 1} (broker ${broker}) did not reach the webhook`);
  }
  const missed = peer?.rounds.filter(({ toldMs }) => toldMs === undefined).length ?? 0;
  if (missed > 0) notes.unshift(`MISS of the peer: ${missed} of ${peer?.rounds.length} kills did not reach its webhook`);
  if (peer?.broken !== undefined) notes.unshift(`BROKEN peer: ${peer.broken}`);
  if (kills.length < wanted.kills || leaderless.length < wanted.losses) notes.unshift('ended early');
  if (wanted.peer && peer === undefined) notes.push('no peer beside it: prometheus and prometheus-alertmanager are not installed');
  const ratio = ratioOf(detected);
  if (ratio !== undefined && peer !== undefined)
    notes.push(
      `${peer.version}: scrape and evaluation every 1 s, for: 0s, group_wait: 0s, up of jmx_exporter's agent in each broker; ` +
        `its median is ${ratio.toFixed(1)} times Belfry's, webhook to webhook, each measured alone on the same cluster`,
    );
  notes.push(SETTINGS_NOTE);
  notes.push(
    `session time-out of the brokers ${milliseconds(sessionMs)}; every broker led partitions when it was killed (one that leads ` +
      'nothing is judged 250 ms later, see docs/decisions/0004)',
  );
  return notes;
}
