import { BelfryError } from '../core/errors.ts';
import { compareNames } from '../core/labels.ts';

/**
 * A value of a template, with Go's types: `bigint` is an int, `number` a float64, `null` is nil, and `undefined` is
 * "no value", what a missing key of an untyped map gives.
 */
export type Value = undefined | null | boolean | bigint | number | string | ListValue | MapValue | StructValue | FunctionValue;

/** Something callable in a template: a function of the table or a method. */
export interface TemplateFunction<Host = unknown> {
  readonly params: readonly ParamType[];
  /** The type of the arguments after `params`, where there may be any number of them. */
  readonly rest?: ParamType;
  /** Throws a `BelfryError` or an `Error` whose text is the reason. */
  call(args: readonly Value[], host: Host): Value;
}

export type ParamType = 'any' | 'string' | 'int' | 'float' | 'bool' | 'list' | 'struct' | 'map' | 'function';

export type Methods = Readonly<Record<string, TemplateFunction>>;

export class ListValue {
  readonly items: readonly Value[];
  readonly typeName: string;
  readonly methods: Methods;

  constructor(items: readonly Value[], typeName = '[]interface {}', methods: Methods = {}) {
    this.items = items;
    this.typeName = typeName;
    this.methods = methods;
  }
}

/** A map with string keys. `zero` is what a missing key gives: the empty string for labels, no value otherwise. */
export class MapValue {
  readonly entries: ReadonlyMap<string, Value>;
  readonly zero: Value;
  readonly typeName: string;
  readonly methods: Methods;

  constructor(entries: ReadonlyMap<string, Value>, options: { zero?: Value; typeName?: string; methods?: Methods } = {}) {
    this.entries = entries;
    this.zero = options.zero;
    this.typeName = options.typeName ?? 'map[string]interface {}';
    this.methods = options.methods ?? {};
  }

  /** A map of texts, whose missing keys are empty. */
  static ofStrings(pairs: Iterable<readonly [string, string]>): MapValue {
    return new MapValue(new Map<string, Value>(pairs), { zero: '', typeName: 'map[string]string' });
  }

  get(key: string): Value {
    return this.entries.has(key) ? this.entries.get(key) : this.zero;
  }

  /** Keys in Go's printing and ranging order. */
  sortedKeys(): readonly string[] {
    return [...this.entries.keys()].sort(compareNames);
  }
}

export class StructValue {
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, Value>;
  readonly methods: Methods;
  /** How it prints, where it is not field by field (Go's Stringer). */
  readonly text: string | undefined;
  /** Whether what templates hold is a pointer to it, which `print` and `printf` show with a `&`. */
  readonly isPointer: boolean;

  constructor(typeName: string, fields: Readonly<Record<string, Value>>, options: { methods?: Methods; text?: string } = {}) {
    this.typeName = typeName;
    this.fields = new Map(Object.entries(fields));
    this.methods = options.methods ?? {};
    this.text = options.text;
    this.isPointer = typeName.startsWith('*');
  }
}

export class FunctionValue {
  readonly name: string;
  readonly definition: TemplateFunction;

  constructor(name: string, definition: TemplateFunction) {
    this.name = name;
    this.definition = definition;
  }
}

/** Go's name of a value's type, for messages and `%T`. */
export function typeName(value: Value): string {
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float64';
  return value instanceof FunctionValue ? 'func' : value.typeName;
}

/** Go's truth: not the zero value, not empty. A struct is always true. */
export function isTrue(value: Value): boolean {
  if (value instanceof ListValue) return value.items.length > 0;
  if (value instanceof MapValue) return value.entries.size > 0;
  if (typeof value === 'number') return value !== 0;
  return Boolean(value);
}

/** A number as functions that take any kind of number read it; undefined where it is none. */
export function toFloat(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof StructValue) {
    const seconds = value.fields.get('seconds');
    return typeof seconds === 'number' ? seconds : undefined;
  }
  return undefined;
}

/** An argument that its parameter's type has already made sure is a text. */
export function textOf(value: Value): string {
  if (typeof value !== 'string') throw new BelfryError('TEMPLATE_INVALID', `wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}
