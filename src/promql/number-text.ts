import { formatExponent, formatFloat } from '../core/number-format.ts';

/** Go's `%g`: the shortest digits, with an exponent below 1e-4 and from 1e6 on. */
export function formatG(value: number): string {
  return general(value, 1e6);
}

/** Go's `%.2g`: two digits, with an exponent below 1e-4 and from 1e2 on. */
export function formatG2(value: number): string {
  return general(Number(value.toPrecision(2)), 1e2);
}

function general(value: number, exponentFrom: number): string {
  const magnitude = Math.abs(value);
  return magnitude === 0 || (magnitude >= 1e-4 && magnitude < exponentFrom) ? formatFloat(value) : formatExponent(value);
}
