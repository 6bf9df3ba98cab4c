import { spotText } from './spot-text.ts';
import { durationOf } from './go-time.ts';
import { contentOf, ListValue, NamedValue, StructValue, typeName, unboxed } from './value.ts';
import type { NumberConstant, Operand, TextConstant } from './ast.ts';
import type { GoType, Value } from './value.ts';

/** An argument, or why it is none of its parameter's type. */
export interface Argument {
  readonly value: Value;
  readonly problem?: string;
}

const BASIC_TYPES: ReadonlySet<GoType> = new Set(['string', 'bool', 'int', 'float64', 'time.Duration', 'time.Time']);

/** Whether a nil can be given where this type is wanted. */
export function canBeNil(type: GoType): boolean {
  return !BASIC_TYPES.has(type);
}

/** The nil of a type, as our functions take it: an empty list, no value, or nothing to point at. */
export function nilOf(type: GoType): Value {
  if (type === 'reflect.Value') return undefined;
  return type === 'template.queryResult' ? new ListValue([], type) : null;
}

/** A constant as the type that is wanted: a number is of any kind that can hold it. */
export function constantOf(operand: (Operand & { type: 'bool' }) | NumberConstant | TextConstant, type: GoType): Argument {
  const expected = (kind: string): Argument => ({ value: undefined, problem: `expected ${kind}; found ${spotText(operand)}` });
  switch (type) {
    case 'interface {}':
    case 'reflect.Value':
      if (operand.type === 'number' && operand.value === undefined) return { value: undefined, problem: `${operand.text} overflows int` };
      return { value: operand.value };
    case 'string':
      return operand.type === 'text constant' ? { value: operand.value } : expected('string');
    case 'bool':
      return operand.type === 'bool' ? { value: operand.value } : expected('bool');
    case 'float64':
      return operand.type === 'number' && operand.float !== undefined ? { value: operand.float } : expected('float');
    case 'int':
      return operand.type === 'number' && operand.int !== undefined ? { value: operand.int } : expected('integer');
    case 'time.Duration':
      return operand.type === 'number' && operand.int !== undefined ? { value: durationOf(operand.int) } : expected('integer');
    default:
      return { value: undefined, problem: `can't handle ${spotText(operand)} for arg of type ${type}` };
  }
}

/** A value where a type is wanted; what a pointer points at serves as well. */
export function argumentOf(given: Value, type: GoType): Argument {
  if (type === 'reflect.Value') return { value: given };
  const value = unboxed(given);
  if (type === 'interface {}') return { value: value ?? null };
  const wrong = (got: string): Argument => ({ value, problem: `wrong type for value; expected ${type}; got ${got}` });
  if (given === null) return wrong('interface {}');
  if (value === undefined) return canBeNil(type) ? { value: nilOf(type) } : { value, problem: `invalid value; expected ${type}` };
  if (typeName(value) === type) return { value };
  if (value instanceof StructValue && value.typeName === `*${type}`)
    return { value: value.inner instanceof NamedValue ? value.inner : value };
  return wrong(typeName(value));
}

/** A value as an argument of a function that is a value itself (`call`). Throws an `Error` with Go's reason. */
export function calledWith(value: Value, type: GoType, index: number): Value {
  const content = unboxed(value);
  if (content === undefined && !canBeNil(type)) throw new Error(`arg ${index}: value is nil; should be of type ${type}`);
  if (content === undefined) return nilOf(type);
  const problem = argumentOf(content, type).problem;
  if (problem !== undefined) throw new Error(`arg ${index}: value has type ${typeName(content)}; should be ${type}`);
  return content;
}

/** What Go calls a function that is piped in: a text is its own name. */
export function pipedName(value: Value): string {
  const content = contentOf(value);
  return typeof content === 'string' ? content : `<${content === undefined ? 'invalid' : typeName(value)} Value>`;
}
