import { BelfryError, errorText } from '../../core/errors.ts';
import type { Matcher } from '../../core/matcher.ts';
import { parseMatcher } from '../../core/parse-matcher.ts';
import { compileRegex } from '../../core/regex.ts';
import { PlainRefusal } from './alertmanager-context.ts';

const FILTERS_MAX = 100;
/** Words that go-openapi/swag takes for true; anything else is false. */
const TRUE = new Set(['true', '1', 'yes', 'ok', 'y', 'on', 'selected', 'checked', 't', 'enabled']);

/** The matchers of all `filter` parameters; what is asked for must match each. */
export function filterParameter(parameters: URLSearchParams): readonly Matcher[] {
  const texts = parameters.getAll('filter');
  if (texts.length > FILTERS_MAX) throw new PlainRefusal('BAD_REQUEST', `more than ${FILTERS_MAX} filters`);
  return texts.map((text) => {
    try {
      return parseMatcher(text);
    } catch (error) {
      throw new PlainRefusal('BAD_REQUEST', reasonOf(error), { cause: error });
    }
  });
}

/** Whether a receiver's whole name matches the expression `receiver`; every one does where it is left out. */
export function receiverParameter(parameters: URLSearchParams): (name: string) => boolean {
  const pattern = last(parameters, 'receiver');
  if (pattern === '') return () => true;
  try {
    const regex = compileRegex(pattern, 'alertmanager');
    return (name) => regex.matches(name);
  } catch (error) {
    throw new PlainRefusal('BAD_REQUEST', `failed to parse receiver param: ${reasonOf(error)}`, { cause: error });
  }
}

/** A switch that is on where it is left out or empty. */
export function switchParameter(parameters: URLSearchParams, name: string): boolean {
  const text = last(parameters, name);
  return text === '' || TRUE.has(text.toLowerCase());
}

/** Of a parameter that is given several times the last one counts, as go-openapi has it. */
function last(parameters: URLSearchParams, name: string): string {
  return parameters.getAll(name).at(-1) ?? '';
}

/** The engine's own sentence. */
function reasonOf(error: unknown): string {
  return error instanceof BelfryError && error.cause instanceof Error ? error.cause.message : errorText(error);
}
