import { html, page, timeOfDay } from './html.ts';
import type { Html } from './html.ts';
import { attachmentHtml, blockHtml, mrkdwn } from './mrkdwn.ts';
import type { SlackMessage, SlackVersion } from './slack-wire.ts';

/** The page of the Slack stand-in: the channels, and one channel's messages with their threads and edits. */
export function slackPage(messages: readonly SlackMessage[], channels: readonly string[], wanted: string | undefined): string {
  const latest = messages.at(-1)?.channelName;
  const selected = wanted !== undefined && channels.includes(wanted) ? wanted : (latest ?? channels[0]);
  const list = channels.map((name) => {
    const count = messages.filter((message) => message.channelName === name).length;
    return html`<a class="channel${name === selected ? ' selected' : ''}" href="/?channel=${encodeURIComponent(name)}"
      ># ${name}<span class="dim"> ${count}</span></a
    >`;
  });
  const inChannel = messages.filter((message) => message.channelName === selected);
  const top = inChannel.filter((message) => message.threadTs === undefined || message.broadcast);
  return page(
    `Slack stand-in${selected === undefined ? '' : `: #${selected}`}`,
    CSS,
    html`<nav>
        <h1>Belfry testbed</h1>
        <p class="dim">Slack stand-in: nothing leaves this machine</p>
        ${list}
      </nav>
      <section class="stream">
        ${selected === undefined ? undefined : html`<header><h1># ${selected}</h1></header>`}
        ${top.length === 0 ? html`<p class="empty">Nothing has arrived yet.</p>` : top.map((message) => messageHtml(message, inChannel))}
      </section>`,
  );
}

function messageHtml(message: SlackMessage, inChannel: readonly SlackMessage[]): Html {
  const replies = message.threadTs === undefined ? inChannel.filter(({ threadTs }) => threadTs === message.ts) : [];
  const note = message.threadTs === undefined ? undefined : html`<p class="dim">↳ also sent to the channel from a thread</p>`;
  return html`<article class="message" id="m${message.ts}">
    <div class="avatar">${message.webhook ? '⚙' : 'B'}</div>
    <div class="body">
      ${note} ${byline(message)}${contentHtml(message)}${editsHtml(message)}
      ${
        replies.length === 0
          ? undefined
          : html`<div class="thread">
              <p class="replies">${replies.length} ${replies.length === 1 ? 'reply' : 'replies'}</p>
              ${replies.map(replyHtml)}
            </div>`
      }
    </div>
  </article>`;
}

function replyHtml(message: SlackMessage): Html {
  return html`<div class="reply" id="r${message.ts}">${byline(message)}${contentHtml(message)}${editsHtml(message)}</div>`;
}

function byline(message: SlackMessage): Html {
  const name = message.webhook ? 'incoming-webhook' : 'Belfry';
  return html`<p class="byline">
    <b>${name}</b> <span class="app">APP</span> <span class="dim">${timeOfDay(message.postedAt)} UTC</span>
  </p>`;
}

/** Where a message has blocks, its text is only for notifications: it is shown small, since owners read it on their phones. */
function contentHtml({ text, blocks, attachments }: Pick<SlackVersion, 'text' | 'blocks' | 'attachments'>): Html {
  const main = blocks.length > 0 ? blocks.map(blockHtml) : [html`<p>${mrkdwn(text)}</p>`];
  const push = blocks.length > 0 && text !== '' ? html`<p class="push dim" title="what a phone shows">📱 ${text}</p>` : undefined;
  return html`<div class="content">${main}${attachments.map(attachmentHtml)}${push}</div>`;
}

function editsHtml({ ts, versions }: SlackMessage): Html | undefined {
  const last = versions.at(-1);
  if (versions.length < 2 || last === undefined) return undefined;
  const earlier = versions.slice(0, -1);
  const summary = `(edited ${earlier.length === 1 ? 'once' : `${earlier.length} times`}, last at ${timeOfDay(last.at)})`;
  return html`<details id="e${ts}">
    <summary class="dim">${summary}</summary>
    ${earlier.map(
      (version) =>
        html`<div class="earlier">
          <p class="dim">from ${timeOfDay(version.at)}</p>
          ${contentHtml(version)}
        </div>`,
    )}
  </details>`;
}

const CSS = `
main{display:grid;grid-template-columns:minmax(160px,240px) 1fr;min-height:100vh}
nav{background:#3f0e40;color:#fff;padding:14px 8px;position:sticky;top:0;height:100vh;overflow:auto}
nav h1,nav p{padding:0 8px;margin:0 0 4px}nav .dim{color:#cfc3cf}
.channel{display:block;padding:4px 8px;margin-top:2px;border-radius:6px;color:#cfc3cf;text-decoration:none;overflow-wrap:anywhere}
.channel:hover{background:#350d36}.channel.selected{background:#1164a3;color:#fff}
.stream{padding-bottom:40px;min-width:0}
header{position:sticky;top:0;background:var(--bg);border-bottom:1px solid var(--line);padding:12px 20px;z-index:1}
.message{display:grid;grid-template-columns:36px 1fr;gap:8px;padding:8px 20px}
.message:hover{background:var(--card)}
.avatar{width:36px;height:36px;border-radius:6px;background:#c94f2c;color:#fff;display:grid;place-items:center;font-weight:700}
.body{min-width:0}.byline,.content p{margin:0}
.app{font-size:10px;background:var(--line);border-radius:3px;padding:1px 4px;color:var(--dim)}
.content{overflow-wrap:anywhere}.header{font-size:17px;margin:4px 0}
.section{margin:4px 0}.fields{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:6px 16px;margin-top:4px}
.context{color:var(--dim);font-size:13px;margin:4px 0}
.actions{margin:6px 0}.button{display:inline-block;border:1px solid var(--line);border-radius:4px;padding:3px 12px;margin:0 8px 4px 0;color:var(--fg);font-weight:600;font-size:13px;text-decoration:none}
.button.primary{background:#007a5a;border-color:#007a5a;color:#fff}.button.danger{color:#e01e5a;border-color:#e01e5a}
.attachment{border-left:4px solid;padding:2px 0 2px 12px;margin:4px 0}
.quote{display:inline-block;border-left:4px solid var(--line);padding-left:10px}
.mention{background:rgba(242,199,68,.25);color:var(--accent);border-radius:3px;padding:0 2px}
code{background:var(--card);border:1px solid var(--line);border-radius:3px;padding:1px 3px;color:var(--code)}
.thread{border-left:2px solid var(--line);margin-top:6px;padding-left:12px}.replies{color:var(--accent);font-weight:600;font-size:13px;margin:0 0 4px}
.reply{padding:4px 0}.push{margin-top:2px}
details{margin-top:2px}.earlier{border-left:2px dashed var(--line);padding-left:10px;margin:6px 0;opacity:.75}
hr{border:0;border-top:1px solid var(--line);margin:8px 0}
`;
