import { TimeText } from '../time-text.ts';
import { MAIL_EVENTS } from './mail-text.ts';
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

/**
 * The message as HTML: one column of 600 px, tables and inline styles only, no image, nothing loaded from anywhere.
 * Links lead to pages; none acts when it is opened.
 */
export function mailHtml(message: Message, timezone: string | undefined): string {
  const time = new TimeText(timezone);
  const rows = [
    barRow(message),
    row(
      `<h1 class="ink" style="margin:0;font-size:20px;line-height:28px;font-weight:600;color:#101828">${html(sentence(message.line))}</h1>`,
      20,
    ),
    row(youBox(message)),
    listRow('What it means for your clients', message.effects),
    listRow('What happened', message.descriptions),
    row(factsTable(message)),
    alertsRow(message, time),
    storyRow(message, time),
    footerRow(message),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<title>${html(message.title)}</title><style>${STYLE}</style></head>
<body class="page" style="margin:0;padding:0;background:#f2f4f7">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${html(message.line)}</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f2f4f7"><tr><td align="center" style="padding:16px 8px">
<table role="presentation" class="card" width="600" cellpadding="0" cellspacing="0" border="0" style="width:600px;max-width:600px;background:#ffffff;border-radius:8px;overflow:hidden;${FONT}">
${rows.join('\n')}
</table>
</td></tr></table>
</body></html>
`;
}

function barRow({ state, where }: Message): string {
  const cluster = where === '' ? '' : `<span style="font-weight:400">&nbsp; ${html(where)}</span>`;
  return `<tr><td class="pad" bgcolor="${COLOURS[state]}" style="background:${COLOURS[state]};color:#ffffff;padding:14px 24px;font-size:16px;line-height:22px;font-weight:700;letter-spacing:.3px;overflow-wrap:anywhere">${state}${cluster}</td></tr>`;
}

function youBox({ you, autopilot, runbook, state }: Message): string {
  const link =
    runbook === undefined
      ? ''
      : runbook.url === undefined
        ? `<div class="soft" style="color:#475467;padding-top:6px">Runbook: ${html(runbook.text)}</div>`
        : `<div style="padding-top:12px"><a href="${html(runbook.url)}" style="display:inline-block;background:${COLOURS[state]};color:#ffffff;text-decoration:none;font-weight:600;padding:9px 16px;border-radius:6px">Open the runbook</a></div>`;
  const pilot = autopilot === '' ? '' : `<div class="soft" style="color:#475467;padding-top:4px">${html(autopilot)}</div>`;
  return `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td class="box" style="background:#f2f4f7;border-radius:6px;padding:14px 16px;font-size:15px;line-height:22px;overflow-wrap:anywhere"><div class="ink" style="color:#101828"><b>You:</b> ${html(you)}</div>${pilot}${link}</td></tr></table>`;
}

function factsTable({ fields }: Message): string {
  const cells = fields.map(
    ({ name, value }) =>
      `<tr><td class="soft line" valign="top" style="border-top:1px solid #e4e7ec;padding:7px 12px 7px 0;color:#475467;white-space:nowrap">${html(name)}</td><td class="ink line" style="border-top:1px solid #e4e7ec;padding:7px 0;color:#101828;width:100%;overflow-wrap:anywhere">${html(value)}</td></tr>`,
  );
  return `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="font-size:14px;line-height:20px">${cells.join('')}</table>`;
}

function alertsRow({ alerts, alertsLeft, open }: Message, time: TimeText): string {
  if (alerts.length < 2) return '';
  const lines = alerts.map(
    ({ state, text, at }) =>
      `<tr><td class="line" style="border-top:1px solid #e4e7ec;padding:7px 0"><div class="ink" style="color:#101828;overflow-wrap:anywhere"><b style="display:inline-block;font-size:11px;line-height:16px;color:#ffffff;background:${COLOURS[state]};border-radius:3px;padding:0 5px">${state}</b> ${html(text)}</div><div class="soft" style="color:#667085;font-size:12px;line-height:18px">since ${html(time.full(at))}</div></td></tr>`,
  );
  const more =
    open === undefined ? `+ ${alertsLeft} more` : `<a class="link" href="${html(open)}" style="color:#175cd3">+ ${alertsLeft} more</a>`;
  if (alertsLeft > 0)
    lines.push(`<tr><td class="soft line" style="border-top:1px solid #e4e7ec;padding:7px 0;color:#475467">${more}</td></tr>`);
  return row(
    `${heading('Alerts')}<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="font-size:14px;line-height:20px;margin-top:6px">${lines.join('')}</table>`,
  );
}

function storyRow({ events }: Message, time: TimeText): string {
  if (events.length < 2) return '';
  const lines = events
    .slice(-MAIL_EVENTS)
    .map(
      ({ at, text }) =>
        `<div class="ink" style="color:#101828;padding-top:5px;overflow-wrap:anywhere"><span class="soft" style="color:#667085">${html(time.full(at))}</span><br>${html(text)}</div>`,
    );
  return row(`${heading('So far')}<div style="font-size:14px;line-height:20px">${lines.join('')}</div>`);
}

function footerRow({ footer, open }: Message): string {
  const link = open === undefined ? '' : ` <a class="link" href="${html(open)}" style="color:#175cd3">Open Belfry</a>`;
  return `<tr><td class="soft pad" style="padding:8px 24px 22px;color:#667085;font-size:12px;line-height:18px;overflow-wrap:anywhere">${html(footer)}${link}</td></tr>`;
}

function listRow(title: string, texts: readonly string[]): string {
  if (texts.length === 0) return '';
  const lines = texts.map((text) => `<div class="ink" style="color:#101828;padding-top:4px;overflow-wrap:anywhere">${html(text)}</div>`);
  return row(`${heading(title)}<div style="font-size:15px;line-height:22px">${lines.join('')}</div>`);
}

function heading(title: string): string {
  return `<h2 class="soft" style="margin:0;font-size:13px;line-height:18px;font-weight:600;color:#475467">${html(title)}</h2>`;
}

function row(content: string, top = 0): string {
  return `<tr><td class="pad" style="padding:${top}px 24px 16px;overflow-wrap:anywhere">${content}</td></tr>`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The text inside an element or a quoted attribute. */
export function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
