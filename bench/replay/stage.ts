import { join } from 'node:path';
import { replay } from '../../src/app/replay-run.ts';
import { SystemClock, yieldToLoop } from '../../src/core/clock.ts';
import { DAMPING } from '../../src/routing/damping.ts';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { RULES } from '../rules/fleet.ts';

/** What the process under measurement is given. */
export interface StageConfig {
  readonly dir: string;
  readonly intervalMs: number;
}

export interface StageResult {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly rangeSeconds: number;
  readonly rules: number;
  readonly firings: number;
  /** From the start to the first evaluation. */
  readonly openSeconds: number;
  readonly errors: readonly string[];
}

/** The 65 rules; where scrapes are so far apart that `[1m]` holds one of them, windows are longer. */
function ruleText(intervalMs: number): string {
  const factor = Math.max(1, Math.ceil(intervalMs / 15_000));
  const rules = RULES.map(({ expr }, index) => ({
    alert: `Rule${index + 1}`,
    expr: expr.replaceAll(/\[(\d+)m\]/g, (_, minutes: string) => `[${Number(minutes) * factor}m]`),
    for: `${factor}m`,
  }));
  return JSON.stringify({ groups: [{ name: 'bench', interval: `${intervalMs / 1000}s`, rules }] });
}

async function measure({ dir, intervalMs }: StageConfig): Promise<StageResult> {
  const clock = new SystemClock();
  const ruleSet = parseRuleFiles([{ path: 'bench.yaml', text: ruleText(intervalMs) }], { evaluationIntervalMs: intervalMs });
  const begun = clock.elapsed();
  const cpu = process.cpuUsage();
  let openMs = 0;
  const result = await replay(
    {
      samplesPath: join(dir, 'samples.db'),
      ruleSet,
      sinceMs: 400 * 86_400_000,
      routing: {
        owners: { owners: new Map(), ownerOfCluster: new Map(), defaultOwner: '' },
        inhibitRules: [],
        maintenance: [],
        damping: DAMPING,
        inhibitionHoldMs: 0,
        mailIntervalMs: 0,
      },
      externalUrl: '',
    },
    {
      clock,
      isCancelled: () => false,
      turn: async ({ atTs, startTs, endTs }) => {
        if (openMs === 0) openMs = clock.elapsed() - begun;
        process.stderr.write(`${Math.round((100 * (atTs - startTs)) / (endTs - startTs))} %\n`);
        await yieldToLoop();
      },
    },
  );
  const { user, system } = process.cpuUsage(cpu);
  return {
    wallSeconds: (clock.elapsed() - begun) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    rangeSeconds: (Date.parse(result.end) - Date.parse(result.start)) / 1000,
    rules: result.rules.length,
    firings: result.rules.reduce((sum, { firings }) => sum + firings, 0),
    openSeconds: openMs / 1000,
    errors: result.rules.flatMap(({ rule, errors }) => (errors === null ? [] : [`${rule}: ${errors.error}`])),
  };
}

process.stdout.write(JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '{}') as StageConfig)));
