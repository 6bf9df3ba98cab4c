import { type Clock, SystemClock } from '../../src/core/clock.ts';
import type { Alert } from '../../src/core/alert.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { NOT_MUTED, type MutedBy } from '../../src/core/silence.ts';
import type { AlertStatusView } from '../../src/http/quiet-ports.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { matchesAll } from '../../src/core/matcher.ts';
import type { SilenceStore } from '../../src/routing/ports.ts';
import { SilenceBook } from '../../src/routing/silences.ts';
import { serverWith } from './harness.ts';

/** Keeps nothing. */
const STORE: SilenceStore = {
  durable: true,
  durably: (write) => {
    write();
    return true;
  },
  loadSilences: () => [],
  saveSilence: () => undefined,
  deleteSilence: () => undefined,
  loadFiringKeys: () => [],
  loadMutedAlerts: () => [],
  saveMutedAlert: () => undefined,
  deleteMutedAlert: () => undefined,
};

export function silencesInMemory(clock: Clock): SilenceBook {
  return new SilenceBook({ store: STORE, clock, log: silentLogger });
}

export function alertNamed(name: string, labels: Readonly<Record<string, string>>, more: Partial<Alert> = {}): Alert {
  return {
    labels: Labels.of({ alertname: name, ...labels }),
    annotations: Labels.empty,
    status: 'firing',
    startsAt: 1_700_000_000_000,
    endsAt: 1_700_000_060_000,
    value: 1,
    generatorUrl: '',
    source: { kind: 'rule', file: 'rules.yaml', group: 'g', rule: name },
    ...more,
  };
}

export function statusOf(alert: Alert, receiver: string, mutedBy: Partial<MutedBy> = {}): AlertStatusView {
  return { alert, receivers: receiver === '' ? [] : [receiver], mutedBy: { ...NOT_MUTED, ...mutedBy }, updatedAt: alert.startsAt };
}

/** A server that listens, with the real silences and these alerts, muted by whatever silences are active. */
export async function listeningServer(
  alerts: () => readonly AlertStatusView[],
  clock: Clock = new SystemClock(),
): Promise<{ server: HttpServer; silences: SilenceBook }> {
  const silences = silencesInMemory(clock);
  const receivers = ['owner/orders', 'owner/pay'];
  const views = (): readonly AlertStatusView[] =>
    alerts().map((view) => {
      const by = silences.active().filter(({ matchers }) => matchesAll(matchers, view.alert.labels));
      return { ...view, mutedBy: { ...view.mutedBy, silences: by.map(({ id }) => id).toSorted() } };
    });
  const { serverOptions } = serverWith({
    ports: { silences, alertStatus: { alerts: views, receivers: () => receivers, mutedHistory: () => [] } },
  });
  return { server: await startHttpServer({ ...serverOptions, clock }), silences };
}
