import { effectsBesideLine, whenText } from '../message.ts';
import { TimeText } from '../time-text.ts';
import type { Message } from '../message.ts';

/** Events of the story that a mail tells; the latest. */
export const MAIL_EVENTS = 10;

/** The message as plain text, in the order in which it is read on a phone. */
export function mailText(message: Message, timezone: string | undefined): string {
  const time = TimeText.in(timezone);
  const { runbook, autopilot, descriptions, fields, alerts, alertsLeft, events, open } = message;
  const sections = [
    message.headline,
    [`You: ${message.you}`, autopilot, runbook === undefined ? '' : `Runbook: ${runbook.url ?? runbook.text}`]
      .filter((text) => text !== '')
      .join('\n'),
    titled(effectTitle(message), effectsBesideLine(message)),
    titled('What happened', descriptions),
    fields.map(({ name, value }) => `${`${name}:`.padEnd(10)} ${value}`).join('\n'),
    alerts.length < 2
      ? ''
      : titled('Alerts', [
          ...alerts.map((alert) => `- ${alert.state} ${alert.text}, ${whenText(alert, time.at(alert.at, message.at))}`),
          ...(alertsLeft === 0 ? [] : [`+ ${alertsLeft} more`]),
        ]),
    events.length < 2
      ? ''
      : titled(
          'The story',
          events.slice(-MAIL_EVENTS).map(({ at, text }) => `${time.at(at, message.at)}  ${text}`),
        ),
    open === undefined ? '' : `Belfry: ${open}`,
    `-- \n${message.footer}`,
  ];
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

function titled(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}\n${lines.join('\n')}`;
}

/** Heading of the effects. */
export function effectTitle({ state }: Message): string {
  return state === 'RESOLVED' ? 'What it meant for your clients' : 'What it means for your clients';
}
