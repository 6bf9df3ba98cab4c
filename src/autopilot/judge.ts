import { isEnded, type Action, type GuardVerdict, type Intent, type Mode } from '../core/autopilot.ts';
import type { Clock } from '../core/clock.ts';
import type { GuardContext } from './guards/context.ts';
import { evaluateGuards } from './guards/guards.ts';
import type { ClusterPicture, Confirmation } from './picture.ts';
import type { ClusterObserver, IntentJudge, PolicySource } from './ports.ts';

const HOUR_MS = 3_600_000;

/** What a judgement rests on besides the picture. */
export interface JudgeOptions {
  readonly observer: Pick<ClusterObserver, 'picture' | 'confirm'>;
  readonly policies: PolicySource;
  readonly startedAt: number;
  readonly durable: () => boolean;
  readonly control: {
    halted(): string | undefined;
    breaker(): string | undefined;
    holdsFor(cluster: string): readonly string[];
    modeOf(cluster: string, action: Action): Mode;
  };
  readonly book: () => {
    all(): readonly Intent[];
    inFlight(): readonly Intent[];
    actsSince(at: number): GuardContext['actsLastHour'];
  };
  /** Brokers that evidence or liveness says are in trouble, as this picture shows them. */
  readonly troubled: (cluster: string, picture: ClusterPicture | undefined) => ReadonlySet<number>;
  /** Whether the broker's recovery has stood still for too long to be left alone. */
  readonly recoveryStalled: (cluster: string, broker: number) => boolean;
  readonly clock: Clock;
}

/** Puts together what the guards look at, and asks them all. */
export class PilotJudge implements IntentJudge {
  readonly #options: JudgeOptions;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  made(intent: Intent): readonly GuardVerdict[] {
    return this.judge(intent, this.#options.observer.picture(intent.cluster));
  }

  /** Judged on what two brokers say that are asked after this call. */
  async lease(intent: Intent): Promise<readonly GuardVerdict[]> {
    const confirmation = await this.#options.observer.confirm(intent.cluster);
    // The newest picture stands in where nobody answered: that alone blocks, and the others' sentences stay of use.
    return this.judge(intent, confirmation.picture ?? this.#options.observer.picture(intent.cluster), confirmation);
  }

  /** On a picture given, such as one of a simulation. With a confirmation it is judged as for a lease. */
  judge(intent: Intent, picture: ClusterPicture | undefined, confirmation?: Confirmation): readonly GuardVerdict[] {
    return evaluateGuards(this.#contextOf(intent, picture, confirmation));
  }

  #contextOf(intent: Intent, picture: ClusterPicture | undefined, confirmation: Confirmation | undefined): GuardContext {
    const { policies, startedAt, durable, control, book, clock, troubled, recoveryStalled } = this.#options;
    const { cluster, action, broker, incidentId, desiredBrokers, drill } = intent;
    const now = clock.now();
    return {
      now,
      action,
      broker,
      incidentId,
      desiredBrokers,
      mode: control.modeOf(cluster, action),
      drill,
      approved: intent.approvedBy !== undefined,
      moment: confirmation === undefined ? 'made' : 'lease',
      picture,
      confirmation,
      policy: policies.cluster(cluster),
      fleet: policies.fleet(),
      startedAt,
      durable: durable(),
      halted: control.halted(),
      breaker: control.breaker(),
      holds: control.holdsFor(cluster),
      inFlight: book()
        .inFlight()
        .filter(({ id }) => id !== intent.id),
      actsLastHour: book().actsSince(now - HOUR_MS),
      lastActOfOtherIncidentAt: lastActOfOther(book().all(), cluster, incidentId),
      // Moves that run while an intent that was leased before is judged again are what it has begun itself.
      ownReassignment: intent.lease !== undefined && action !== 'repair',
      cruiseControlBusy: picture?.cruiseControlBusy,
      troubled: troubled(cluster, picture),
      recoveryStalled: broker !== undefined && recoveryStalled(cluster, broker),
    };
  }
}

/** When the last act in the cluster that belonged to another incident ended; 0 where there was none. */
function lastActOfOther(intents: readonly Intent[], cluster: string, incidentId: string): number {
  let last = 0;
  for (const intent of intents)
    if (intent.cluster === cluster && intent.incidentId !== incidentId && intent.lease !== undefined && isEnded(intent.state))
      last = Math.max(last, intent.changedAt);
  return last;
}
