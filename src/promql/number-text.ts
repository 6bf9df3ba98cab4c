import { formatFloat } from '../core/number-format.ts';

/** Go's `%g`: the shortest digits, with an exponent below 1e-4 and from 1e21 on. */
export function formatG(value: number): string {
  const magnitude = Math.abs(value);
  if (!Number.isFinite(value) || value === 0 || (magnitude >= 1e-4 && magnitude < 1e21)) return formatFloat(value);
  const [mantissa = '', exponentText = '+0'] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
