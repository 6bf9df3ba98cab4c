import { Html, escapeHtml, html, join } from './html.ts';
import { isObject, textOf } from './slack-limits.ts';

/** The emoji that alerts use; all others show their name. */
const EMOJI: Readonly<Record<string, string>> = {
  rotating_light: '🚨',
  warning: '⚠️',
  white_check_mark: '✅',
  heavy_check_mark: '✔️',
  information_source: 'ℹ️',
  red_circle: '🔴',
  large_orange_circle: '🟠',
  large_yellow_circle: '🟡',
  large_green_circle: '🟢',
  large_blue_circle: '🔵',
  fire: '🔥',
  bell: '🔔',
  no_bell: '🔕',
  eyes: '👀',
  robot_face: '🤖',
  hourglass_flowing_sand: '⏳',
  tada: '🎉',
  x: '❌',
  wrench: '🔧',
  mag: '🔍',
  chart_with_upwards_trend: '📈',
  book: '📖',
  speech_balloon: '💬',
};

/** Slack's mrkdwn as markup: links, mentions, bold, italic, strike, code, quotes, emoji. */
export function mrkdwn(text: string): Html {
  // Code is taken out first: nothing inside it is formatted.
  const parts = text.split(/(```[\s\S]+?```|`[^`\n]+`)/);
  return join(
    parts.map((part, index) => {
      if (index % 2 === 0) return new Html(formatLines(part));
      return part.startsWith('```')
        ? html`<pre>${unescapeSlack(part.slice(3, -3)).replace(/^\n/, '')}</pre>`
        : html`<code>${unescapeSlack(part.slice(1, -1))}</code>`;
    }),
  );
}

function formatLines(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
      return quoted === null ? formatLine(line) : `<span class="quote">${formatLine(quoted[1] ?? '')}</span>`;
    })
    .join('<br>');
}

function formatLine(line: string): string {
  const parts = line.split(/<([^<>]+)>/);
  return parts.map((part, index) => (index % 2 === 1 ? angle(part) : formatText(part))).join('');
}

/** What stands in angle brackets: a link, a mention of a person, a group, a channel, or a date. */
function angle(inner: string): string {
  const bar = inner.indexOf('|');
  const target = unescapeSlack(bar < 0 ? inner : inner.slice(0, bar));
  const label = bar < 0 ? undefined : unescapeSlack(inner.slice(bar + 1));
  if (/^(https?:|mailto:)/.test(target))
    return html`<a href="${target}" rel="noreferrer noopener" target="_blank">${label ?? target}</a>`.text;
  if (target.startsWith('!date^')) return html`<span class="mention">${label ?? target}</span>`.text;
  if (target.startsWith('!subteam^') || target.startsWith('@')) return html`<span class="mention">${label ?? target}</span>`.text;
  if (target.startsWith('!')) return html`<span class="mention">@${target.slice(1)}</span>`.text;
  if (target.startsWith('#')) return html`<span class="mention">#${label ?? target.slice(1)}</span>`.text;
  return escapeHtml(`<${inner}>`);
}

function formatText(text: string): string {
  return escapeHtml(unescapeSlack(text))
    .replace(/(^|[\s(>])\*(?=\S)([^*\n]*[^*\s])\*(?=$|[\s).,:;!?<])/g, '$1<b>$2</b>')
    .replace(/(^|[\s(>])_(?=\S)([^_\n]*[^_\s])_(?=$|[\s).,:;!?<])/g, '$1<i>$2</i>')
    .replace(/(^|[\s(>])~(?=\S)([^~\n]*[^~\s])~(?=$|[\s).,:;!?<])/g, '$1<s>$2</s>')
    .replace(/:([a-z0-9_+-]+):/g, (whole, name: string) => EMOJI[name] ?? whole);
}

/** Slack's texts carry exactly three entities. */
function unescapeSlack(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** One block of a message as markup; a kind this page does not know is shown as JSON. */
export function blockHtml(block: unknown): Html {
  if (!isObject(block)) return html``;
  switch (block['type']) {
    case 'header':
      return html`<h2 class="header">${textHtml(block['text'])}</h2>`;
    case 'divider':
      return html`<hr />`;
    case 'section':
      return html`<div class="section">
        ${block['text'] === undefined ? undefined : html`<p>${textHtml(block['text'])}</p>`}${fieldsHtml(block['fields'])}
      </div>`;
    case 'context':
      return html`<div class="context">${listOf(block['elements']).map((element) => html`<span>${textHtml(element)}</span> `)}</div>`;
    case 'actions':
      return html`<div class="actions">${listOf(block['elements']).map(buttonHtml)}</div>`;
    case 'markdown':
      return html`<p>${typeof block['text'] === 'string' ? mrkdwn(block['text'].replace(/\*\*/g, '*')) : undefined}</p>`;
    default:
      return html`<pre>${JSON.stringify(block, null, 1)}</pre>`;
  }
}

/** An attachment: its colour as a bar beside its blocks or its text. */
export function attachmentHtml(attachment: unknown): Html {
  if (!isObject(attachment)) return html``;
  const { color, title, text, blocks, fallback } = attachment;
  const bar = typeof color === 'string' && /^#?[0-9a-f]{6}$/i.test(color) ? `#${color.replace('#', '')}` : COLOURS[textOf(color)];
  const inner = Array.isArray(blocks)
    ? join(blocks.map(blockHtml))
    : html`${typeof title === 'string' ? html`<b>${title}</b><br />` : undefined}${mrkdwn(textOf(text ?? fallback))}`;
  return html`<div class="attachment" style="border-color:${bar ?? 'var(--line)'}">${inner}</div>`;
}

const COLOURS: Readonly<Record<string, string>> = { good: '#2eb886', warning: '#daa038', danger: '#a30200' };

function fieldsHtml(fields: unknown): Html | undefined {
  return fields === undefined
    ? undefined
    : html`<div class="fields">${listOf(fields).map((field) => html`<p>${textHtml(field)}</p>`)}</div>`;
}

function buttonHtml(element: unknown): Html {
  if (!isObject(element)) return html``;
  const { url, style } = element;
  const kind = style === 'primary' || style === 'danger' ? style : '';
  const label = textHtml(element['text']);
  if (typeof url === 'string' && /^https?:/.test(url))
    return html`<a class="button ${kind}" href="${url}" rel="noreferrer noopener" target="_blank">${label}</a>`;
  return html`<span class="button ${kind}">${label}</span>`;
}

function textHtml(text: unknown): Html {
  if (!isObject(text)) return html``;
  const value = textOf(text['text'] ?? text['alt_text']);
  return text['type'] === 'plain_text'
    ? html`${value.replace(/:([a-z0-9_+-]+):/g, (whole, name: string) => EMOJI[name] ?? whole)}`
    : mrkdwn(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
