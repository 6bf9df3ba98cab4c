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
  /** Actions that stand before the text, such as those that set variables: Go counts their columns, positions do not. */
  readonly prologue?: string;
  readonly limits?: Partial<TemplateLimits>;
}

const DEFAULT_LIMITS: TemplateLimits = { outputLength: 1024 * 1024, work: 600_000, callDepth: 100 };
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
   * Runs the template; `host` is what the functions are given as their surroundings. Throws `TEMPLATE_INVALID` with the
   * position, in the words of Go and Prometheus (`error executing template NAME: template: NAME:1:115: …`), or
   * `LIMIT_EXCEEDED`.
   */
  execute(data: Value, host: unknown): string;
}

/** Parses a template of Go's text/template. Throws `TEMPLATE_INVALID` with the position, or `LIMIT_EXCEEDED`. */
export function parseTemplate(text: string, options: TemplateOptions): Template {
  if (text.length > MAX_TEXT_LENGTH) throw new BelfryError('LIMIT_EXCEEDED', `template longer than ${MAX_TEXT_LENGTH} characters`);
  if (!text.includes('{{')) return { text, isLiteral: true, functions: NO_FUNCTIONS, execute: () => text };
  const { name, prologue = '', functions = ruleFunctions } = options;
  const template = parse(prologue + text, { name, prologueLength: prologue.length, functions });
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const execution = { text: prologue + text, name, prologueLength: prologue.length, template, functions, limits };
  return {
    text,
    isLiteral: false,
    functions: template.functions,
    execute: (data, host) => {
      try {
        return evaluate({ ...execution, host }, data);
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
        const { code, message, position } = error;
        throw new BelfryError(code, `error executing template ${name}: ${message}`, { cause: error.cause, ...(position && { position }) });
      }
    },
  };
}
