import { BelfryError } from '../core/errors.ts';
import type { ParseOptions } from './parse.ts';

/** Prometheus's names of what it keeps behind `--enable-feature` and Belfry has. */
const FEATURES = {
  'promql-experimental-functions': { experimentalFunctions: true },
  'promql-duration-expr': { durationExpressions: true },
  'promql-extended-range-selectors': { extendedRangeSelectors: true },
  'promql-binop-fill-modifiers': { binopFillModifiers: true },
} as const;

export const FEATURE_NAMES: readonly string[] = Object.keys(FEATURES);

/** How a refused expression can be let in, as the refusal says it. */
export const SWITCHES: Readonly<Record<keyof ParseOptions, string>> = {
  experimentalFunctions: switchText('experimental_functions', 'promql-experimental-functions'),
  durationExpressions: switchText('duration_expressions', 'promql-duration-expr'),
  extendedRangeSelectors: switchText('extended_range_selectors', 'promql-extended-range-selectors'),
  binopFillModifiers: switchText('binop_fill_modifiers', 'promql-binop-fill-modifiers'),
};

function switchText(key: string, feature: keyof typeof FEATURES): string {
  return `promql.${key} in belfry.yaml enables them, as --enable-feature=${feature} does for belfry check and belfry test`;
}

/** What the names enable, each of which may be several with commas between them. Throws `BAD_REQUEST` for one that there is not. */
export function featuresOf(names: readonly string[]): ParseOptions {
  const enabled = names
    .flatMap((list) => list.split(','))
    .map((part) => {
      const name = part.trim();
      if (Object.hasOwn(FEATURES, name)) return FEATURES[name as keyof typeof FEATURES];
      throw new BelfryError('BAD_REQUEST', `no feature is called ${JSON.stringify(name)}: there are ${FEATURE_NAMES.join(', ')}`);
    });
  return Object.assign({}, ...enabled) as ParseOptions;
}
