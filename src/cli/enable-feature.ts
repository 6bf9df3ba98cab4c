/** The option of commands that read rules without a configuration, named as Prometheus and promtool name it. */
export const ENABLE_FEATURE = [
  '--enable-feature <name>',
  'promql-experimental-functions or promql-duration-expr, with a comma or given again for both',
  collect,
] as const;

/** An option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
