import { effectsBesideLine, whenText } from '../message.ts';
import { capitalised } from '../plain-text.ts';
import { TimeText } from '../time-text.ts';
import { effectTitle, MAIL_EVENTS } from './mail-text.ts';
import type { Message } from '../message.ts';
import type { MessageState } from '../message-facts.ts';

/** White on each of these has a contrast of at least 4.5, on light and on dark pages. */
const COLOURS: Readonly<Record<MessageState, string>> = {
  CRITICAL: '#b42318',
  WARNING: '#a15c07',
  INFO: '#175cd3',
  RESOLVED: '#067647',
  TEST: '#475467',
};

const FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
/** Rules for clients that read a style sheet; all others show the inline, light look. */
const STYLE = `:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (prefers-color-scheme:dark){.page{background:#101418!important}.card{background:#1a2026!important}
.ink{color:#eceff3!important}.soft{color:#a4adb8!important}.box{background:#242c34!important}.line{border-color:#343d47!important}
.link{color:#8ab4f8!important}}
@media (max-width:620px){.card{width:100%!important}.pad{padding-left:16px!important;padding-right:16px!important}}`;

/** Light look by class; the style sheet above changes the same classes on dark pages. */
const INK = { class: 'ink', style: 'color:#101828;overflow-wrap:anywhere' };
const SOFT = { class: 'soft', style: 'color:#475467;overflow-wrap:anywhere' };
const LINE = 'border-top:1px solid #e4e7ec;padding:7px 0';
const LINK = { class: 'link', style: 'color:#175cd3' };

/**
 * The message as HTML: one column of 600 px, tables and inline styles only, no image, nothing loaded from anywhere.
 * Links lead to pages; none acts when it is opened.
 */
export function mailHtml(message: Message, timezone: string | undefined): string {
  const time = TimeText.in(timezone);
  const big = `${INK.style};margin:0;font-size:20px;line-height:28px;font-weight:600`;
  const title = el('h1', { ...INK, style: big }, html(capitalised(message.line)));
  const rows = [
    barRow(message),
    row(title, 20),
    row(youBox(message)),
    listRow(effectTitle(message), effectsBesideLine(message)),
    listRow('What happened', message.descriptions),
    row(factsTable(message)),
    alertsRow(message, time),
    storyRow(message, time),
    footerRow(message),
  ];
  const card = `width:600px;max-width:600px;background:#ffffff;border-radius:8px;overflow:hidden;${FONT}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<title>${html(message.title)}</title><style>${STYLE}</style></head>
<body class="page" style="margin:0;padding:0;background:#f2f4f7">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${html(message.line)}</div>
${table(
  { class: 'page', style: 'background:#f2f4f7' },
  `<tr><td align="center" style="padding:16px 8px">
${table({ class: 'card', style: card, width: '600' }, rows.join('\n'))}
</td></tr>`,
)}
</body></html>
`;
}

function barRow({ state, where }: Message): string {
  const cluster = where === '' ? '' : el('span', { style: 'font-weight:400' }, `&nbsp; ${html(where)}`);
  const colour = COLOURS[state];
  const type = 'padding:14px 24px;font-size:16px;line-height:22px;font-weight:700;overflow-wrap:anywhere';
  const style = `background:${colour};color:#ffffff;${type}`;
  return el('tr', {}, el('td', { class: 'pad', bgcolor: colour, style }, state + cluster));
}

function youBox({ you, autopilot, runbook, state }: Message): string {
  const parts = [el('div', INK, `<b>You:</b> ${html(you)}`)];
  if (autopilot !== '') parts.push(el('div', { ...SOFT, style: `${SOFT.style};padding-top:4px` }, html(autopilot)));
  if (runbook?.url !== undefined) {
    const button = `display:inline-block;background:${COLOURS[state]};color:#ffffff;text-decoration:none;font-weight:600`;
    const link = el('a', { href: html(runbook.url), style: `${button};padding:9px 16px;border-radius:6px` }, 'Open the runbook');
    parts.push(el('div', { style: 'padding-top:12px' }, link));
  } else if (runbook !== undefined)
    parts.push(el('div', { ...SOFT, style: `${SOFT.style};padding-top:6px` }, `Runbook: ${html(runbook.text)}`));
  const style = 'background:#f2f4f7;border-radius:6px;padding:14px 16px;font-size:15px;line-height:22px';
  return table({}, el('tr', {}, el('td', { class: 'box', style }, parts.join(''))));
}

