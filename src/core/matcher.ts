import { compileRegex, type RegexDialect } from './regex.ts';
import type { Labels } from './labels.ts';

const CLASSIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
/** A quoted value whose escapes the classic grammar of matchers knows; others it takes as they stand. */
const CLASSIC_VALUE = /^"(?:[^\\]|\\["\\n])*"$/;

export type MatchOp = '=' | '!=' | '=~' | '!~';

/** One label matcher of a selector, route, inhibition or silence. A label that is absent has the empty value. */
export class Matcher {
  readonly name: string;
  readonly op: MatchOp;
  readonly value: string;
  readonly #test: (value: string) => boolean;

  /** Throws `BAD_REQUEST` where the pattern of `=~` or `!~` is no RE2 expression. */
  constructor(name: string, op: MatchOp, value: string, dialect: RegexDialect = 'prometheus') {
    this.name = name;
    this.op = op;
    this.value = value;
    this.#test = tester(op, value, dialect);
  }

  matches(value: string): boolean {
    return this.#test(value);
  }

  matchesLabels(labels: Labels): boolean {
    return this.#test(labels.get(this.name));
  }

  get matchesEmpty(): boolean {
    return this.#test('');
  }

  /** As `parseMatcher` reads it back, in one line: the name stands in quotes where only then all escapes of the value are read. */
  toString(): string {
    const value = JSON.stringify(this.value);
    const isClassic = CLASSIC_NAME.test(this.name) && CLASSIC_VALUE.test(value);
    return `${isClassic ? this.name : JSON.stringify(this.name)}${this.op}${value}`;
  }
}

function tester(op: MatchOp, value: string, dialect: RegexDialect): (text: string) => boolean {
  switch (op) {
    case '=':
      return (text) => text === value;
    case '!=':
      return (text) => text !== value;
    case '=~': {
      const regex = compileRegex(value, dialect);
      return (text) => regex.matches(text);
    }
    case '!~': {
      const regex = compileRegex(value, dialect);
      return (text) => !regex.matches(text);
    }
  }
}

/** True when every matcher accepts the labels. */
export function matchesAll(matchers: readonly Matcher[], labels: Labels): boolean {
  return matchers.every((matcher) => matcher.matchesLabels(labels));
}
