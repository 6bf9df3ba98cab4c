import type { Alert } from '../core/alert.ts';
import { Labels } from '../core/labels.ts';
import { noteText } from './event-text.ts';

/** Name of the alert that a loud note raises where nothing fires. */
export const NOTE_ALERT = 'AutopilotNote';

/** As long as an approval may be waited for; a further loud note begins it anew. */
export const NOTE_LIFE_MS = 30 * 60_000;

/** A sentence for the owner of a cluster (of Belfry's own where the cluster is empty); `broker` undefined: about no single one. */
export interface Note {
  readonly cluster: string;
  readonly broker: number | undefined;
  readonly text: string;
  /** People must be pinged, now. */
  readonly loud: boolean;
  /** Belfry time. */
  readonly at: number;
}

/**
 * An incident is its alerts: they say whether it fires, how bad it is, what its messages show and when it is closed. So a
 * loud note where nothing fires is an alert with a limited life rather than an incident without alerts, which every
 * reader of incidents would have to know about. It ends when its life is over, and its incident by the usual rules.
 */
export function noteAlert({ cluster, broker, text, at }: Note): Alert {
  const labels: Record<string, string> = { alertname: NOTE_ALERT, severity: 'warning' };
  if (cluster !== '') labels['cluster'] = cluster;
  if (broker !== undefined) labels['broker'] = String(broker);
  return {
    labels: Labels.of(labels),
    annotations: Labels.of({
      summary: noteText(text),
      belfry_do: 'Read what the auto-pilot says here; `belfry autopilot` shows where it stands.',
    }),
    status: 'firing',
    startsAt: at,
    endsAt: at + NOTE_LIFE_MS,
    value: 1,
    generatorUrl: '',
    source: { kind: 'api', file: '', group: 'autopilot', rule: NOTE_ALERT },
  };
}