function factsTable({ fields }: Message): string {
  const cells = fields.map(({ name, value }) => {
    const key = { class: 'soft line', valign: 'top', style: `${SOFT.style};${LINE};padding-right:16px;white-space:nowrap` };
    return el('tr', {}, el('td', key, html(name)) + el('td', { class: 'ink line', style: `${INK.style};${LINE};width:100%` }, html(value)));
  });
  return table({ style: 'font-size:14px;line-height:20px' }, cells.join('\n'));
}

function alertsRow(message: Message, time: TimeText): string {
  const { alerts, alertsLeft, open } = message;
  if (alerts.length < 2) return '';
  const lines = alerts.map((alert) => {
    const { state, text, at } = alert;
    const mark = `font-size:11px;line-height:16px;color:#ffffff;background:${COLOURS[state]};border-radius:3px;padding:0 5px`;
    const what = el('div', INK, `${el('b', { style: `display:inline-block;${mark}` }, state)} ${html(text)}`);
    const since = el(
      'div',
      { ...SOFT, style: `${SOFT.style};font-size:12px;line-height:18px` },
      html(whenText(alert, time.at(at, message.at))),
    );
    return el('tr', {}, el('td', { class: 'line', style: LINE }, what + since));
  });
  if (alertsLeft > 0) {
    const more = open === undefined ? `+ ${alertsLeft} more` : el('a', { ...LINK, href: html(open) }, `+ ${alertsLeft} more`);
    lines.push(el('tr', {}, el('td', { class: 'soft line', style: `${SOFT.style};${LINE}` }, more)));
  }
  return row(heading('Alerts') + table({ style: 'font-size:14px;line-height:20px;margin-top:6px' }, lines.join('\n')));
}

function storyRow(message: Message, time: TimeText): string {
  const { events } = message;
  if (events.length < 2) return '';
  const lines = events.slice(-MAIL_EVENTS).map(({ at, text }) => {
    return el(
      'div',
      { ...INK, style: `${INK.style};padding-top:5px` },
      `${el('span', SOFT, html(time.at(at, message.at)))}<br>${html(text)}`,
    );
  });
  return row(heading('The story') + el('div', { style: 'font-size:14px;line-height:20px' }, lines.join('\n')));
}

function footerRow({ footer, open }: Message): string {
  const link = open === undefined ? '' : ` ${el('a', { ...LINK, href: html(open) }, 'Open Belfry')}`;
  const style = `${SOFT.style};padding:8px 24px 22px;font-size:12px;line-height:18px`;
  return el('tr', {}, el('td', { class: 'soft pad', style }, html(footer) + link));
}

function listRow(title: string, texts: readonly string[]): string {
  if (texts.length === 0) return '';
  const lines = texts.map((text) => el('div', { ...INK, style: `${INK.style};padding-top:4px` }, html(text)));
  return row(heading(title) + el('div', { style: 'font-size:15px;line-height:22px' }, lines.join('\n')));
}

function heading(title: string): string {
  return el('h2', { ...SOFT, style: 'margin:0;font-size:13px;line-height:18px;font-weight:600;color:#475467' }, html(title));
}

function row(content: string, top = 0): string {
  return el('tr', {}, el('td', { class: 'pad', style: `padding:${top}px 24px 16px;overflow-wrap:anywhere` }, content));
}

function table(attributes: Readonly<Record<string, string>>, rows: string): string {
  const plain = { role: 'presentation', width: '100%', cellpadding: '0', cellspacing: '0', border: '0' };
  return el('table', { ...plain, ...attributes }, rows);
}

/** An element; attribute values and content are HTML already. */
function el(tag: string, attributes: Readonly<Record<string, string>>, content: string): string {
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
  return `<${tag}${written.join('')}>${content}</${tag}>`;
}

/** The text inside an element or a quoted attribute. */
export function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
