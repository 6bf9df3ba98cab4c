import type { DeliveryOutcome, Notification, Notifier, ReceiverData } from '../../src/core/notification.ts';

/** A destination that remembers what it was told, with knobs for how it fails. */
export class FakeNotifier implements Notifier {
  readonly integration: string;
  readonly destination: string;
  /** Every attempt, delivered or not. */
  readonly attempts: { readonly notification: Notification; readonly previous: ReceiverData }[] = [];
  /** What arrived. */
  readonly delivered: Notification[] = [];
  /** Of those, the ones whose sender never heard of it. */
  readonly unanswered = new Set<Notification>();
  /** The outcomes of the next attempts; then `otherwise`. */
  readonly script: (DeliveryOutcome | 'hang' | 'throw' | 'delivered_but_no_answer')[] = [];
  otherwise: DeliveryOutcome = { kind: 'delivered' };
  /** Attempts that hang end when this is called, or when they are aborted. */
  release: (outcome: DeliveryOutcome) => void = () => undefined;
  #running = 0;
  mostAtOnce = 0;

  constructor(integration = 'webhook', destination = 'https://example.com') {
    this.integration = integration;
    this.destination = destination;
  }

  async notify(notification: Notification, previous: ReceiverData, signal: AbortSignal): Promise<DeliveryOutcome> {
    this.attempts.push({ notification, previous });
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
    try {
      const step = this.script.shift() ?? this.otherwise;
      if (step === 'throw') throw new Error('bug in the notifier');
      if (step === 'hang' || step === 'delivered_but_no_answer') {
        if (step === 'delivered_but_no_answer') {
          this.delivered.push(notification);
          this.unanswered.add(notification);
        }
        return await new Promise((resolve) => {
          this.release = (outcome) => {
            if (outcome.kind === 'delivered' && step === 'hang') this.delivered.push(notification);
            resolve(outcome);
          };
          signal.addEventListener('abort', () => resolve({ kind: 'retry', reason: 'aborted' }), { once: true });
        });
      }
      if (step.kind === 'delivered') this.delivered.push(notification);
      return step;
    } finally {
      this.#running--;
    }
  }

  get told(): readonly string[] {
    return this.delivered.map(({ reason, status, loud }) => `${reason} ${status}${loud ? ' loud' : ''}`);
  }
}
