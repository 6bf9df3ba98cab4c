import { describe, expect, it } from '@jest/globals';
import { Stage } from '../../testbed/stage.ts';
import { ownMetric, until } from './harness.ts';

/** Its slot is an hour away at most: before it, only a wake evaluates it. */
const RULES = `groups:
  - name: hourly
    interval: 1h
    rules:
      - {alert: Unreachable, expr: belfry_cluster_unreachable == 1}
`;

describe('belfry start --rules.strict-slots', () => {
  it.each([
    { args: ['--rules.strict-slots'], wakes: false, what: 'no rule is evaluated before its slot' },
    { args: [], wakes: true, what: 'without it, what happens wakes the rules' },
  ])('$what', async ({ args, wakes }) => {
    // Nobody listens on port 1.
    const options = { clusters: [{ name: 'orders', brokers: ['127.0.0.1:1'] }], rules: RULES, args };
    await using stage = await Stage.start(options);
    await stage.belfry.queryUntil('belfry_cluster_unreachable', (samples) => samples.some(({ value }) => value === 1));
    // The group's slot may come just now, once an hour: only a wake counts.
    const woken = async (): Promise<boolean> =>
      (await ownMetric(stage, 'belfry_rule_group_evaluation_duration_seconds_count')).some((line) =>
        /"hourly",trigger="wake"\} [1-9]/.test(line),
      );
    if (wakes) await until(woken, 'a wake of the group');
    else expect(await woken()).toBe(false);
  });
});
