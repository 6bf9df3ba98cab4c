import { describe, expect, it } from '@jest/globals';
import { mailHtml } from '../../src/notifiers/email/mail-html.ts';
import { mailText } from '../../src/notifiers/email/mail-text.ts';
import { buildMessage, DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { rootText } from '../../src/notifiers/slack/blocks.ts';
import { webhookBody } from '../../src/notifiers/webhook/webhook-body.ts';
import { SCENARIOS } from './scenarios.ts';

/** Links and marks taken off, as a reader sees it. */
function read(mrkdwn: string): string {
  return mrkdwn
    .replaceAll(/<(https?:[^|>]+)\|Runbook>/g, 'Runbook: $1')
    .replaceAll(/\*(You:)\*/g, '$1')
    .replaceAll(/ {2,}/g, ' ');
}

describe.each(SCENARIOS)('$name', ({ notification, line1, line2, subject }) => {
  const message = buildMessage(notification, DEFAULT_MESSAGE_OPTIONS);

  it('has these two lines in Slack', () => {
    const { text, blocks } = rootText(message, { timezone: undefined, mention: '' });
    expect(text).toBe(line1);
    const sections = blocks.flatMap((block) => (block.type === 'section' && 'text' in block ? [read(block.text.text)] : []));
    expect(sections[1]).toBe(line2);
  });

  it('has these two lines in a mail, and this subject', () => {
    const [first = '', second = ''] = mailText(message, undefined).split('\n\n');
    // A mail has room for all of what a phone's lock screen cuts.
    expect(first.startsWith(line1.replace(/…$/, ''))).toBe(true);
    expect(second.replaceAll('\n', ' ')).toBe(line2);
    expect(`[${message.state}] ${message.subject}`).toBe(subject);
    expect(mailHtml(message, undefined)).toContain('<b>You:</b>');
  });

  it('carries the same facts in a webhook', () => {
    const { alerts, status } = webhookBody(notification, { externalUrl: '', maxAlerts: 100 });
    expect(status).toBe(notification.status);
    expect(alerts.map(({ annotations }) => annotations)).toEqual(notification.alerts.map(({ annotations }) => annotations.toObject()));
  });
});
