import { describe, expect, it, jest } from '@jest/globals';
import { FixtureExporter } from '../../testbed/fixture-exporter.ts';
import { Stage } from '../../testbed/stage.ts';
import { evaluatedOnce, everythingElse, ledger, NO_KAFKA, now, told, until } from './harness.ts';

jest.setTimeout(300_000);

const FAULT_RULES = {
  groups: [
    {
      name: 'faults',
      interval: '1s',
      rules: [
        { alert: 'Fault', expr: 'fixture_fault == 1', labels: { severity: 'critical' }, annotations: { summary: 'a fault' } },
        {
          alert: 'SlowFault',
          expr: 'fixture_slow_fault == 1',
          for: '10s',
          labels: { severity: 'warning' },
          annotations: { summary: 'a slow fault' },
        },
      ],
    },
  ],
};

describe('Belfry that ends and starts again', () => {
  it('killed with -9 between decision and delivery: delivers after the start what was lost in flight, and nothing twice', async () => {
    await using faults = await Faults.start();
    await using stage = await startStage(faults);
    await stage.webhook.outage('hang');
    faults.set('fixture_fault', 1);
    await stage.belfry.logged('notification_delivered', ({ integration }) => integration === 'slack');
    await stage.belfry.logged('notification_delivered', ({ integration }) => integration === 'email');
    expect(stage.webhook.requests.count).toBe(0);
    await stage.belfry.kill9();
    await stage.webhook.outage(undefined);
    await stage.startAgain();
    await told(stage, { status: 'firing', alertname: 'Fault' });
    await evaluatedOnce(stage, ['faults']);
    expect(ledger(stage)).toEqual(['firing Fault fixture/']);
    expect(stage.slack.messages()).toHaveLength(1);
    expect(stage.mail.mails.all).toHaveLength(1);

    faults.set('fixture_fault', 0);
    await told(stage, { status: 'resolved', alertname: 'Fault' });
    const { webhook, slack, mail } = await everythingElse(stage);
    expect(webhook).toEqual(['firing Fault fixture/', 'resolved Fault fixture/']);
    expect(slack).toHaveLength(1);
    expect(mail).toHaveLength(2);
  });

  it('killed with -9 while a receiver refuses: tries again after the start; an exporter that left meanwhile is over at once', async () => {
    await using faults = await Faults.start();
    await using stage = await startStage(faults);
    await stage.webhook.outage('refuse');
    faults.set('fixture_fault', 1);
    await stage.belfry.logged('notification_retried', ({ integration }) => integration === 'webhook');
    await stage.belfry.kill9();
    await stage.startAgain();
    await stage.webhook.outage(undefined);
    await told(stage, { status: 'firing', alertname: 'Fault' });
    expect(ledger(stage)).toEqual(['firing Fault fixture/']);
    await stage.belfry.stop();
    stage.configure({ clusters: [NO_KAFKA], rules: JSON.stringify(FAULT_RULES) });
    await stage.startAgain();
    // What was scraped; the alert's own series end with its next evaluation.
    expect(await stage.belfry.query('{job="fixture", __name__!~"ALERTS.*"}')).toEqual([]);
    await told(stage, { status: 'resolved', alertname: 'Fault' });
  });

  it('neither tells again nor takes back what fires, also while nothing of its data has come in yet', async () => {
    await using faults = await Faults.start();
    await using stage = await startStage(faults);
    faults.set('fixture_fault', 1);
    const first = await told(stage, { status: 'firing', alertname: 'Fault' });
    for (const channel of ['slack', 'email', 'webhook']) {
      await stage.belfry.logged('notification_delivered', ({ integration }) => integration === channel);
    }
    await stage.belfry.kill9();
    await faults.exporter.outage('refuse');
    await stage.startAgain();
    await stage.belfry.logged('scrape_failed');
    await evaluatedOnce(stage, ['faults']);
    await evaluatedOnce(stage, ['faults']);
    await faults.exporter.outage(undefined);
    await stage.belfry.queryUntil('up{job="fixture"}', ([up]) => up?.value === 1);
    await evaluatedOnce(stage, ['faults']);
    expect(ledger(stage)).toEqual(['firing Fault fixture/']);
    expect(stage.slack.messages()).toHaveLength(1);
    expect(stage.mail.mails.all).toHaveLength(1);
    faults.set('fixture_fault', 0);
    const last = await told(stage, { status: 'resolved', alertname: 'Fault' });
    expect(last.startsAt).toBe(first.startsAt);
  });

  it('keeps since when an alert has been pending', async () => {
    await using faults = await Faults.start();
    await using stage = await startStage(faults);
    faults.set('fixture_slow_fault', 1);
    await stage.belfry.queryUntil('ALERTS{alertname="SlowFault", alertstate="pending"}', (alerts) => alerts.length === 1);
    const since = await activeAt(stage);
    await stage.belfry.kill9();
    await stage.startAgain();
    await evaluatedOnce(stage, ['faults']);
    expect(await activeAt(stage)).toBe(since);
    await told(stage, { status: 'firing', alertname: 'SlowFault' });
    const lateness = now() - (Date.parse(since) + 10_000);
    expect(lateness).toBeGreaterThan(-500);
    expect(await activeAt(stage)).toBe(since);
  });

  it('stopped in order: ends with 0 without waiting for a receiver that hangs, and keeps what could not be delivered', async () => {
    await using faults = await Faults.start();
    // An attempt would go on for a minute: what ends it is the stop.
    await using stage = await startStage(faults, { delivery: { attempt_timeout: '1m' } });
    await stage.webhook.outage('hang');
    await stage.mail.outage('refuse');
    faults.set('fixture_fault', 1);
    await stage.slack.next(({ type }) => type === 'post');
    const stoppedAt = now();
    expect(await stage.belfry.stop()).toBe(0);
    expect(now() - stoppedAt).toBeLessThan(30_000);
    await stage.webhook.outage(undefined);
    await stage.mail.outage(undefined);
    await stage.startAgain();
    await told(stage, { status: 'firing', alertname: 'Fault' });
    await stage.mail.next();
    await evaluatedOnce(stage, ['faults']);
    expect([ledger(stage).length, stage.slack.messages().length, stage.mail.mails.count]).toEqual([1, 1, 1]);
  });
});

