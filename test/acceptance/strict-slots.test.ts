import { describe, expect, it } from '@jest/globals';
import { Stage } from '../../testbed/stage.ts';

/** Its slot is an hour away at most: before it, only a wake evaluates it. */
const RULES = `groups:
  - name: hourly
    interval: 1h
    rules:
      - {alert: Unreachable, expr: belfry_cluster_unreachable == 1}
`;

describe('belfry start --rules.strict-slots', () => {
  it.each([
    { args: ['--rules.strict-slots'], triggers: [], what: 'no rule is evaluated before its slot' },
    { args: [], triggers: ['wake'], what: 'without it, what happens wakes the rules' },
  ])('$what', async ({ args, triggers }) => {
    // Nobody listens on port 1.
    const options = { clusters: [{ name: 'orders', brokers: ['127.0.0.1:1'] }], rules: RULES, args };
    await using stage = await Stage.start(options);
    await stage.belfry.queryUntil('belfry_cluster_unreachable', (samples) => samples.some(({ value }) => value === 1));
    const page = await (await stage.belfry.request('GET', '/metrics')).text();
    const found = /belfry_rule_group_evaluation_duration_seconds_count\{group="hourly",trigger="(\w+)"\} [1-9]/.exec(page);
    expect(found === null ? [] : [found[1]]).toEqual(triggers);
  });
});
