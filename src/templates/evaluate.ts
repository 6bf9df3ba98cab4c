import { BelfryError, errorText } from '../core/errors.ts';
import { builtinFunctions } from './builtins.ts';
import { formatValue } from './go-fmt.ts';
import { positionAt } from './lexer.ts';
import { FunctionValue, isTrue, ListValue, MapValue, StructValue, typeName } from './value.ts';
import type { Block, Command, Node, Operand, Pipeline } from './ast.ts';
import type { ParsedTemplate } from './parser.ts';
import type { ParamType, TemplateFunction, Value } from './value.ts';

export interface TemplateLimits {
  /** Characters of the whole output. */
  readonly outputLength: number;
  /** Turns of all loops together. */
  readonly loopTurns: number;
  /** Templates calling templates. */
  readonly callDepth: number;
}

export interface Execution {
  readonly text: string;
  readonly name: string;
  readonly template: ParsedTemplate;
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  readonly host: unknown;
  readonly limits: TemplateLimits;
}

interface Variable {
  readonly name: string;
  value: Value;
}

type Flow = 'next' | 'break' | 'continue';

const PARAM_NAMES: Readonly<Record<ParamType, string>> = {
  any: 'interface {}',
  string: 'string',
  int: 'int',
  float: 'float64',
  bool: 'bool',
  list: 'slice',
  struct: 'struct',
  map: 'map',
  function: 'func',
};

/** Runs a parsed template. Throws `TEMPLATE_INVALID` with the position, or `LIMIT_EXCEEDED`. */
export function evaluate(execution: Execution, data: Value, variables: Readonly<Record<string, Value>>): string {
  const evaluator = new Evaluator(execution);
  const scope = [{ name: '$', value: data }, ...Object.entries(variables).map(([name, value]) => ({ name, value }))];
  evaluator.run(execution.template.body, data, scope);
  return evaluator.output;
}

class Evaluator {
  readonly #execution: Execution;
  output = '';
  #turns = 0;
  #callDepth = 0;
  #scope: Variable[] = [];

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  run(block: Block, dot: Value, scope: Variable[]): void {
    const outer = this.#scope;
    this.#scope = scope;
    this.#walk(block, dot);
    this.#scope = outer;
  }

