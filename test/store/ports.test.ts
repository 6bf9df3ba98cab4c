import { expect, it } from '@jest/globals';
import { PointBuffer, type Querier } from '../../src/promql/querier.ts';
import { layout, matchers, memoryHead, metric, T0 } from './fixture.ts';

it('the reader is what the evaluator asks of a store', () => {
  const { head, reader } = memoryHead();
  // The assignment is the proof; the call shows that the buffers fit too.
  const querier: Querier = reader;
  head.target('t').append(T0, layout(metric('up')), Float64Array.of(1));
  expect(querier.select(matchers('__name__=up'), 0, T0).window(0, 0, T0, new PointBuffer())).toBe(1);
});
