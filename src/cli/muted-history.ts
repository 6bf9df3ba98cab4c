import { z } from 'zod';
import type { BelfryClient } from './client.ts';
import { timesIn } from './silence-view.ts';
import { printable, table } from './table.ts';

const mutedSchema = z.object({
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  startsAt: z.number(),
  endsAt: z.number(),
  because: z.string(),
});
const answerSchema = z.object({ alerts: z.array(mutedSchema) });

/** The alerts that began and ended while they were muted, latest first, as text. */
export async function mutedHistory(
  client: BelfryClient,
  { cluster, timezone, json }: { readonly cluster?: string; readonly timezone?: string; readonly json?: boolean },
): Promise<string> {
  const answer = await client.ask(answerSchema, 'GET', '/api/belfry/v1/alerts/muted');
  const alerts = answer.alerts.filter(({ labels }) => cluster === undefined || labels['cluster'] === cluster);
  if (json === true) return `${JSON.stringify({ alerts }, null, 2)}\n`;
  if (alerts.length === 0) return 'No alert has ended without anybody being told.\n';
  const times = timesIn(timezone);
  const rows = alerts.map(({ labels, annotations, startsAt, endsAt, because }) =>
    [
      times.full(startsAt),
      times.full(endsAt),
      labels['cluster'] ?? '-',
      labels['alertname'] ?? '',
      `${annotations['summary'] ?? annotations['description'] ?? ''} [${because}]`.trim(),
    ].map(printable),
  );
  return table([['BEGAN', 'ENDED', 'CLUSTER', 'ALERT', 'SUMMARY'], ...rows]);
}
