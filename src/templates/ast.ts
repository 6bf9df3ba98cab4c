import type { Value } from './value.ts';

/** A pipeline: commands joined by `|`, the result of each being the last argument of the next. */
export interface Pipeline {
  readonly type: 'pipeline';
  readonly at: number;
  /** Variables it declares or assigns, such as `$i, $v :=`. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** An operand followed by arguments: `printf "%d" .Count`. */
export interface Command {
  readonly type: 'command';
  readonly at: number;
  readonly first: Operand;
  readonly args: readonly Operand[];
}

/** A constant as it is written, with what it stands for. */
export interface TextConstant {
  readonly type: 'text constant';
  readonly at: number;
  readonly text: string;
  readonly value: string;
}

/** A number as every type that can hold it exactly, as Go's untyped constants; none of them is an error when it is used. */
export interface NumberConstant {
  readonly type: 'number';
  readonly at: number;
  readonly text: string;
  readonly int: bigint | undefined;
  readonly float: number | undefined;
  /** What it is where no type is asked for; undefined where it is too large for an int. */
  readonly value: Value;
}

export interface FunctionName {
  readonly type: 'function';
  readonly at: number;
  readonly name: string;
}

/** Fields of the dot, of a variable, or of what an operand in parentheses or a function gives: `(first $x).Value`. */
export type FieldPath =
  | { readonly type: 'field'; readonly at: number; readonly path: readonly string[] }
  | { readonly type: 'variable'; readonly at: number; readonly name: string; readonly path: readonly string[] }
  | { readonly type: 'chain'; readonly at: number; readonly operand: Operand; readonly path: readonly string[] };

export type Operand =
  | { readonly type: 'dot'; readonly at: number }
  | { readonly type: 'nil'; readonly at: number }
  | { readonly type: 'bool'; readonly at: number; readonly value: boolean }
  | TextConstant
  | NumberConstant
  | FunctionName
  | FieldPath
  | Pipeline;

export type Block = readonly Node[];

export interface Branch {
  readonly type: 'if' | 'with' | 'range';
  readonly at: number;
  readonly pipeline: Pipeline;
  readonly body: Block;
  readonly otherwise: Block | undefined;
}

export interface TemplateCall {
  readonly type: 'template';
  readonly at: number;
  readonly name: string;
  readonly pipeline: Pipeline | undefined;
}

export type Node =
  | { readonly type: 'text'; readonly at: number; readonly text: string }
  | { readonly type: 'action'; readonly at: number; readonly pipeline: Pipeline }
  | Branch
  | { readonly type: 'break' | 'continue'; readonly at: number }
  | TemplateCall;

/** Whatever an error can be at. */
export type Spot = Node | Pipeline | Command | Operand;
