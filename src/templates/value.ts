import { BelfryError } from '../core/errors.ts';
import { compareNames } from '../core/labels.ts';

/**
 * A value of a template, with Go's types: `bigint` is an int, `number` a float64, `undefined` is no value at all, and
 * `null` is a nil that is held in a Go interface.
 */
export type Value =
  undefined | null | boolean | bigint | number | string | ListValue | MapValue | StructValue | NamedValue | FunctionValue | BoxedValue;

/** Something callable in a template: a function of the table or a method. */
export interface TemplateFunction<Host = unknown> {
  readonly params: readonly GoType[];
  /** The type of the arguments after `params`, where there may be any number of them. */
  readonly rest?: GoType;
  /** What a call takes besides looking at its arguments once, in units of some 50 ns. */
  work?(args: readonly Value[]): number;
  /** Throws a `BelfryError` or an `Error` whose text is the reason. */
  call(args: readonly Value[], host: Host): Value;
}

/**
 * A type as Go writes it: `string`, `float64`, `*template.sample`. `interface {}` takes anything, `reflect.Value` too, with
 * no value as no value where the other is given a nil.
 */
export type GoType = string;

export type Methods = Readonly<Record<string, TemplateFunction>>;

export class ListValue {
  readonly items: readonly Value[];
  readonly typeName: string;
  readonly methods: Methods;
  /** The items and those behind them that were cut off, which a slice of a slice gets back. */
  readonly backing: readonly Value[];

  constructor(items: readonly Value[], typeName = '[]interface {}', methods: Methods = {}, backing = items) {
    this.items = items;
    this.typeName = typeName;
    this.methods = methods;
    this.backing = backing;
  }
}

/** A map with string keys. `zero` is what a missing key gives: the empty string for labels, a nil otherwise. */
export class MapValue {
  readonly entries: ReadonlyMap<string, Value>;
  readonly zero: Value;
  readonly typeName: string;
  readonly methods: Methods;
  /** How many maps it holds one in the other. */
  readonly depth: number;

  constructor(entries: ReadonlyMap<string, Value>, options: { zero?: Value; typeName?: string; methods?: Methods; depth?: number } = {}) {
    this.entries = entries;
    this.zero = options.zero ?? null;
    this.typeName = options.typeName ?? 'map[string]interface {}';
    this.methods = options.methods ?? {};
    this.depth = options.depth ?? 1;
  }

  /** A map of texts, whose missing keys are empty. */
  static ofStrings(pairs: Iterable<readonly [string, string]>): MapValue {
    return new MapValue(new Map<string, Value>(pairs), { zero: '', typeName: 'map[string]string' });
  }

  get(key: string): Value {
    const value = this.entries.has(key) ? this.entries.get(key) : this.zero;
    return this.typeName.endsWith('interface {}') ? boxed(value) : value;
  }

  /** Keys in Go's printing and ranging order. */
  sortedKeys(): readonly string[] {
    return [...this.entries.keys()].sort(compareNames);
  }
}

/** A struct, or what a pointer of Go points at: its type's name then begins with a star. */
export class StructValue {
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, Value>;
  readonly methods: Methods;
  /** How it prints, where it is not field by field (Go's Stringer). */
  readonly text: string | undefined;
  /** Whether what templates hold is a pointer to it, which `print` and `printf` show with a `&`. */
  readonly isPointer: boolean;
  /** What it holds for its methods: no template can reach it. */
  readonly inner: Value;
  /** Fields of Go's that are there and not to be had. */
  readonly unexported: readonly string[];

  constructor(
    typeName: string,
    fields: Readonly<Record<string, Value>>,
    options: { methods?: Methods; text?: string; inner?: Value; unexported?: readonly string[] } = {},
  ) {
    this.typeName = typeName;
    this.fields = new Map(Object.entries(fields));
    this.methods = options.methods ?? {};
    this.text = options.text;
    this.isPointer = typeName.startsWith('*');
    this.inner = options.inner;
    this.unexported = options.unexported ?? [];
  }
}

/** A text or a whole number of another type: `template.HTML`, `time.Month`, `uint8`. It compares and computes as its content. */
export class NamedValue {
  readonly typeName: string;
  readonly content: string | bigint;
  /** How it prints, where that is not its content (Go's Stringer). */
  readonly text: string | undefined;
  readonly methods: Methods;

  constructor(typeName: string, content: string | bigint, options: { methods?: Methods; text?: string } = {}) {
    this.typeName = typeName;
    this.content = content;
    this.text = options.text;
    this.methods = options.methods ?? {};
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

/** What a field or an element of the type `interface {}` holds, until a pipeline or a function takes it out. */
export class BoxedValue {
  readonly content: Value;

  constructor(content: Value) {
    this.content = content;
  }
}

/** A value as an element of the type `interface {}` holds it. */
function boxed(value: Value): Value {
  if (value instanceof BoxedValue) return value;
  return value === undefined || value === null ? null : new BoxedValue(value);
}

/** A value that is in no interface. */
export type PlainValue = undefined | boolean | bigint | number | string | ListValue | MapValue | StructValue | NamedValue | FunctionValue;

/** What is held in an interface, or the value itself; no value where it is a nil. */
export function unboxed(value: Value): PlainValue {
  if (value instanceof BoxedValue) return unboxed(value.content);
  return value === null ? undefined : value;
}

/** A text or a number of another type as the text or number. */
export function contentOf(value: Value): Exclude<PlainValue, NamedValue> {
  const plain = unboxed(value);
  if (plain instanceof NamedValue) return plain.content;
  return plain;
}

/** Go's name of a value's type, for messages and `%T`. */
export function typeName(value: Value): string {
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float64';
  if (value instanceof BoxedValue) return typeName(value.content);
  return value instanceof FunctionValue ? 'func()' : value.typeName;
}

/** The type of what a pointer points at, or the type itself. */
export function pointedTypeName(value: Value): string {
  return value instanceof StructValue && value.isPointer ? value.typeName.slice(1) : typeName(value);
}

/** Go's truth: not the zero value, not empty. A struct is always true. */
export function isTrue(value: Value): boolean {
  const content = contentOf(value);
  if (content instanceof ListValue) return content.items.length > 0;
  if (content instanceof MapValue) return content.entries.size > 0;
  if (typeof content === 'number') return content !== 0;
  return Boolean(content);
}

/** An argument that its parameter's type has already made sure is a text. */
export function textOf(value: Value): string {
  if (typeof value !== 'string') throw new BelfryError('TEMPLATE_INVALID', `wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}
