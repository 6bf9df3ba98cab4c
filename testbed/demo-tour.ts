import type { SeenLine } from './autopilot-client.ts';
import type { Demo } from './demo.ts';
import { mark, told, type Mark, type Told } from './demo-messages.ts';

const VICTIM = 2;
const TOLD_TIMEOUT_MS = 30_000;
const ASKED_TIMEOUT_MS = 60_000;
const REPAIRED_TIMEOUT_MS = 90_000;
const GROWN_TIMEOUT_MS = 180_000;
/** Metadata and topic configurations have been read once by then, so that the message can say what a crash means. */
const SETTLE_EXPRESSION = 'belfry_kafka_under_min_isr_partitions == 0';

/** Kill, alert, repair with approval, summary, without anyone at the keyboard. Throws where one of them does not come. */
export async function tour(demo: Demo, options: { readonly scale: boolean }): Promise<void> {
  const { cluster, stage, pilot } = demo;
  const say = (text?: string): void => demo.say(text);
  await stage.belfry.queryUntil(SETTLE_EXPRESSION, (samples) => samples.length === 1);
  say(`Killing broker ${VICTIM} (kill -9) …`);
  const killed = mark(stage);
  await cluster.kill(VICTIM);
  const alert = await told(stage, killed, TOLD_TIMEOUT_MS);
  say(`  the owner reads: ${alert.line}`);
  say(`  in Slack after ${alert.slackMs} ms, by webhook after ${alert.webhookMs} ms, in the mail box after ${alert.mailMs} ms`);

  const asked = await journalled(demo, ({ kind, to }) => kind === 'intent' && to === 'awaiting_approval', ASKED_TIMEOUT_MS);
  say('Approving it, as key y does …');
  await pilot.approve();
  const verified = await journalled(
    demo,
    ({ kind, to, brokerId, seq }) => kind === 'edge' && to === 'healthy' && brokerId === VICTIM && seq > asked.seq,
    REPAIRED_TIMEOUT_MS,
  );
  const resolvedAt = await resolved(demo, killed);
  say(`  the owner reads: ${stage.slack.messages('#team')[0]?.text ?? ''}`);
  summary(demo, { alert, verifiedMs: verified.at - killed.at, resolvedMs: resolvedAt - killed.at });
  if (options.scale) await grow(demo);
}

/** Load until the auto-pilot asks for a fourth broker, and until that one leads its part. */
async function grow(demo: Demo): Promise<void> {
  const { pilot } = demo;
  const say = (text?: string): void => demo.say(text);
  say('\nLoading the cluster, as key l does …');
  const [since] = pilot.lines.all.slice(-1);
  pilot.startLoad();
  const before = await pilot.leaders();
  const isNews = ({ seq }: SeenLine): boolean => seq > (since?.seq ?? 0);
  await journalled(demo, (line) => isNews(line) && line.kind === 'intent' && line.to === 'awaiting_approval', ASKED_TIMEOUT_MS);
  say('Approving it, as key y does …');
  await pilot.approve();
  await journalled(demo, (line) => isNews(line) && line.kind === 'edge' && line.from === 'rebalancing', GROWN_TIMEOUT_MS);
  await pilot.endLoad();
  say(`
  partitions led by broker, before: ${before}
                            after:  ${await pilot.leaders()}`);
}

async function journalled({ pilot }: Demo, matches: (line: SeenLine) => boolean, timeoutMs: number): Promise<SeenLine> {
  return await pilot.lines.next(matches, { timeoutMs });
}

/** When the webhook had the end of it; Slack has it too by then. */
async function resolved({ stage }: Demo, since: Mark): Promise<number> {
  const { at } = await stage.webhook.next(({ json }) => statusOf(json) === 'resolved', {
    since: since.requests,
    timeoutMs: TOLD_TIMEOUT_MS,
  });
  await stage.slack.next(({ message }) => message?.text?.includes('RESOLVED') === true, {
    since: since.slack,
    timeoutMs: TOLD_TIMEOUT_MS,
  });
  return at;
}

function summary(demo: Demo, { alert, verifiedMs, resolvedMs }: { alert: Told; verifiedMs: number; resolvedMs: number }): void {
  const { stage } = demo;
  const [messages, mails] = [stage.slack.messages('#team').filter(({ threadTs }) => threadTs === undefined).length, stage.mail.mails.count];
  demo.say(`
Summary
  kill -9 to Slack      ${alert.slackMs} ms
  kill -9 to webhook    ${alert.webhookMs} ms
  kill -9 to mail box   ${alert.mailMs} ms
  kill -9 to verified   ${seconds(verifiedMs)}, with the approval and durations of a demo
  kill -9 to resolved   ${seconds(resolvedMs)}
  One incident: ${messages} message${messages === 1 ? '' : 's'} in the channel, ${mails} mail${mails === 1 ? '' : 's'}, its story in the thread.`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function statusOf(json: unknown): string {
  return typeof json === 'object' && json !== null && 'status' in json ? String(json.status) : '';
}
