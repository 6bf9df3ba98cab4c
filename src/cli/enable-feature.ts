import { FEATURE_NAMES } from '../promql/features.ts';

/** The option of commands that read rules without a configuration, named as Prometheus and promtool name it. */
export const ENABLE_FEATURE = [
  '--enable-feature <name>',
  `what of experimental PromQL to let in, one or several with commas, or given again: ${FEATURE_NAMES.join(', ')}`,
  collect,
] as const;

/** Of commands that read foreign rule files, named as promtool names it. */
export const IGNORE_UNKNOWN_FIELDS = [
  '--ignore-unknown-fields',
  'leave out keys of rule files that Prometheus does not know, such as those of Thanos and Mimir',
] as const;

/** An option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
