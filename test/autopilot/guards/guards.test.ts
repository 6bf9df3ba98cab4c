import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACTIONS } from '../../../src/core/autopilot.ts';
import { blocking, evaluateGuards, GUARDS } from '../../../src/autopilot/guards/guards.ts';
import { CASES } from './cases.ts';
import { broker, context, dead, fourHealthy, oneDead, partition, picture, scaleIn, scaleOut } from './fixture.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/guards.md'), 'utf8');

/** The rows of the page's table under the heading, cells trimmed, code marks taken off. */
function tableOf(heading: string): readonly (readonly string[])[] {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

const examples = tableOf('Examples').map(([guard = '', action = '', name = '', verdict = '', sentence = '']) => ({
  guard,
  action,
  name,
  verdict,
  sentence,
}));

describe('the page of guards', () => {
  it('has the matrix action × guard of the code, in its order', () => {
    expect(tableOf('Which guard')).toEqual(
      GUARDS.map(({ name, actions, approvable, purpose }) => [
        name,
        ...ACTIONS.map((action) => (actions.includes(action) ? '●' : '')),
        approvable ? 'yes' : '',
        purpose,
      ]),
    );
  });

  it('shows every case that is tested, and no other', () => {
    const tested = Object.entries(CASES).flatMap(([guard, cases]) => Object.keys(cases).map((name) => `${guard}: ${name}`));
    expect(examples.map(({ guard, name }) => `${guard}: ${name}`).toSorted()).toEqual(tested.toSorted());
  });

  it.each(GUARDS.map(({ name }) => name))('shows a case in which %s holds and a neighbour that passes', (name) => {
    expect(new Set(examples.filter(({ guard }) => guard === name).map(({ verdict }) => verdict))).toEqual(new Set(['holds', 'passes']));
  });

  it('names each guard once', () => {
    expect(new Set(GUARDS.map(({ name }) => name)).size).toBe(GUARDS.length);
  });
});

describe('guards', () => {
  it.each(examples)('$guard, $action, $name: $verdict', ({ guard: name, action, name: words, verdict, sentence }) => {
    const given = CASES[name]?.[words];
    if (given === undefined) throw new Error(`no case ${name}: ${words}`);
    expect(given.action).toBe(action);
    const found = evaluateGuards(given).find(({ guard }) => guard === name);
    expect({ verdict: found?.holds === true ? 'holds' : 'passes', sentence: found?.sentence }).toEqual({ verdict, sentence });
  });

  it.each([
    { what: 'the repair of the one dead broker of three', given: context({ moment: 'lease' }) },
    {
      what: 'the repair of a dead broker that votes, with two of three voters left',
      given: context({
        moment: 'lease',
        picture: oneDead({ quorum: { leaderId: 1, voters: [1, 2, 3].map((id) => ({ id, caughtUp: id !== 2 })) } }),
      }),
    },
    {
      what: 'the repair of a dead broker that holds the last copy',
      given: context({
        moment: 'lease',
        picture: picture({
          brokers: [broker(1), dead(2), broker(3)],
          partitions: [
            partition([2, 3], { isr: [2], leader: -1, lastIsr: [2] }),
            partition([2], { topic: 'audit', isr: [2], leader: -1, lastIsr: [2], minIsr: 1 }),
          ],
        }),
      }),
    },
    { what: 'the replacement of a dead broker whose copies are all elsewhere', given: context({ action: 'replace', moment: 'lease' }) },
    {
      what: 'a drill on a healthy broker',
      given: context({ drill: true, moment: 'lease', picture: fourHealthy({ labels: { drill: 'yes' } }) }),
    },
    { what: 'a scale-out of a healthy cluster', given: scaleOut({ moment: 'lease' }) },
    { what: 'a scale-in of a healthy cluster', given: scaleIn({ moment: 'lease' }) },
  ])('all let pass $what', ({ given }) => {
    const verdicts = evaluateGuards(given);
    expect(verdicts.filter(({ holds }) => holds)).toEqual([]);
    expect(blocking(verdicts, false)).toBeUndefined();
  });

  it('judge a lease by the answers asked for it, not by the picture at hand', () => {
    const recovered = picture({ brokers: [broker(1), broker(2), broker(3)], partitions: [partition([1, 2, 3])] });
    const given = context({ moment: 'lease' });
    const verdicts = evaluateGuards({
      ...given,
      confirmation: { brokers: [1, 3], askedAt: given.now - 20, agree: true, picture: recovered, sentence: '' },
    });
    expect(blocking(verdicts, false)).toEqual({ guard: 'own_evidence', holds: true, sentence: 'broker 2 answers and is registered' });
  });

  it('hold a lease that nobody was asked for, all those that need a picture', () => {
    const held = evaluateGuards(context({ moment: 'lease', confirmation: undefined })).filter(({ holds }) => holds);
    expect(held.map(({ guard }) => guard)).toEqual(
      expect.arrayContaining(['picture', 'confirmed', 'own_evidence', 'out_of_sync', 'min_isr', 'quorum', 'reassignments']),
    );
  });
});

describe('what blocks', () => {
  const fixed = { guard: 'rate', holds: true, sentence: 'six' };
  const approvable = { guard: 'single_copy', holds: true, sentence: 'one copy', approvable: true };
  const passing = { guard: 'halted', holds: false, sentence: 'no' };

  it.each([
    { what: 'nothing that passes', verdicts: [passing], approved: false, expected: undefined },
    { what: 'what no approval overrides, first', verdicts: [approvable, fixed], approved: false, expected: 'rate' },
    { what: 'what no approval overrides, approved or not', verdicts: [approvable, fixed], approved: true, expected: 'rate' },
    { what: 'what an approval would override', verdicts: [passing, approvable], approved: false, expected: 'single_copy' },
    { what: 'nothing that an approval has overridden', verdicts: [passing, approvable], approved: true, expected: undefined },
  ])('is $what', ({ verdicts, approved, expected }) => {
    expect(blocking(verdicts, approved)?.guard).toBe(expected);
  });
});
