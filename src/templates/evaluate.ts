import { BelfryError, errorText } from '../core/errors.ts';
import { builtinFunctions } from './builtins.ts';
import { argumentOf, calledWith, canBeNil, constantOf, nilOf, pipedName } from './arguments.ts';
import { formatValue } from './go-fmt.ts';
import { positionAt } from './lexer.ts';
import { quote } from './quote.ts';
import { spotText } from './spot-text.ts';
import { COMMAND_WORK, printWork, workOf } from './work.ts';
import { BoxedValue, contentOf, FunctionValue, isTrue, ListValue, MapValue, NamedValue, StructValue, typeName, unboxed } from './value.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Block, Branch, Command, FieldPath, FunctionName, Node, Operand, Pipeline, Spot, TemplateCall } from './ast.ts';
import type { ParsedTemplate } from './parser.ts';
import type { GoType, TemplateFunction, Value } from './value.ts';

export interface TemplateLimits {
  /** Characters of the whole output. */
  readonly outputLength: number;
  /** Units of work, some 50 ns each: a command is 25, an argument one, four characters that go into a function or come out of it one. */
  readonly work: number;
  /** Templates calling templates. */
  readonly callDepth: number;
}

export interface Execution {
  readonly text: string;
  readonly name: string;
  /** How many characters of the text stand before what somebody wrote. */
  readonly prologueLength: number;
  readonly template: ParsedTemplate;
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  readonly host: unknown;
  readonly limits: TemplateLimits;
}

/** Characters of what one function gives. */
const MAX_RESULT_LENGTH = 65_536;

interface Variable {
  readonly name: string;
  value: Value;
}

type Flow = 'next' | 'break' | 'continue';

/** Arguments of a call: those that are written, and the value that is piped in. */
interface Call {
  readonly args: readonly Operand[];
  readonly dot: Value;
  readonly final?: { readonly value: Value };
}

/** Runs a parsed template. Throws `TEMPLATE_INVALID` with the position and Go's words, or `LIMIT_EXCEEDED`. */
export function evaluate(execution: Execution, data: Value): string {
  return new Evaluator(execution).run(data);
}

class Evaluator {
  readonly #execution: Execution;
  #output = '';
  #work = 0;
  #callDepth = 0;
  #scope: Variable[] = [];
  /** The name of the template that runs: the whole one's, or that of one which it defines. */
  #name: string;
  /** What is worked out just now, which errors are said to be at. */
  #spot: Spot = { type: 'text', at: 0, text: '' };

  constructor(execution: Execution) {
    this.#execution = execution;
    this.#name = execution.name;
  }

  run(data: Value): string {
    this.#scope = [{ name: '$', value: data }];
    this.#walk(this.#execution.template.body, data);
    return this.#output;
  }

