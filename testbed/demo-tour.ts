import type { Demo } from './demo.ts';
import { mark, told } from './demo-messages.ts';

const TOLD_TIMEOUT_MS = 30_000;
const RECOVERY_TIMEOUT_MS = 90_000;
/** Metadata and topic configurations have been read once by then, so that the message can say what a crash means. */
const SETTLE_EXPRESSION = 'belfry_kafka_under_min_isr_partitions == 0';

/** Kill, alert, recovery, summary, without anyone at the keyboard. Throws where one of them does not come. */
export async function tour(demo: Demo, signal: AbortSignal): Promise<void> {
  const { cluster, stage } = demo;
  const say = (text?: string): void => demo.say(text);
  await stage.belfry.queryUntil(SETTLE_EXPRESSION, (samples) => samples.length === 1);
  say('Killing broker 2 (kill -9) …');
  const killed = mark(stage);
  await cluster.kill(2);
  const alert = await told(stage, killed, TOLD_TIMEOUT_MS);
  say(`  the owner reads: ${alert.line}`);
  say(`  in Slack after ${alert.slackMs} ms, by webhook after ${alert.webhookMs} ms, in the mail box after ${alert.mailMs} ms`);
  if (signal.aborted) return;

  say('Bringing broker 2 back …');
  const startedAt = mark(stage);
  await cluster.start(2);
  const resolved = await stage.webhook.next(({ json }) => statusOf(json) === 'resolved', {
    since: startedAt.requests,
    timeoutMs: RECOVERY_TIMEOUT_MS,
  });
  await stage.slack.next(({ message }) => message?.text?.includes('RESOLVED') === true, {
    since: startedAt.slack,
    timeoutMs: TOLD_TIMEOUT_MS,
  });
  const line = stage.slack.messages('#team')[0]?.text ?? '';
  say(`  the owner reads: ${line}`);
  say(`  ${Math.round((resolved.at - startedAt.at) / 1000)} s after the start, once broker 2 was back in all its in-sync sets`);

  const [messages, mails] = [stage.slack.messages('#team').filter(({ threadTs }) => threadTs === undefined).length, stage.mail.mails.count];
  say(`
Summary
  kill -9 to Slack      ${alert.slackMs} ms
  kill -9 to webhook    ${alert.webhookMs} ms
  kill -9 to mail box   ${alert.mailMs} ms
  One incident: ${messages} message${messages === 1 ? '' : 's'} in the channel, ${mails} mail${mails === 1 ? '' : 's'}, its story in the thread.`);
}

function statusOf(json: unknown): string {
  return typeof json === 'object' && json !== null && 'status' in json ? String(json.status) : '';
}