  #fail(at: number, message: string): BelfryError {
    const { text, name } = this.#execution;
    const position = positionAt(text, at);
    return new BelfryError('TEMPLATE_INVALID', `template: ${name}:${position.line}:${position.column}: ${message}`, { position });
  }

  #write(text: string): void {
    this.output += text;
    if (this.output.length > this.#execution.limits.outputLength)
      throw new BelfryError('LIMIT_EXCEEDED', `template output longer than ${this.#execution.limits.outputLength} characters`);
  }

  #walk(block: Block, dot: Value): Flow {
    for (const node of block) {
      const flow = this.#node(node, dot);
      if (flow !== 'next') return flow;
    }
    return 'next';
  }

  /** A block with variables of its own. */
  #scoped(block: Block, dot: Value): Flow {
    const mark = this.#scope.length;
    const flow = this.#walk(block, dot);
    this.#scope.length = mark;
    return flow;
  }

  #node(node: Node, dot: Value): Flow {
    switch (node.type) {
      case 'text':
        this.#write(node.text);
        return 'next';
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0) this.#print(value, node.pipeline.at);
        return 'next';
      }
      case 'if':
      case 'with': {
        const mark = this.#scope.length;
        const value = this.#pipeline(node.pipeline, dot);
        let flow: Flow = 'next';
        if (isTrue(value)) flow = this.#scoped(node.body, node.type === 'with' ? value : dot);
        else if (node.otherwise !== undefined) flow = this.#scoped(node.otherwise, dot);
        this.#scope.length = mark;
        return flow;
      }
      case 'range':
        return this.#range(node, dot);
      case 'break':
      case 'continue':
        return node.type;
      case 'template':
        this.#template(node, dot);
        return 'next';
    }
  }

  #print(value: Value, at: number): void {
    if (value instanceof FunctionValue) throw this.#fail(at, `can't print function ${value.name}`);
    this.#write(formatValue(value));
  }

  #template(node: { at: number; name: string; pipeline: Pipeline | undefined }, dot: Value): void {
    const block = this.#execution.template.defined.get(node.name);
    if (block === undefined) throw this.#fail(node.at, `template ${JSON.stringify(node.name)} not defined`);
    if (++this.#callDepth > this.#execution.limits.callDepth)
      throw new BelfryError('LIMIT_EXCEEDED', `templates calling templates more than ${this.#execution.limits.callDepth} deep`);
    const data = node.pipeline === undefined ? undefined : this.#pipeline(node.pipeline, dot);
    this.run(block, data, [{ name: '$', value: data }]);
    this.#callDepth--;
  }

  #range(node: { at: number; pipeline: Pipeline; body: Block; otherwise: Block | undefined }, dot: Value): Flow {
    const mark = this.#scope.length;
    const { variables } = node.pipeline;
    const value = this.#pipeline(node.pipeline, dot);
    let turns = 0;
    const inner = this.#scope.length;
    for (const [key, item] of this.#items(value, node.at, variables.length)) {
      turns++;
      if (++this.#turns > this.#execution.limits.loopTurns)
        throw new BelfryError('LIMIT_EXCEEDED', `template loops of more than ${this.#execution.limits.loopTurns} turns`);
      const [first, second] = variables;
      // Declared or assigned, the newest variable of that name is the one meant.
      if (second !== undefined && first !== undefined) {
        this.#assign(first, key, node.at);
        this.#assign(second, item, node.at);
      } else if (first !== undefined) this.#assign(first, item, node.at);
      const flow = this.#walk(node.body, item);
      this.#scope.length = inner;
      if (flow === 'break') break;
    }
    const flow = turns === 0 && node.otherwise !== undefined ? this.#scoped(node.otherwise, dot) : 'next';
    this.#scope.length = mark;
    return flow;
  }

  *#items(value: Value, at: number, variables: number): Generator<readonly [Value, Value]> {
    if (value === undefined || value === null) return;
    if (value instanceof ListValue) {
      for (const [index, item] of value.items.entries()) yield [BigInt(index), item];
    } else if (value instanceof MapValue) {
      for (const key of value.sortedKeys()) yield [key, value.entries.get(key)];
    } else if (typeof value === 'bigint') {
      if (variables > 1) throw this.#fail(at, `can't use ${value} to iterate over more than one variable`);
      for (let i = 0n; i < value; i++) yield [i, i];
    } else throw this.#fail(at, `range can't iterate over ${formatValue(value)}`);
  }

  #assign(name: string, value: Value, at: number): void {
    this.#found(name, at).value = value;
  }

  #found(name: string, at: number): Variable {
    const variable = this.#scope.findLast((candidate) => candidate.name === name);
    if (variable === undefined) throw this.#fail(at, `undefined variable: ${name}`);
    return variable;
  }

  #pipeline(pipeline: Pipeline, dot: Value): Value {
    let value: Value = undefined;
    for (const [index, command] of pipeline.commands.entries()) value = this.#command(command, dot, index === 0 ? [] : [value]);
    for (const name of pipeline.variables) {
      if (pipeline.assigns) this.#assign(name, value, pipeline.at);
      else this.#scope.push({ name, value });
    }
    return value;
  }

  /** `final` holds the value piped in, or nothing. */
  #command(command: Command, dot: Value, final: readonly Value[]): Value {
    const [first, ...args] = command.operands;
    if (first === undefined) throw this.#fail(command.at, 'empty command');
    if (first.type === 'function') return this.#call(first, args, dot, final);
    if (first.type === 'field' || first.type === 'variable' || first.type === 'chain') return this.#fields(first, dot, args, final);
    if (args.length > 0 || final.length > 0) throw this.#fail(first.at, "can't give argument to non-function");
    if (first.type === 'nil') throw this.#fail(first.at, 'nil is not a command');
    return this.#operand(first, dot);
  }

  #operand(operand: Operand, dot: Value): Value {
    switch (operand.type) {
      case 'dot':
        return dot;
      case 'nil':
        return null;
      case 'constant':
        return operand.value;
      case 'pipeline': {
        const mark = this.#scope.length;
        const value = this.#pipeline(operand.pipeline, dot);
        this.#scope.length = mark;
        return value;
      }
      case 'function':
        return this.#call(operand, [], dot, []);
      case 'field':
      case 'variable':
      case 'chain':
        return this.#fields(operand, dot, [], []);
    }
  }

  #fields(
    operand: Operand & { type: 'field' | 'variable' | 'chain' },
    dot: Value,
    args: readonly Operand[],
    final: readonly Value[],
  ): Value {
    let value: Value = dot;
    if (operand.type === 'variable') value = this.#found(operand.name, operand.at).value;
    else if (operand.type === 'chain') value = this.#operand(operand.operand, dot);
    for (const [index, name] of operand.path.entries()) {
      const last = index === operand.path.length - 1;
      value = this.#field(value, name, operand.at, { dot, args: last ? args : [], final: last ? final : [] });
    }
    if (operand.path.length === 0 && (args.length > 0 || final.length > 0))
      throw this.#fail(operand.at, "can't give argument to non-function");
    return value;
  }

  #field(value: Value, name: string, at: number, call: { dot: Value; args: readonly Operand[]; final: readonly Value[] }): Value {
    const hasArgs = call.args.length > 0 || call.final.length > 0;
    if (value === undefined) return undefined;
    if (value === null) throw this.#fail(at, `nil pointer evaluating interface {}.${name}`);
    if (value instanceof ListValue || value instanceof MapValue || value instanceof StructValue) {
      const method = Object.hasOwn(value.methods, name) ? value.methods[name] : undefined;
      if (method !== undefined) return this.#invoke(name, method, at, call.args, call.dot, call.final);
    }
    if (value instanceof StructValue && value.fields.has(name)) {
      if (hasArgs) throw this.#fail(at, `${name} has arguments but cannot be invoked as function`);
      return value.fields.get(name);
    }
    if (value instanceof MapValue) {
      if (hasArgs) throw this.#fail(at, `${name} is not a method but has arguments`);
      return value.get(name);
    }
    throw this.#fail(at, `can't evaluate field ${name} in type ${typeName(value)}`);
  }

  #call(operand: { at: number; name: string }, args: readonly Operand[], dot: Value, final: readonly Value[]): Value {
    const { at, name } = operand;
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, at, args, dot, final);
    if (name === 'call') return this.#callValue(at, args, dot, final);
    const definition = this.#execution.functions.get(name) ?? builtinFunctions[name];
    if (definition === undefined) throw this.#fail(at, `${JSON.stringify(name)} is not a defined function`);
    return this.#invoke(name, definition, at, args, dot, final);
  }

  #shortCircuit(name: 'and' | 'or', at: number, args: readonly Operand[], dot: Value, final: readonly Value[]): Value {
    if (args.length + final.length === 0) throw this.#fail(at, `wrong number of args for ${name}: want at least 1 got 0`);
    let value: Value = undefined;
    for (const arg of args) {
      value = this.#operand(arg, dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return final.length > 0 ? final[0] : value;
  }

  #callValue(at: number, args: readonly Operand[], dot: Value, final: readonly Value[]): Value {
    const [callee, ...rest] = args;
    const target = callee === undefined ? final[0] : this.#operand(callee, dot);
    if (!(target instanceof FunctionValue)) throw this.#fail(at, `error calling call: non-function of type ${typeName(target)}`);
    return this.#invoke(target.name, target.definition, at, rest, dot, callee === undefined ? [] : final);
  }

  #invoke(name: string, definition: TemplateFunction, at: number, args: readonly Operand[], dot: Value, final: readonly Value[]): Value {
    const { params, rest } = definition;
    const given = args.length + final.length;
    if (rest === undefined ? given !== params.length : given < params.length)
      throw this.#fail(at, `wrong number of args for ${name}: want ${rest === undefined ? '' : 'at least '}${params.length} got ${given}`);
    const typeOf = (index: number): ParamType => params[index] ?? rest ?? 'any';
    const values = args.map((arg, index) => this.#argument(arg, typeOf(index), dot));
    for (const value of final) values.push(this.#validated(value, typeOf(values.length), at));
    try {
      return definition.call(values, this.#execution.host);
    } catch (error) {
      if (error instanceof BelfryError && error.code === 'LIMIT_EXCEEDED') throw error;
      throw this.#fail(at, `error calling ${name}: ${errorText(error)}`);
    }
  }

  /** A number constant takes the type that is wanted where it can hold it; everything else must have it. */
  #argument(operand: Operand, type: ParamType, dot: Value): Value {
    if (operand.type === 'constant' && operand.number !== undefined) {
      if (type === 'float' && operand.number.float !== undefined) return operand.number.float;
      if (type === 'int' && operand.number.int !== undefined) return operand.number.int;
    }
    if (operand.type === 'nil' && (type === 'string' || type === 'int' || type === 'float' || type === 'bool'))
      throw this.#fail(operand.at, `cannot assign nil to ${PARAM_NAMES[type]}`);
    if (operand.type === 'nil' && type === 'list') return new ListValue([]);
    return this.#validated(this.#operand(operand, dot), type, operand.at);
  }

  #validated(value: Value, type: ParamType, at: number): Value {
    if (hasType(value, type)) return value;
    if (value === undefined || value === null) throw this.#fail(at, `invalid value; expected ${PARAM_NAMES[type]}`);
    throw this.#fail(at, `wrong type for value; expected ${PARAM_NAMES[type]}; got ${typeName(value)}`);
  }
}

function hasType(value: Value, type: ParamType): boolean {
  switch (type) {
    case 'any':
      return true;
    case 'string':
      return typeof value === 'string';
    case 'int':
      return typeof value === 'bigint';
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'list':
      return value instanceof ListValue;
    case 'struct':
      return value instanceof StructValue;
    case 'map':
      return value instanceof MapValue;
    case 'function':
      return value instanceof FunctionValue;
  }
}
