import { BelfryError } from '../core/errors.ts';
import { evaluate } from './evaluate.ts';
import { parse } from './parser.ts';
import { ruleFunctions } from './prometheus-functions.ts';
import type { TemplateLimits } from './evaluate.ts';
import type { TemplateFunction, Value } from './value.ts';

export interface TemplateOptions {
  /** What errors call it. */
  readonly name: string;
  /** The functions there are, made with `functionTable`; by default those of rule files. */
  readonly functions?: ReadonlyMap<string, TemplateFunction>;
  /** Variables that `execute` sets, with their `$`. */
  readonly variables?: readonly string[];
  readonly limits?: Partial<TemplateLimits>;
}

const DEFAULT_LIMITS: TemplateLimits = { outputLength: 1024 * 1024, loopTurns: 100_000, callDepth: 100 };
const NO_FUNCTIONS: ReadonlySet<string> = new Set();
const MAX_TEXT_LENGTH = 1024 * 1024;

/** A parsed template; it may be executed any number of times. */
export interface Template {
  readonly text: string;
  /** True where the text has no action in it: executing gives the text itself. */
  readonly isLiteral: boolean;
  /** Names of the functions it calls. */
  readonly functions: ReadonlySet<string>;
  /**
   * Runs the template. `variables` are those named in the options; `host` is what the functions are given as their
   * surroundings. Throws `TEMPLATE_INVALID` with the position, or `LIMIT_EXCEEDED`.
   */
  execute(data: Value, variables: Readonly<Record<string, Value>>, host: unknown): string;
}

/** Parses a template of Go's text/template. Throws `TEMPLATE_INVALID` with the position. */
export function parseTemplate(text: string, options: TemplateOptions): Template {
  if (text.length > MAX_TEXT_LENGTH) throw new BelfryError('LIMIT_EXCEEDED', `template longer than ${MAX_TEXT_LENGTH} characters`);
  if (!text.includes('{{')) return { text, isLiteral: true, functions: NO_FUNCTIONS, execute: () => text };
  const functions = options.functions ?? ruleFunctions;
  const template = parse(text, { functions, variables: options.variables ?? [] });
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  return {
    text,
    isLiteral: false,
    functions: template.functions,
    execute: (data, variables, host) => evaluate({ text, name: options.name, template, functions, host, limits }, data, variables),
  };
}
