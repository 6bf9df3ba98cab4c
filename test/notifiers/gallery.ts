import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { mailHtml } from '../../src/notifiers/email/mail-html.ts';
import { buildMessage, DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { rootText } from '../../src/notifiers/slack/blocks.ts';
import { slackPage } from '../../testbed/slack-page.ts';
import type { SlackMessage } from '../../testbed/slack-wire.ts';
import { SCENARIOS } from './scenarios.ts';

/** `node test/notifiers/gallery.ts FOLDER`: the messages of an owner's night as pages, and as pictures where there is a chromium. */
const folder = resolve(process.argv[2] ?? 'gallery');
mkdirSync(folder, { recursive: true });
const pages = new Map<string, { html: string; height: number }>();
const posted: SlackMessage[] = [];
for (const [index, { notification }] of SCENARIOS.entries()) {
  const message = buildMessage(notification, { ...DEFAULT_MESSAGE_OPTIONS, externalUrl: 'https://belfry.example.com' });
  pages.set(`mail-${index + 1}`, { html: mailHtml(message, undefined), height: 900 });
  const content = { ...rootText(message, { timezone: undefined, mention: '' }), attachments: [] };
  const place = { ts: `${index}`, channel: 'C1', channelName: 'orders-kafka', broadcast: false, webhook: false, deleted: false };
  posted.push({
    ...content,
    ...place,
    postedAt: notification.at,
    versions: [{ ...content, at: notification.at }],
  } as unknown as SlackMessage);
}
pages.set('slack', { html: slackPage(posted, ['orders-kafka'], undefined), height: 2600 });
for (const [name, { html, height }] of pages) {
  const file = join(folder, `${name}.html`);
  writeFileSync(file, html);
  const picture = [`--screenshot=${join(folder, `${name}.png`)}`, `--window-size=900,${height}`];
  const { status } = spawnSync('chromium', ['--headless', '--no-sandbox', '--disable-gpu', ...picture, `file://${file}`], {
    stdio: 'ignore',
  });
  process.stdout.write(`${file}${status === 0 ? ' and .png' : ''}\n`);
}
