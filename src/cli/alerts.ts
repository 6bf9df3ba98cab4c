import type { Command } from 'commander';
import { z } from 'zod';
import { humanDuration } from '../core/duration.ts';
import { Labels } from '../core/labels.ts';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { mutedHistory } from './muted-history.ts';
import { mutedText, parseTimezone, readFiringAlerts, readSilences, timesIn } from './silence-view.ts';
import { printable, table } from './table.ts';
import { CLEAR_SCREEN, watch } from './watch.ts';

const alertSchema = z.object({
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  state: z.string(),
  activeAt: z.string(),
  value: z.string(),
});
const answerSchema = z.object({ data: z.object({ alerts: z.array(alertSchema) }) });
type Alert = z.output<typeof alertSchema> & {
  /** Why nobody is told; empty where people are, and for what is pending. */
  readonly muted: string;
};

type AlertsOptions = ClientOptions & { cluster?: string; timezone?: string; history?: boolean; watch?: boolean; json?: boolean };

/** `belfry alerts`: what is pending and firing now, and whether people are told. */
export function alertsCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('alerts'))
    .description('list the alerts that are firing or pending')
    .option('--cluster <name>', 'only those of one cluster')
    .option('--timezone <name>', "zone of the times that are shown; this machine's", parseTimezone)
    .option('--history', 'instead those that began and ended while they were muted, so that nobody was told')
    .option('--watch', 'stay, and show changes as they come')
    .option('--json', 'as JSON; with --watch one line a change')
    .addHelpText(
      'after',
      '\n' +
        'Examples:\n' +
        '  belfry alerts\n' +
        '  belfry alerts --cluster orders-dal --watch\n' +
        '  belfry alerts --history\n' +
        '\n' +
        'Nobody is told of one that is muted; the end of its line says why. Exit status: 0, also when alerts fire.',
    )
    .action(async (options: AlertsOptions) => {
      const client = new BelfryClient(options, context);
      if (options.history === true) {
        context.out.write(await mutedHistory(client, options));
        return;
      }
      const read = async (): Promise<readonly Alert[]> => {
        const { data } = await client.ask(answerSchema, 'GET', '/api/v1/alerts');
        const mutedOf = await mutedReader(client, options.timezone);
        return sorted(
          data.alerts
            .filter(({ labels }) => options.cluster === undefined || labels['cluster'] === options.cluster)
            .map((alert) => ({ ...alert, muted: alert.state === 'firing' ? mutedOf(alert.labels) : '' })),
        );
      };
      const show = (alerts: readonly Alert[]): void => {
        const text =
          options.json === true
            ? `${JSON.stringify({ alerts }, null, options.watch === true ? 0 : 2)}\n`
            : render(alerts, context.clock.wall());
        context.out.write(options.watch === true && context.out.isTerminal && options.json !== true ? CLEAR_SCREEN + text : text);
      };
      if (options.watch !== true) {
        show(await read());
        return;
      }
      await watch(context, read, show, (alerts) =>
        alerts.map(({ labels, state, annotations, muted }) => [labels, state, annotations, muted]),
      );
    });
}

/** Why an alert of these labels is muted. */
async function mutedReader(
  client: BelfryClient,
  timezone: string | undefined,
): Promise<(labels: Readonly<Record<string, string>>) => string> {
  const alerts = await readFiringAlerts(client);
  const silences = alerts.some(({ silencedBy }) => silencedBy.length > 0) ? await readSilences(client) : [];
  const byKey = new Map(alerts.map((alert) => [alert.labels.key, alert]));
  return (labels) => {
    const alert = byKey.get(Labels.of(labels).key);
    return alert === undefined ? '' : mutedText(alert, silences, alerts, timesIn(timezone));
  };
}

function render(all: readonly Alert[], now: number): string {
  // The Watchdog always fires, for machines: it would stand in every list.
  const alerts = all.filter(({ labels }) => labels['severity'] !== 'none');
  if (alerts.length === 0) return 'No alerts.\n';
  const rows = alerts.map(({ labels, annotations, state, activeAt, muted }) =>
    [
      (state === 'firing' ? (labels['severity'] ?? 'firing').toUpperCase() : state) + (muted === '' ? '' : ' muted'),
      labels['cluster'] ?? '-',
      labels['alertname'] ?? '',
      humanDuration(now - Date.parse(activeAt)),
      (annotations['summary'] ?? annotations['description'] ?? '') + (muted === '' ? '' : ` [${muted}]`),
    ].map(printable),
  );
  return table([['STATE', 'CLUSTER', 'ALERT', 'FOR', 'SUMMARY'], ...rows]);
}

const ORDER = ['critical', 'page', 'warning', 'info'];

function sorted(alerts: readonly Alert[]): readonly Alert[] {
  const rank = ({ state, labels }: Alert): number => {
    const place = ORDER.indexOf(labels['severity'] ?? '');
    return (state === 'firing' ? 0 : ORDER.length + 1) + (place < 0 ? ORDER.length : place);
  };
  return alerts.toSorted((a, b) => rank(a) - rank(b) || a.activeAt.localeCompare(b.activeAt));
}
