import type { FastifyInstance, FastifyRequest } from 'fastify';
import { compareNames, type Labels } from '../../core/labels.ts';
import { matchesAll } from '../../core/matcher.ts';
import { isMuted, type MutedBy } from '../../core/silence.ts';
import type { AlertStatusView } from '../quiet-ports.ts';
import { NOBODY, type AlertmanagerContext } from './alertmanager-context.ts';
import { filterParameter, receiverParameter, switchParameter } from './alertmanager-parameters.ts';
import { parametersOf } from './parameters.ts';

/** An alert as Alertmanager shows it (`gettableAlert`); `mutedBy` as since its 0.28. */
interface GettableAlert {
  readonly annotations: Readonly<Record<string, string>>;
  readonly endsAt: string;
  readonly fingerprint: string;
  readonly receivers: readonly { readonly name: string }[];
  readonly startsAt: string;
  readonly status: {
    readonly inhibitedBy: readonly string[];
    readonly mutedBy: readonly string[];
    readonly silencedBy: readonly string[];
    readonly state: 'unprocessed' | 'active' | 'suppressed';
  };
  readonly updatedAt: string;
  readonly generatorURL?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** `/api/v2/alerts` and `/api/v2/alerts/groups`: what fires, and who is told or why not. */
export function alertmanagerAlertRoutes(scope: FastifyInstance, { access, ports }: AlertmanagerContext): void {
  scope.get('/alerts', async (request) => {
    access.require('read', request.headers);
    const views = ports.alertStatus.alerts();
    const fingerprints = fingerprintsOf(views);
    return wanted(request, views)
      .map((view) => gettable(view, fingerprints))
      .toSorted((a, b) => compareNames(a.fingerprint, b.fingerprint));
  });

  scope.get('/alerts/groups', async (request) => {
    access.require('read', request.headers);
    const all = ports.alertStatus.alerts();
    const fingerprints = fingerprintsOf(all);
    const isReceiver = receiverParameter(parametersOf(request));
    const groups = new Map<string, { labels: Labels; receiver: string; views: AlertStatusView[] }>();
    for (const view of wanted(request, all)) {
      for (const receiver of receiversOf(view)) {
        if (!isReceiver(receiver)) continue;
        const labels = groupLabels(view.alert.labels);
        const key = `${receiver}\n${labels.key}`;
        const group = groups.get(key) ?? { labels, receiver, views: [] };
        groups.set(key, group);
        group.views.push(view);
      }
    }
    return [...groups.values()]
      .toSorted((a, b) => compareSets(a.labels, b.labels) || compareNames(a.receiver, b.receiver))
      .map(({ labels, receiver, views }) => ({
        alerts: views.toSorted((a, b) => compareAlerts(a.alert.labels, b.alert.labels)).map((view) => gettable(view, fingerprints)),
        labels: labels.toObject(),
        receiver: { name: receiver },
      }));
  });
}

/** Those that the query parameters let through: `filter`, `receiver`, `active`, `silenced`, `inhibited`, `muted`, `unprocessed`. */
function wanted(request: FastifyRequest, views: readonly AlertStatusView[]): readonly AlertStatusView[] {
  const parameters = parametersOf(request);
  const filter = filterParameter(parameters);
  const isReceiver = receiverParameter(parameters);
  const [active, silenced, inhibited, muted, unprocessed] = ['active', 'silenced', 'inhibited', 'muted', 'unprocessed'].map((name) =>
    switchParameter(parameters, name),
  );
  return views.filter((view) => {
    const { silences, inhibitedBy, maintenance, starting } = view.mutedBy;
    if (active === false && !isMuted(view.mutedBy)) return false;
    if (silenced === false && silences.length > 0) return false;
    if (inhibited === false && inhibitedBy.length > 0) return false;
    if (muted === false && maintenance.length > 0) return false;
    if (unprocessed === false && starting) return false;
    return receiversOf(view).some((name) => isReceiver(name)) && matchesAll(filter, view.alert.labels);
  });
}

function receiversOf({ receivers }: AlertStatusView): readonly string[] {
  return receivers.length === 0 ? [NOBODY] : receivers;
}

function gettable(view: AlertStatusView, fingerprints: ReadonlyMap<string, string>): GettableAlert {
  const { alert, mutedBy, updatedAt } = view;
  return {
    annotations: alert.annotations.toObject(),
    endsAt: new Date(alert.endsAt).toISOString(),
    fingerprint: alert.labels.fingerprint,
    receivers: receiversOf(view).map((name) => ({ name })),
    startsAt: new Date(alert.startsAt).toISOString(),
    status: {
      inhibitedBy: mutedBy.inhibitedBy.map((key) => fingerprints.get(key) ?? key),
      mutedBy: mutedBy.maintenance,
      silencedBy: mutedBy.silences,
      state: stateOf(mutedBy),
    },
    updatedAt: new Date(updatedAt).toISOString(),
    ...(alert.generatorUrl === '' ? {} : { generatorURL: alert.generatorUrl }),
    labels: alert.labels.toObject(),
  };
}

/** While Belfry is starting it has not been decided who is told, which is what Alertmanager calls unprocessed. */
function stateOf(mutedBy: MutedBy): GettableAlert['status']['state'] {
  if (isMuted({ ...mutedBy, starting: false })) return 'suppressed';
  return mutedBy.starting ? 'unprocessed' : 'active';
}

/** Of every alert that fires by its identity: what inhibits is one of them. */
function fingerprintsOf(views: readonly AlertStatusView[]): ReadonlyMap<string, string> {
  return new Map(views.map(({ alert }) => [alert.labels.key, alert.labels.fingerprint]));
}

/** As messages are grouped: by cluster, and Belfry's own by their name. */
function groupLabels(labels: Labels): Labels {
  return labels.keep([labels.has('cluster') ? 'cluster' : 'alertname']);
}

/** Alertmanager's order within a group (types.AlertSlice): job, instance, then the label sets. */
function compareAlerts(a: Labels, b: Labels): number {
  return compareNames(a.get('job'), b.get('job')) || compareNames(a.get('instance'), b.get('instance')) || compareSets(a, b);
}

/** prometheus/common's `LabelSet.Before`: fewer labels first, then name by name the one that has it, then its value. */
function compareSets(a: Labels, b: Labels): number {
  if (a.size !== b.size) return a.size - b.size;
  for (const name of [...new Set([...a, ...b].map(([label]) => label))].toSorted(compareNames)) {
    if (a.has(name) !== b.has(name)) return a.has(name) ? 1 : -1;
    const order = compareNames(a.get(name), b.get(name));
    if (order !== 0) return order;
  }
  return 0;
}
