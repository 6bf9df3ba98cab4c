import { html, page, timeOfDay } from './html.ts';
import type { Html } from './html.ts';
import type { Mail } from './mail-sink.ts';

/** The page of the mail sink: conversations as mail programs thread them, the newest first. */
export function mailPage(mails: readonly Mail[]): string {
  const threads = [...threadsOf(mails).values()].reverse();
  return page(
    `Mail sink (${mails.length})`,
    CSS,
    html`<header>
        <h1>Mail sink</h1>
        <p class="dim">${mails.length} mails in ${threads.length} conversations; nothing leaves this machine</p>
      </header>
      ${threads.length === 0 ? html`<p class="empty">Nothing has arrived yet.</p>` : threads.map(threadHtml)}`,
  );
}

/** Mails by the first mail of their conversation: References name it, a mail without them begins one. */
export function threadsOf(mails: readonly Mail[]): Map<string, Mail[]> {
  const rootOf = new Map<string, string>();
  const threads = new Map<string, Mail[]>();
  for (const [index, mail] of mails.entries()) {
    const own = mail.messageId === '' ? `#${index}` : mail.messageId;
    const known = [...mail.references, mail.inReplyTo].find((reference) => rootOf.has(reference));
    const root = (known === undefined ? undefined : rootOf.get(known)) ?? mail.references[0] ?? own;
    for (const id of [own, ...mail.references]) if (!rootOf.has(id)) rootOf.set(id, root);
    const thread = threads.get(root);
    if (thread === undefined) threads.set(root, [mail]);
    else thread.push(mail);
  }
  return threads;
}

function threadHtml(mails: readonly Mail[]): Html {
  return html`<section class="thread">
    <h2>${mails[0]?.subject ?? ''} <span class="dim">${mails.length > 1 ? `${mails.length} mails` : ''}</span></h2>
    ${mails.map(mailHtml)}
  </section>`;
}

function mailHtml(mail: Mail): Html {
  const id = `t${mail.at}`;
  // A sandbox without any permission: no script, no form, no navigation, whatever the mail says.
  const body = mail.html === '' ? undefined : html`<iframe sandbox="" srcdoc="${mail.html}" title="HTML body"></iframe>`;
  return html`<article>
    <p class="head">
      <b>${mail.subject}</b> <span class="dim">${timeOfDay(mail.at)} UTC${mail.secure ? ', TLS' : ''}</span><br />
      <span class="dim">from ${mail.from} to ${mail.envelope.to.join(', ')}</span>
    </p>
    ${body}
    <details id="${id}" ${mail.html === '' ? ' open' : ''}>
      <summary class="dim">text</summary>
      <pre>${mail.text}</pre>
    </details>
    <details id="${id}h">
      <summary class="dim">source</summary>
      <pre>${mail.raw}</pre>
    </details>
  </article>`;
}

const CSS = `
main{max-width:960px;margin:0 auto;padding:16px}
header{border-bottom:1px solid var(--line);margin-bottom:16px}header p{margin:2px 0 10px}
.thread{border:1px solid var(--line);border-radius:8px;margin-bottom:16px;overflow:hidden}
.thread h2{background:var(--card);padding:8px 14px;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
article{padding:10px 14px;border-top:1px solid var(--line)}article:first-of-type{border-top:0}
.head{margin:0 0 6px;overflow-wrap:anywhere}
iframe{width:100%;height:380px;border:1px solid var(--line);border-radius:4px;background:#fff;resize:vertical}
`;
