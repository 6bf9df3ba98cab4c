import { describe, expect, it } from '@jest/globals';
import { astJson } from '../../src/promql/ast-json.ts';
import { parse } from '../../src/promql/parse.ts';

const UP = {
  type: 'vectorSelector',
  name: 'up',
  matchers: [{ name: '__name__', value: 'up', type: '=' }],
  offset: 0,
  timestamp: null,
  startOrEnd: null,
};
const ONE = { type: 'numberLiteral', val: '1' };

/** As Prometheus 3 answers `/parse_query`. */
describe('the tree of an expression', () => {
  it.each<readonly [string, object]>([
    ['1', ONE],
    ['"a"', { type: 'stringLiteral', val: 'a' }],
    ['(-up)', { type: 'parenExpr', expr: { type: 'unaryExpr', op: '-', expr: UP } }],
    [
      'up{a!="b"} offset 5m @ end()',
      {
        ...UP,
        matchers: [
          { name: 'a', value: 'b', type: '!=' },
          { name: '__name__', value: 'up', type: '=' },
        ],
        offset: 300_000,
        startOrEnd: 'end',
      },
    ],
    ['up[1m] @ 1.5', { ...UP, type: 'matrixSelector', range: 60_000, timestamp: 1500 }],
    ['up[1h:]', { type: 'subquery', expr: UP, range: 3_600_000, step: 0, offset: 0, timestamp: null, startOrEnd: null }],
    ['sum by (a) (up)', { type: 'aggregation', op: 'sum', expr: UP, param: null, grouping: ['a'], without: false }],
    ['topk without () (1, up)', { type: 'aggregation', op: 'topk', expr: UP, param: ONE, grouping: [], without: true }],
    ['round(up)', { type: 'call', func: { name: 'round', argTypes: ['vector', 'scalar'], variadic: 1, returnType: 'vector' }, args: [UP] }],
    ['up > bool 1', { type: 'binaryExpr', op: '>', lhs: UP, rhs: ONE, matching: null, bool: true }],
    ['1 + 1', { type: 'binaryExpr', op: '+', lhs: ONE, rhs: ONE, matching: null, bool: false }],
    [
      'up * on (a) group_left (b) up',
      {
        type: 'binaryExpr',
        op: '*',
        lhs: UP,
        rhs: UP,
        matching: { card: 'many-to-one', labels: ['a'], on: true, include: ['b'] },
        bool: false,
      },
    ],
    [
      'up and up',
      {
        type: 'binaryExpr',
        op: 'and',
        lhs: UP,
        rhs: UP,
        matching: { card: 'many-to-many', labels: [], on: false, include: [] },
        bool: false,
      },
    ],
  ])('%s', (text, tree) => {
    expect(astJson(parse(text))).toEqual(tree);
  });
});
