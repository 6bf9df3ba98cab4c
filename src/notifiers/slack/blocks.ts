import { capitalised, cut, fittingLines } from '../plain-text.ts';
import { effectsBesideLine, whenText } from '../message.ts';
import { TimeText } from '../time-text.ts';
import { escapeMrkdwn, fitMrkdwn, mrkdwnLink, mrkdwnTime, plainText } from './mrkdwn.ts';
import type { Message, MessageEvent, MessageField, MessageLine } from '../message.ts';
import type { MessageState } from '../message-facts.ts';

/** The parts of Block Kit that are used (docs.slack.dev/reference/block-kit/blocks). */
export type SlackBlock =
  | { readonly type: 'header'; readonly text: { readonly type: 'plain_text'; readonly text: string; readonly emoji: true } }
  | { readonly type: 'section'; readonly text: Mrkdwn }
  | { readonly type: 'section'; readonly fields: readonly Mrkdwn[] }
  | { readonly type: 'context'; readonly elements: readonly Mrkdwn[] };

interface Mrkdwn {
  readonly type: 'mrkdwn';
  readonly text: string;
  /** Slack makes links of nothing but what is marked as one. */
  readonly verbatim: true;
}

export interface SlackText {
  /** What a notification and a screen reader say. */
  readonly text: string;
  readonly blocks: readonly SlackBlock[];
}

export const STATE_ICONS: Readonly<Record<MessageState, string>> = {
  CRITICAL: '🔴',
  WARNING: '🟠',
  INFO: '🔵',
  RESOLVED: '🟢',
  TEST: '⚪',
};

/** Slack's own limits are 50 blocks, 3,000 a section and, undocumented, about 13,200 in all. */
const MAX_SECTION = 2800;
const MAX_IN_ALL = 8000;
const MAX_TITLE = 150;
const MAX_REPLY_EVENTS = 20;

/** The message as one channel message that is edited through its life. */
export function rootText(message: Message, options: { timezone: string | undefined; mention: string }): SlackText {
  const time = TimeText.in(options.timezone);
  const heading = `${STATE_ICONS[message.state]} ${message.state}${message.where === '' ? '' : `  ${message.where}`}`;
  const required: SlackBlock[] = [
    { type: 'header', text: { type: 'plain_text', text: plainText(cut(heading, 100)), emoji: true } },
    section(
      `${options.mention === '' ? '' : `${options.mention} `}*${noStars(fitMrkdwn(capitalised(message.line), 700))}*${effectText(message)}`,
    ),
    section(whoText(message)),
    { type: 'section', fields: message.fields.slice(0, 6).map((field) => mrkdwn(fieldText(field, time))) },
  ];
  const optional: SlackBlock[] = [];
  if (message.descriptions.length > 0)
    optional.push(section(`*What happened*\n${message.descriptions.map((text) => fitMrkdwn(text, 900)).join('\n')}`));
  if (message.alerts.length > 1) optional.push(section(alertsText(message, time)));
  const context: SlackBlock = { type: 'context', elements: [mrkdwn(footerText(message))] };
  // What explains most is dropped last; a message is never refused for its size.
  let blocks = [...required, ...optional, context];
  while (optional.length > 0 && JSON.stringify(blocks).length > MAX_IN_ALL) {
    optional.pop();
    blocks = [...required, ...optional, context];
  }
  return { text: fitMrkdwn(message.title, MAX_TITLE), blocks };
}

/** What is told in the thread: for a loud one line 1 first, then the events since the last time. */
export function replyText(
  message: Message,
  events: readonly MessageEvent[],
  options: { timezone: string | undefined; loud: boolean; mention: string },
) {
  const time = TimeText.in(options.timezone);
  const told = events.slice(-MAX_REPLY_EVENTS);
  const lines = told.map(({ at, text }) => `${mrkdwnTime(at, time.full(at))} ${fitMrkdwn(text, 400)}`);
  if (told.length < events.length) lines.unshift(`_${events.length - told.length} earlier events are left out here._`);
  const first = options.loud
    ? [`${STATE_ICONS[message.state]} ${escapeMrkdwn(message.title)}${options.mention === '' ? '' : ` ${options.mention}`}`]
    : [];
  return [...first, ...fittingLines(lines, MAX_SECTION - 500).kept].join('\n');
}

function effectText(message: Message): string {
  const title = message.state === 'RESOLVED' ? 'Effect on clients while it lasted' : 'Effect on clients';
  return effectsBesideLine(message)
    .map((effect) => `\n${title}: ${fitMrkdwn(effect, 300)}`)
    .join('');
}

function whoText({ you, autopilot, runbook }: Message): string {
  const link =
    runbook === undefined
      ? ''
      : runbook.url === undefined
        ? `Runbook: ${fitMrkdwn(runbook.text, 250)}`
        : mrkdwnLink(runbook.url, runbook.text);
  return [`*You:* ${fitMrkdwn(you, 600)}`, fitMrkdwn(autopilot, 300), link].filter((text) => text !== '').join('  ');
}

function fieldText({ name, value, at }: MessageField, time: TimeText): string {
  return `*${escapeMrkdwn(name)}*\n${at === undefined ? fitMrkdwn(value, 300) : mrkdwnTime(at, time.full(at))}`;
}

function alertsText({ alerts, alertsLeft, open }: Message, time: TimeText): string {
  const lines = alerts.map((alert) => lineText(alert, time));
  const { kept, left } = fittingLines(lines, MAX_SECTION - 400);
  const more = alertsLeft + left;
  const rest = more === 0 ? [] : [open === undefined ? `+ ${more} more` : mrkdwnLink(open, `+ ${more} more`)];
  return ['*Alerts*', ...kept, ...rest].join('\n');
}

function lineText(alert: MessageLine, time: TimeText): string {
  const when = whenText(alert, mrkdwnTime(alert.at, time.full(alert.at)));
  return `${STATE_ICONS[alert.state]} ${fitMrkdwn(alert.text, 200)}, ${when}`;
}

function footerText({ footer, open }: Message): string {
  return fitMrkdwn(footer, 500) + (open === undefined ? '' : `  ${mrkdwnLink(open, 'Open Belfry')}`);
}

/** A star inside bold text would end it. */
function noStars(text: string): string {
  return text.replaceAll('*', '∗');
}

function section(text: string): SlackBlock {
  return { type: 'section', text: mrkdwn(text) };
}

function mrkdwn(text: string): Mrkdwn {
  return { type: 'mrkdwn', text, verbatim: true };
}
