import { BelfryError, type ErrorCode, type Position } from '../core/errors.ts';

/** 1-based line and column of an offset. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

/** An error that points into the expression. */
export function errorAt(code: ErrorCode, text: string, offset: number, message: string): BelfryError {
  return new BelfryError(code, message, { position: positionAt(text, offset) });
}
