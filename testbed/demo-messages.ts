import { arrivalTime } from './arrivals.ts';
import type { Stage } from './stage.ts';

/** Marks of what had arrived in the three sinks at a moment. */
export interface Mark {
  readonly at: number;
  readonly slack: number;
  readonly mails: number;
  readonly requests: number;
}

export function mark(stage: Stage): Mark {
  return { at: arrivalTime(), slack: stage.slack.events.count, mails: stage.mail.mails.count, requests: stage.webhook.requests.count };
}

export interface Told {
  readonly slackMs: number;
  readonly mailMs: number;
  readonly webhookMs: number;
  /** The line a phone shows. */
  readonly line: string;
}

/** Waits until all three sinks have something new since the mark; milliseconds from the mark. */
export async function told(stage: Stage, since: Mark, timeoutMs: number): Promise<Told> {
  const [slack, mail, webhook] = await Promise.all([
    stage.slack.next(({ type }) => type !== 'refused', { since: since.slack, timeoutMs }),
    stage.mail.next(() => true, { since: since.mails, timeoutMs }),
    stage.webhook.next(() => true, { since: since.requests, timeoutMs }),
  ]);
  return {
    slackMs: Math.round(slack.at - since.at),
    mailMs: Math.round(mail.at - since.at),
    webhookMs: Math.round(webhook.at - since.at),
    line: stage.slack.messages('#team').at(-1)?.text ?? '',
  };
}
