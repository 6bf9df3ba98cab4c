import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument, isMap, isSeq, type YAMLMap } from 'yaml';
import type { Cluster } from '../../testbed/cluster.ts';
import { Stage, type StageOptions } from '../../testbed/stage.ts';
import type { BenchContext } from '../bench.ts';

const SHIPPED_RULES = fileURLToPath(new URL('../../rules.yaml', import.meta.url));
/** Three crashes of one broker within the window would be told as flapping; the bench is told of each. */
const FLAPPING_WINDOW = '1s';
/** The same broker killed again within five minutes is the same incident, of which there would be one mail in five minutes. */
const MAIL_INTERVAL = '0s';
/** The most there is: a broker that is killed for the fourth time in a quarter of an hour would be told as flapping. */
const DAMPING_TIMES = 1000;

/** What the bench sets that a default installation does not: said with the figures. */
export const SETTINGS_NOTE =
  `shipped rules and defaults, but for liveness.flapping_window: ${FLAPPING_WINDOW}, damping.times: ${DAMPING_TIMES} and email.min_interval: ${MAIL_INTERVAL}, ` +
  'which would fold kills of the same broker within minutes into one message';

/** A Belfry of its own process that has seen the cluster and read its topics' configurations. Dispose it. */
export async function startBelfry(cluster: Cluster, context: BenchContext, rules?: string): Promise<Stage> {
  const profile = context.values['cpu-prof'];
  const options: StageOptions = {
    clusters: [{ name: 'bench', brokers: cluster.bootstrap, liveness: { flapping_window: FLAPPING_WINDOW } }],
    ...(rules === undefined ? {} : { rules }),
    ...(typeof profile === 'string' ? { env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` } } : {}),
  };
  const stage = await Stage.start(options);
  try {
    // The mail server's address is known only now.
    const email = { smtp: stage.mail.smtpUrl, from: 'Belfry <belfry@example.com>', min_interval: MAIL_INTERVAL };
    stage.configure({ ...options, config: { email, damping: { times: DAMPING_TIMES } } });
    stage.belfry.signal('SIGHUP');
    await stage.belfry.logged('config_reloaded');
    await stage.belfry.queryUntil('up{job="kafka"} == 1', (samples) => samples.length === cluster.brokerIds.length);
    await stage.belfry.queryUntil('belfry_kafka_under_min_isr_partitions == 0', (samples) => samples.length === 1);
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

/** The shipped rules with `for: 0s` at every rule of this name. Throws where there is none. */
export function rulesWithoutFor(alertName: string, text: string = readFileSync(SHIPPED_RULES, 'utf8')): string {
  const document = parseDocument(text);
  let found = 0;
  const groups = document.get('groups');
  for (const group of isSeq(groups) ? groups.items : []) {
    const rules = isMap(group) ? group.get('rules') : undefined;
    for (const rule of isSeq(rules) ? rules.items : []) {
      if (!isMap(rule) || rule.get('alert') !== alertName) continue;
      (rule as YAMLMap).set('for', '0s');
      found += 1;
    }
  }
  if (found === 0) throw new Error(`bench: the rules have no alert ${alertName}`);
  return document.toString();
}
