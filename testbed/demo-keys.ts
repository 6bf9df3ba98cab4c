import type { Demo } from './demo.ts';
import { mark, told } from './demo-messages.ts';

const HELP = `  1 2 3   kill broker 1, 2 or 3 (kill -9); the auto-pilot asks to restart it, or the same key brings it back
  y       approve what the auto-pilot asks for
  i       what it wants, and the guards that hold it back
  x       halt the auto-pilot, x again lets it go on
  l       load the cluster until the auto-pilot asks for a fourth broker; e ends the load
  s       stop broker 3 in an orderly way: nobody is told unless it stays away
  p       pause broker 3 (SIGSTOP), p again resumes it
  a       list the alerts
  h       this help
  q       quit
`;
const TOLD_TIMEOUT_MS = 60_000;

/** Keys that break the cluster and mend it, until q or Ctrl-C. */
export async function watchKeys(demo: Demo, signal: AbortSignal): Promise<void> {
  const say = (text?: string): void => demo.say(text);
  say(HELP);
  const paused = { now: false };
  await new Promise<void>((resolve) => {
    const { stdin } = process;
    const end = (): void => {
      stdin.setRawMode(false);
      stdin.pause();
      resolve();
    };
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on('data', (bytes: Buffer) => {
      const key = bytes.toString();
      if (key === 'q' || key === '\u0003') end();
      else act(demo, key, paused).catch((error: unknown) => say(`  ${error instanceof Error ? error.message : String(error)}`));
    });
    signal.addEventListener('abort', end, { once: true });
  });
}

async function act(demo: Demo, key: string, paused: { now: boolean }): Promise<void> {
  const { cluster, stage } = demo;
  const say = (text?: string): void => demo.say(text);
  if (cluster.brokerIds.includes(Number(key))) await toggle(demo, Number(key));
  else if (await steer(demo, key)) return;
  else if (key === 's') {
    say('Stopping broker 3 in an orderly way …');
    await cluster.stop(3);
    say('  stopped: no alert, unless it stays away for five minutes (stop_grace)');
  } else if (key === 'p') {
    if (paused.now) cluster.resume(3);
    else cluster.pause(3);
    paused.now = !paused.now;
    say(paused.now ? 'Broker 3 is paused: it holds its connections and answers nothing' : 'Broker 3 goes on');
  } else if (key === 'a') {
    const alerts = await stage.belfry.query('ALERTS{severity!="none"}');
    say(
      alerts.length === 0
        ? '  no alerts'
        : alerts.map(({ metric }) => `  ${metric['alertstate']}: ${metric['alertname']} ${metric['broker'] ?? ''}`).join('\n'),
    );
  } else if (key === 'h') say(HELP);
}

/** The keys of the auto-pilot. False for any other. */
async function steer(demo: Demo, key: string): Promise<boolean> {
  const { pilot } = demo;
  const say = (text: string): void => demo.say(text);
  if (key === 'y') say((await pilot.approve()) === undefined ? '  nothing waits for approval' : 'Approved');
  else if (key === 'i') say(await pilot.shown());
  else if (key === 'x') await pilot.toggleHalt();
  else if (key === 'l') {
    say('Loading the cluster …');
    pilot.startLoad();
  } else if (key === 'e') {
    await pilot.endLoad();
    say('The load has ended');
  } else return false;
  return true;
}

async function toggle(demo: Demo, id: number): Promise<void> {
  const { cluster, stage } = demo;
  const say = (text?: string): void => demo.say(text);
  const since = mark(stage);
  if (cluster.isRunning(id)) {
    say(`Killing broker ${id} …`);
    await cluster.kill(id);
    const { at } = await stage.slack.next(({ type }) => type !== 'refused', { since: since.slack, timeoutMs: TOLD_TIMEOUT_MS });
    say(`  in Slack after ${Math.round(at - since.at)} ms: ${stage.slack.messages('#team').at(-1)?.text ?? ''}`);
    const { webhookMs } = await told(stage, since, TOLD_TIMEOUT_MS).catch(() => ({ webhookMs: Number.NaN }));
    if (!Number.isNaN(webhookMs)) say(`  by webhook after ${webhookMs} ms`);
  } else {
    say(`Bringing broker ${id} back …`);
    await cluster.start(id);
    await stage.belfry.queryUntil(`belfry_broker_isr_restored{broker="${id}"} == 1`, (samples) => samples.length === 1, 120_000);
    say(`  broker ${id} is back in all its in-sync sets`);
  }
}
