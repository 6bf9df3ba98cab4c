import type { ValueType } from './ast.ts';

/** What the checker knows of a function. */
export interface Signature {
  readonly args: readonly ValueType[];
  /** How many of the last argument may be left out or added: 0 none, n up to n, -1 without end. */
  readonly variadic: number;
  readonly returns: ValueType;
  /** Experimental in Prometheus 3.x: refused unless it is asked for. */
  readonly experimental?: true;
  /** Refused whatever the options, with this reason. */
  readonly refused?: string;
}

const EXPERIMENTAL = 'it is experimental in Prometheus';

const table = new Map<string, Signature>();

function add(names: string, args: readonly ValueType[], more: Partial<Signature> = {}): void {
  for (const name of names.split(' ')) table.set(name, { args, variadic: 0, returns: 'vector', ...more });
}

add(
  'abs ceil floor exp sqrt ln log2 log10 sgn deg rad sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh ' +
    'absent sort sort_desc timestamp',
  ['vector'],
);
add('day_of_month day_of_week day_of_year days_in_month hour minute month year', ['vector'], { variadic: 1 });
add('scalar', ['vector'], { returns: 'scalar' });
add('vector', ['scalar']);
add('time pi', [], { returns: 'scalar' });
add('clamp', ['vector', 'scalar', 'scalar']);
add('clamp_max clamp_min', ['vector', 'scalar']);
add('round', ['vector', 'scalar'], { variadic: 1 });
add('histogram_quantile', ['scalar', 'vector']);
add('histogram_fraction', ['scalar', 'scalar', 'vector']);
add('label_replace', ['vector', 'string', 'string', 'string', 'string']);
add('label_join', ['vector', 'string', 'string', 'string'], { variadic: -1 });
add(
  'rate increase delta irate idelta deriv changes resets avg_over_time min_over_time max_over_time sum_over_time count_over_time ' +
    'stddev_over_time stdvar_over_time last_over_time present_over_time absent_over_time',
  ['matrix'],
);
add('quantile_over_time', ['scalar', 'matrix']);
add('predict_linear', ['matrix', 'scalar']);

add('first_over_time mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time', ['matrix'], {
  experimental: true,
});
add('double_exponential_smoothing', ['matrix', 'scalar', 'scalar'], { experimental: true });
add('sort_by_label sort_by_label_desc', ['vector', 'string'], { variadic: -1, experimental: true });
add('info', ['vector', 'vector'], { variadic: 1, experimental: true });
add('start end range step', [], { returns: 'scalar', experimental: true });
add('integral', ['matrix', 'scalar'], { variadic: 1, experimental: true, refused: EXPERIMENTAL });
add('min_of max_of', ['scalar', 'scalar'], { returns: 'scalar', experimental: true });
add('start_timestamp', ['vector'], { experimental: true, refused: EXPERIMENTAL });
// Ten at most, as there.
add('histogram_quantiles', ['vector', 'string', 'scalar', 'scalar'], { variadic: 9, experimental: true });

add('histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar', ['vector'], {
  refused: 'it works on native histograms only',
});

/** Every function PromQL has, those that Belfry refuses among them. */
export const FUNCTIONS: ReadonlyMap<string, Signature> = table;
