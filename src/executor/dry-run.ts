import { errorText } from '../core/errors.ts';
import type { BelfryApi } from './belfry-api.ts';
import type { Finding } from './driver.ts';
import type { ClusterPlan } from './executor.ts';
import type { StopFile } from './stop-file.ts';

/** Of what Belfry is told. */
const MAX_TEXT = 1000;

/** One thing that a dry run looked at, and where it belongs. */
export interface DryRunFinding extends Finding {
  /** `belfry`, or the name of a cluster. */
  readonly part: string;
  readonly action?: string;
}

/**
 * Looks whether everything that the executor would need is there: Belfry and the key, the programs, the APIs and what
 * they allow. It looks at the processes of the brokers whose hosts are known, and changes nothing anywhere; Belfry is told
 * what came of it, since nothing is promoted without a dry run that went well.
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
  const missing = findings.filter(({ ok }) => !ok);
  const text = missing.length === 0 ? `${findings.length} findings, all well` : missing.map((finding) => finding.text).join('; ');
  const told = await attempt('Belfry was told of this dry run', () =>
    parts.api.reportDryRun(missing.length === 0, text.slice(0, MAX_TEXT)),
  );
  return [...findings, { part: 'belfry', ...told }];
}

async function lookAtCluster(plan: ClusterPlan, signal: AbortSignal): Promise<readonly DryRunFinding[]> {
  const findings: DryRunFinding[] = [];
  for (const [action, steps] of plan.steps) {
    for (const step of steps) {
      let found: readonly Finding[];
      try {
        found = await step.check(signal);
      } catch (error) {
        found = [{ ok: false, text: `${step.name}: ${errorText(error)}` }];
      }
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
