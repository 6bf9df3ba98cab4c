import type { Value } from './value.ts';

/** A pipeline: commands joined by `|`, the result of each being the last argument of the next. */
export interface Pipeline {
  readonly at: number;
  /** Variables it declares or assigns, such as `$i, $v :=`. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** An operand followed by arguments: `printf "%d" .Count`. */
export interface Command {
  readonly at: number;
  readonly operands: readonly Operand[];
}

export type Operand =
  | { readonly type: 'dot'; readonly at: number }
  | { readonly type: 'nil'; readonly at: number }
  /** A constant; `isInt` tells that a number may serve where an integer is wanted. */
  | { readonly type: 'constant'; readonly at: number; readonly value: Value; readonly number?: NumberConstant }
  | { readonly type: 'function'; readonly at: number; readonly name: string }
  | { readonly type: 'field'; readonly at: number; readonly path: readonly string[] }
  | { readonly type: 'variable'; readonly at: number; readonly name: string; readonly path: readonly string[] }
  | { readonly type: 'pipeline'; readonly at: number; readonly pipeline: Pipeline }
  /** Fields of what an operand in parentheses (or a constant, a function) gives: `(first $x).Value`. */
  | { readonly type: 'chain'; readonly at: number; readonly operand: Operand; readonly path: readonly string[] };

/** A number as every type that can hold it exactly, as Go's untyped constants. */
export interface NumberConstant {
  readonly int: bigint | undefined;
  readonly float: number | undefined;
}

export type Block = readonly Node[];

export type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'action'; readonly pipeline: Pipeline }
  | {
      readonly type: 'if' | 'with' | 'range';
      readonly at: number;
      readonly pipeline: Pipeline;
      readonly body: Block;
      readonly otherwise: Block | undefined;
    }
  | { readonly type: 'break' | 'continue' }
  | { readonly type: 'template'; readonly at: number; readonly name: string; readonly pipeline: Pipeline | undefined };