/** An exporter whose faults the test switches. */
class Faults implements AsyncDisposable {
  readonly exporter: FixtureExporter;
  readonly #values = new Map([
    ['fixture_fault', 0],
    ['fixture_slow_fault', 0],
  ]);

  private constructor(exporter: FixtureExporter) {
    this.exporter = exporter;
  }

  static async start(): Promise<Faults> {
    const faults: Faults = new Faults(await FixtureExporter.start(() => faults.#page()));
    return faults;
  }

  set(name: 'fixture_fault' | 'fixture_slow_fault', value: 0 | 1): void {
    this.#values.set(name, value);
  }

  #page(): string {
    return [...this.#values].map(([name, value]) => `${name} ${value}\n`).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exporter[Symbol.asyncDispose]();
  }
}

async function startStage(faults: Faults, config: Readonly<Record<string, unknown>> = {}): Promise<Stage> {
  const stage = await Stage.start({
    clusters: [{ ...NO_KAFKA, exporters: [{ job: 'fixture', targets: [faults.exporter.target], interval: '1s' }] }],
    rules: JSON.stringify(FAULT_RULES),
    config,
  });
  await stage.belfry.queryUntil('up{job="fixture"}', ([up]) => up?.value === 1);
  return stage;
}

async function activeAt(stage: Stage): Promise<string> {
  let found: string | undefined;
  await until(async () => {
    const answer = (await (await stage.belfry.request('GET', '/api/v1/alerts')).json()) as { data: { alerts: { activeAt: string }[] } };
    found = answer.data.alerts[0]?.activeAt;
    return found !== undefined;
  }, 'an alert');
  return found ?? '';
}
