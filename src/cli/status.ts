import type { Command } from 'commander';
import { z } from 'zod';
import { humanDuration } from '../core/duration.ts';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { printable, table } from './table.ts';

const statusSchema = z.object({
  version: z.string(),
  startedAt: z.number(),
  configFile: z.string().optional(),
  configHash: z.string(),
  clusters: z.array(
    z.object({
      name: z.string(),
      owner: z.string().optional(),
      brokersUp: z.number(),
      brokersExpected: z.number(),
      unknown: z.string().optional(),
    }),
  ),
  outbox: z.object({ waiting: z.number(), oldestMs: z.number() }),
});
const alertsSchema = z.object({
  data: z.object({ alerts: z.array(z.object({ labels: z.record(z.string(), z.string()), state: z.string() })) }),
});
type Status = z.output<typeof statusSchema>;
type Alerts = z.output<typeof alertsSchema>['data']['alerts'];

/** `belfry status`: every cluster in a line, and how Belfry itself does. */
export function statusCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('status'))
    .description('every cluster in a line: its brokers, what fires, and what is not known; and how Belfry itself does')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nA cluster that Belfry cannot see whole is unknown, with the reason, never OK.\n\nExit status: 0, also when something is wrong.',
    )
    .action(async (options: ClientOptions & { json?: boolean }) => {
      const client = new BelfryClient(options, context);
      const [status, alerts, ready] = await Promise.all([
        client.ask(statusSchema, 'GET', '/api/belfry/v1/status'),
        client.ask(alertsSchema, 'GET', '/api/v1/alerts'),
        client.probe('GET', '/-/ready'),
      ]);
      const firing = alerts.data.alerts.filter(({ state, labels }) => state === 'firing' && labels['severity'] !== 'none');
      const trouble = ready.ok ? [] : ready.text.trim().split('\n');
      const text =
        options.json === true
          ? `${JSON.stringify({ ...status, ready: ready.ok, trouble, firing: firing.length }, null, 2)}\n`
          : render(status, firing, trouble, context.clock.wall());
      context.out.write(text);
    });
}

function render(status: Status, firing: Alerts, trouble: readonly string[], now: number): string {
  const rows = status.clusters.map((cluster) => {
    const { name, owner = '-', brokersUp, brokersExpected } = cluster;
    const own = firing.filter(({ labels }) => labels['cluster'] === name);
    return [name, owner, stateOf(cluster, own), `${brokersUp} of ${brokersExpected} up`, countsOf(own)].map(printable);
  });
  const { version, configFile = 'none', configHash, outbox } = status;
  const others = firing.filter(({ labels }) => !status.clusters.some(({ name }) => name === labels['cluster']));
  return [
    rows.length === 0 ? 'No cluster is watched.\n' : table([['CLUSTER', 'OWNER', 'STATE', 'BROKERS', 'FIRING'], ...rows]),
    `Belfry ${version}, up for ${humanDuration(now - status.startedAt)}; configuration ${printable(configFile)} (${configHash})\n`,
    `${others.length === 0 ? 'Nothing fires' : `${countsOf(others)} fire`} outside these clusters; ${outbox.waiting} messages wait\n`,
    ...trouble.map((line) => `${printable(line)}\n`),
  ].join('');
}

function stateOf({ unknown, brokersExpected }: Status['clusters'][number], own: Alerts): string {
  if (unknown !== undefined) return `unknown: ${unknown}`;
  if (brokersExpected === 0) return 'unknown: no broker has been seen yet';
  return own.some(({ labels }) => labels['severity'] === 'critical' || labels['severity'] === 'page')
    ? 'CRITICAL'
    : own.length > 0
      ? 'warning'
      : 'OK';
}

/** `2 critical, 1 warning`; `-` for none. */
function countsOf(alerts: Alerts): string {
  const counts = Map.groupBy(alerts, ({ labels }) => labels['severity'] ?? 'warning');
  return alerts.length === 0
    ? '-'
    : [...counts]
        .map(([severity, { length }]) => `${length} ${severity}`)
        .toSorted()
        .join(', ');
}
