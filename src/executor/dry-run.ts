import { errorText } from '../core/errors.ts';
import type { BelfryApi } from './belfry-api.ts';
import type { Finding } from './driver.ts';
import type { ClusterPlan } from './executor.ts';
import type { StopFile } from './stop-file.ts';

/** One thing that a dry run looked at, and where it belongs. */
export interface DryRunFinding extends Finding {
  /** `belfry`, or the name of a cluster. */
  readonly part: string;
  readonly action?: string;
}

/**
 * Looks whether everything that the executor would need is there: Belfry and the key, the programs, the APIs and what
 * they allow. It looks at the processes of the brokers whose hosts are known, and changes nothing anywhere.
 */
export async function dryRun(
  parts: { api: BelfryApi; signingKey: () => string; stopFile: StopFile; plans: readonly ClusterPlan[] },
  signal: AbortSignal,
): Promise<readonly DryRunFinding[]> {
  const findings: DryRunFinding[] = [
    { part: 'belfry', ...(await attempt(`Belfry at ${parts.api.shownUrl} answers`, () => parts.api.look(signal))) },
    { part: 'belfry', ...(await attempt('the signing key can be read', () => void parts.signingKey())) },
  ];
  if (parts.stopFile.isThere()) findings.push({ part: 'belfry', ok: false, text: `the stop file ${parts.stopFile.path} is there` });
  for (const plan of parts.plans) findings.push(...(await lookAtCluster(plan, signal)));
  return findings;
}

async function lookAtCluster(plan: ClusterPlan, signal: AbortSignal): Promise<readonly DryRunFinding[]> {
  const findings: DryRunFinding[] = [];
  for (const [action, steps] of plan.steps) {
    for (const step of steps) {
      const found = await step.check(signal);
      findings.push(...found.map((finding) => ({ part: plan.name, action, ...finding })));
    }
  }
  if (plan.probe === undefined) return findings;
  for (const broker of plan.brokers) {
    const { process, text } = await plan.probe.look({ cluster: plan.name, broker, intentId: 'dry-run', fencingToken: 0 }, signal);
    findings.push({ part: plan.name, action: 'probe', ok: process !== 'unknown', text: `broker ${broker}: ${text}` });
  }
  return findings;
}

async function attempt(what: string, look: () => Promise<void> | void): Promise<Finding> {
  try {
    await look();
    return { ok: true, text: what };
  } catch (error) {
    return { ok: false, text: errorText(error) };
  }
}