  #fail(message: string, code: ErrorCode = 'TEMPLATE_INVALID'): BelfryError {
    const { text, name, prologueLength } = this.#execution;
    const { at } = this.#spot;
    const { line } = positionAt(text, at);
    const column = Buffer.byteLength(text.slice(text.lastIndexOf('\n', at - 1) + 1, at));
    const place = `template: ${name}:${line}:${column}: executing ${quote(this.#name)} at <${spotText(this.#spot)}>`;
    const position = positionAt(text.slice(prologueLength), Math.max(0, at - prologueLength));
    return new BelfryError(code, `${place}: ${message}`, { position });
  }

  #write(text: string): void {
    this.#output += text;
    if (this.#output.length > this.#execution.limits.outputLength)
      throw new BelfryError('LIMIT_EXCEEDED', `template output longer than ${this.#execution.limits.outputLength} characters`);
  }

  #charge(units: number): void {
    this.#work += units;
    if (this.#work > this.#execution.limits.work)
      throw new BelfryError('LIMIT_EXCEEDED', `template that takes more than ${this.#execution.limits.work} units of work`);
  }

  #walk(block: Block, dot: Value): Flow {
    for (const node of block) {
      const flow = this.#node(node, dot);
      if (flow !== 'next') return flow;
    }
    return 'next';
  }

  #node(node: Node, dot: Value): Flow {
    this.#spot = node;
    switch (node.type) {
      case 'text':
        this.#write(node.text);
        return 'next';
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length > 0) return 'next';
        this.#spot = node;
        this.#charge(printWork([value]));
        if (value instanceof FunctionValue) throw this.#fail(`can't print ${spotText(node)} of type ${typeName(value)}`);
        this.#write(formatValue(value));
        return 'next';
      }
      case 'if':
      case 'with':
        return this.#conditional(node, dot);
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

  #conditional(node: Branch, dot: Value): Flow {
    const mark = this.#scope.length;
    const value = this.#pipeline(node.pipeline, dot);
    let flow: Flow = 'next';
    if (isTrue(value)) flow = this.#walk(node.body, node.type === 'with' ? value : dot);
    else if (node.otherwise !== undefined) flow = this.#walk(node.otherwise, dot);
    this.#scope.length = mark;
    return flow;
  }

  #template(node: TemplateCall, dot: Value): void {
    const block = this.#execution.template.defined.get(node.name);
    if (block === undefined) throw this.#fail(`template ${quote(node.name)} not defined`);
    const { callDepth } = this.#execution.limits;
    if (++this.#callDepth > callDepth) throw this.#fail(`exceeded maximum template depth (${callDepth})`, 'LIMIT_EXCEEDED');
    this.#charge(5 * COMMAND_WORK);
    const data = node.pipeline === undefined ? undefined : this.#pipeline(node.pipeline, dot);
    const outer = { name: this.#name, scope: this.#scope, spot: this.#spot };
    this.#name = node.name;
    this.#scope = [{ name: '$', value: data }];
    this.#walk(block, data);
    this.#name = outer.name;
    this.#scope = outer.scope;
    this.#spot = outer.spot;
    this.#callDepth--;
  }

  #range(node: Branch, dot: Value): Flow {
    const mark = this.#scope.length;
    const { variables, assigns } = node.pipeline;
    const value = this.#pipeline(node.pipeline, dot);
    let turns = 0;
    const inner = this.#scope.length;
    for (const [key, item] of this.#items(value, variables.length)) {
      turns++;
      this.#charge(COMMAND_WORK);
      const [first, second] = variables;
      // Of one variable that is declared twice, the second is meant: it lies on top.
      if (first !== undefined) this.#turn(first, second === undefined ? item : key, assigns, inner - variables.length);
      if (second !== undefined) this.#turn(second, item, assigns, inner - 1);
      const flow = this.#walk(node.body, item);
      this.#scope.length = inner;
      if (flow === 'break') break;
    }
    const flow = turns === 0 && node.otherwise !== undefined ? this.#walk(node.otherwise, dot) : 'next';
    this.#scope.length = mark;
    return flow;
  }

  /** Sets a variable of a loop for one turn. */
  #turn(name: string, value: Value, assigns: boolean, index: number): void {
    if (assigns) this.#found(name).value = value;
    else this.#scope[index] = { name, value };
  }

  *#items(over: Value, variables: number): Generator<readonly [Value, Value]> {
    const value = contentOf(over instanceof StructValue ? (over.inner ?? over) : over);
    this.#charge(workOf(value));
    if (value === undefined) return;
    if (value instanceof ListValue) {
      for (const [index, item] of value.items.entries()) yield [BigInt(index), item];
    } else if (value instanceof MapValue) {
      for (const key of value.sortedKeys()) yield [key, value.get(key)];
    } else if (typeof value === 'bigint') {
      if (variables > 1) throw this.#fail(`can't use ${formatValue(over)} to iterate over more than one variable`);
      for (let i = 0n; i < value; i++) yield [undefined, i];
    } else throw this.#fail(`range can't iterate over ${formatValue(over)}`);
  }

  #found(name: string): Variable {
    const index = this.#scope.findLastIndex((candidate) => candidate.name === name);
    const variable = this.#scope[index];
    this.#charge((this.#scope.length - index) >> 3);
    if (variable === undefined) throw this.#fail(`undefined variable: ${name}`);
    return variable;
  }

  #pipeline(pipeline: Pipeline, dot: Value): Value {
    this.#spot = pipeline;
    let value: Value = undefined;
    for (const [index, command] of pipeline.commands.entries())
      value = unboxed(this.#command(command, { dot, args: command.args, ...(index > 0 && { final: { value } }) }));
    for (const name of pipeline.variables) {
      if (pipeline.assigns) this.#found(name).value = value;
      else this.#scope.push({ name, value });
    }
    return value;
  }

  #command(command: Command, call: Call): Value {
    const { first } = command;
    this.#charge(COMMAND_WORK);
    if (first.type === 'function') return this.#function(first, command, call);
    if (isFieldPath(first)) return this.#fields(first, call);
    if (first.type !== 'pipeline') this.#spot = first;
    this.#checkNoArguments(first, call);
    if (first.type === 'nil') throw this.#fail('nil is not a command');
    return first.type === 'pipeline' ? this.#pipeline(first, call.dot) : this.#constant(first, call.dot);
  }

  #checkNoArguments(operand: Operand, { args, final }: Call): void {
    if (args.length === 0 && final === undefined) return;
    throw this.#fail(`can't give argument to non-function ${spotText(operand)}`);
  }

  #constant(operand: Exclude<Operand, Pipeline | FunctionName | FieldPath>, dot: Value): Value {
    this.#spot = operand;
    if (operand.type === 'dot') return dot;
    if (operand.type === 'nil') return undefined;
    if (operand.type === 'number' && operand.value === undefined) throw this.#fail(`${operand.text} overflows int`);
    return operand.value;
  }

  /** What the operand of a chain gives. */
  #operand(operand: Operand, dot: Value): Value {
    this.#spot = operand;
    if (operand.type === 'pipeline') return this.#pipeline(operand, dot);
    if (operand.type === 'function') return this.#function(operand, operand, { args: [], dot });
    return isFieldPath(operand) ? this.#fields(operand, { args: [], dot }) : this.#constant(operand, dot);
  }

  #fields(operand: FieldPath, call: Call): Value {
    this.#spot = operand;
    let value: Value = call.dot;
    if (operand.type === 'variable') value = this.#found(operand.name).value;
    else if (operand.type === 'chain') {
      if (operand.operand.type === 'nil') throw this.#fail(`indirection through explicit nil in ${spotText(operand)}`);
      value = this.#operand(operand.operand, call.dot);
    }
    if (operand.path.length === 0) this.#checkNoArguments(operand, call);
    // Only the last of them may be a method that is given arguments.
    const last = operand.path.length - 1;
    for (const [index, name] of operand.path.entries())
      value = this.#field(value, name, operand, index === last ? call : { args: [], dot: call.dot });
    return value;
  }

  #field(receiver: Value, name: string, spot: Spot, call: Call): Value {
    const hasArguments = call.args.length > 0 || call.final !== undefined;
    if (receiver === undefined) return undefined;
    if (receiver === null) throw this.#fail(`nil pointer evaluating interface {}.${name}`);
    const type = receiver instanceof BoxedValue ? 'interface {}' : typeName(receiver);
    const value = unboxed(receiver);
    if (value instanceof ListValue || value instanceof MapValue || value instanceof StructValue || value instanceof NamedValue) {
      const method = Object.hasOwn(value.methods, name) ? value.methods[name] : undefined;
      if (method !== undefined) return this.#invoke(name, method, spot, call);
    }
    if (value instanceof StructValue && value.unexported.includes(name))
      throw this.#fail(`${name} is an unexported field of struct type ${type}`);
    if (value instanceof StructValue && value.fields.has(name)) {
      if (hasArguments) throw this.#fail(`${name} has arguments but cannot be invoked as function`);
      return value.fields.get(name);
    }
    if (value instanceof MapValue) {
      if (hasArguments) throw this.#fail(`${name} is not a method but has arguments`);
      return value.get(name);
    }
    throw this.#fail(`can't evaluate field ${name} in type ${type}`);
  }

  /** `spot` is where a failure of the function itself is: the whole command. */
  #function(operand: FunctionName, spot: Spot, call: Call): Value {
    this.#spot = operand;
    const { name } = operand;
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, call);
    if (name === 'call') return this.#callValue(spot, call);
    const definition = this.#execution.functions.get(name) ?? builtinFunctions[name];
    if (definition === undefined) throw this.#fail(`${quote(name)} is not a defined function`);
    return this.#invoke(name, definition, spot, call);
  }

  #shortCircuit(name: 'and' | 'or', { args, dot, final }: Call): Value {
    if (args.length === 0 && final === undefined) throw this.#fail(`wrong number of args for ${name}: want at least 1 got 0`);
    let value: Value = undefined;
    for (const arg of args) {
      value = this.#argument(arg, 'reflect.Value', dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return final === undefined ? value : final.value;
  }

  #callValue(spot: Spot, call: Call): Value {
    const { args, final } = call;
    if (args.length === 0 && final === undefined) throw this.#fail('wrong number of args for call: want at least 1 got 0');
    const [callee, ...values] = this.#values(['reflect.Value'], 'reflect.Value', call);
    const target = unboxed(callee);
    const name = args[0] === undefined ? pipedName(final?.value) : spotText(args[0]);
    return this.#calling('call', spot, () => {
      if (target === undefined) throw new Error('call of nil');
      if (!(target instanceof FunctionValue)) throw new Error(`non-function ${name} of type ${typeName(target)}`);
      const { params, rest } = target.definition;
      const least = rest === undefined ? '' : 'at least ';
      if (rest === undefined ? values.length !== params.length : values.length < params.length)
        throw new Error(`wrong number of args for ${name}: got ${values.length} want ${least}${params.length}`);
      const given = values.map((value, index) => calledWith(value, params[index] ?? rest ?? 'interface {}', index));
      return target.definition.call(given, this.#execution.host);
    });
  }

  #invoke(name: string, definition: TemplateFunction, spot: Spot, call: Call): Value {
    const { params, rest } = definition;
    const given = call.args.length + (call.final === undefined ? 0 : 1);
    if (rest !== undefined && given < params.length)
      throw this.#fail(`wrong number of args for ${name}: want at least ${params.length} got ${call.args.length}`);
    if (rest === undefined && given !== params.length)
      throw this.#fail(`wrong number of args for ${name}: want ${params.length} got ${given}`);
    const values = this.#values(params, rest, call);
    let work = definition.work?.(values) ?? 0;
    for (const value of values) work += workOf(value);
    this.#charge(work);
    return this.#calling(name, spot, () => definition.call(values, this.#execution.host));
  }

  #calling(name: string, spot: Spot, run: () => Value): Value {
    let value: Value;
    try {
      value = run();
    } catch (error) {
      if (error instanceof BelfryError && error.code === 'LIMIT_EXCEEDED') throw error;
      this.#spot = spot;
      throw this.#fail(`error calling ${name}: ${error instanceof Error ? error.message : errorText(error)}`);
    }
    this.#charge(workOf(value));
    if (typeof value === 'string' && value.length > MAX_RESULT_LENGTH)
      throw new BelfryError('LIMIT_EXCEEDED', `${name} gave a text of more than ${MAX_RESULT_LENGTH} characters`);
    return value;
  }

  #values(params: readonly GoType[], rest: GoType | undefined, { args, dot, final }: Call): readonly Value[] {
    const typeOf = (index: number): GoType => params[index] ?? rest ?? 'interface {}';
    const values = args.map((arg, index) => this.#argument(arg, typeOf(index), dot));
    if (final !== undefined) values.push(this.#validated(final.value, typeOf(values.length)));
    return values;
  }

  #argument(operand: Operand, type: GoType, dot: Value): Value {
    this.#spot = operand;
    this.#charge(1);
    if (operand.type === 'nil') {
      if (canBeNil(type)) return nilOf(type);
      throw this.#fail(`cannot assign nil to ${type}`);
    }
    if (operand.type === 'bool' || operand.type === 'number' || operand.type === 'text constant') {
      const { value, problem } = constantOf(operand, type);
      if (problem !== undefined) throw this.#fail(problem);
      return value;
    }
    return this.#validated(this.#operand(operand, dot), type);
  }

  #validated(given: Value, type: GoType): Value {
    const { value, problem } = argumentOf(given, type);
    if (problem !== undefined) throw this.#fail(problem);
    return value;
  }
}

function isFieldPath(operand: Operand): operand is FieldPath {
  return operand.type === 'field' || operand.type === 'variable' || operand.type === 'chain';
}
