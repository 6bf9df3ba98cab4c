import { ACTIONS } from '../../core/autopilot.ts';
import { BelfryError } from '../../core/errors.ts';

/**
 * Templates of command lines. Values come from intents, which come over a network: each must match the pattern of its
 * name, and no pattern lets a value begin with a dash or hold white space, so that none becomes an option or an argument
 * of its own. There is no shell.
 */
export type TemplateValues = Partial<Record<PlaceholderName, string | number>>;

export const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,253}$/;
export const EXECUTOR_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Names and addresses, IPv6 without brackets too; no user before an @. */
export const HOST_NAME = /^[A-Za-z0-9:][A-Za-z0-9.:-]{0,253}$/;
const WHOLE_NUMBER = /^\d{1,15}$/;

const PATTERNS = {
  cluster: CLUSTER_NAME,
  broker: /^\d{1,10}$/,
  host: HOST_NAME,
  action: new RegExp(`^(?:${ACTIONS.join('|')}|probe)$`),
  intent: /^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$/,
  desired: WHOLE_NUMBER,
  token: WHOLE_NUMBER,
} as const;

type PlaceholderName = keyof typeof PATTERNS;

/** What is wrong with one argument of a template; undefined where nothing is. */
export function placeholderProblem(part: string, isProgram: boolean): string | undefined {
  if (part.includes('\0')) return 'holds a zero byte';
  if (isProgram && part === '') return 'names no program';
  for (const [whole, name = ''] of part.matchAll(/\{([^{}]*)\}/g)) {
    if (isProgram) return 'the program itself cannot hold a placeholder';
    if (!isPlaceholder(name)) return `unknown placeholder ${whole}: there are ${Object.keys(PATTERNS).join(', ')}`;
  }
  return undefined;
}

/** The argument vector. Throws `EXECUTOR_FAILED` where a value is missing or does not look as it must. */
export function fillArgv(template: readonly string[], values: TemplateValues): readonly string[] {
  return template.map((part, index) => {
    const problem = placeholderProblem(part, index === 0);
    if (problem !== undefined) throw new BelfryError('EXECUTOR_FAILED', `${JSON.stringify(part)}: ${problem}`);
    return part.replaceAll(/\{([^{}]*)\}/g, (_, name: string) => checkedValue(name, values));
  });
}

function checkedValue(name: string, values: TemplateValues): string {
  if (!isPlaceholder(name)) throw new BelfryError('EXECUTOR_FAILED', `unknown placeholder {${name}}`);
  const value = values[name];
  if (value === undefined) throw new BelfryError('EXECUTOR_FAILED', missingText(name, values));
  const text = String(value);
  if (!PATTERNS[name].test(text)) throw new BelfryError('EXECUTOR_FAILED', `{${name}} cannot be ${JSON.stringify(text.slice(0, 100))}`);
  return text;
}

function missingText(name: PlaceholderName, values: TemplateValues): string {
  if (name === 'host' && values.broker !== undefined) return `no host is configured for broker ${values.broker}`;
  return `there is no value for {${name}}`;
}

function isPlaceholder(name: string): name is PlaceholderName {
  return Object.hasOwn(PATTERNS, name);
}
