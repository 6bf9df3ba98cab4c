import { humanDuration } from '../core/duration.ts';
import { clause, cut } from './plain-text.ts';
import { isNoEffect, summariesOf, summaryOf } from './message-facts.ts';
import type { MessageFacts, Several } from './message-facts.ts';

const MAX_TITLE = 150;
const MAX_FULL = 600;

/**
 * Line 1: `STATE cluster: effect on clients; cause with its time`. The title is the same in at most 150 characters: it
 * gives up the second effect and cause before it is cut.
 */
export function headlineOf(facts: MessageFacts): { full: string; line: string; title: string } {
  const prefix = facts.where === '' ? `${facts.state}:` : `${facts.state} ${facts.where}:`;
  if (facts.state === 'TEST') {
    const line = "this is a trial of Belfry's messages, nothing is wrong";
    return { full: `${prefix} ${line}`, line, title: `${prefix} ${line}` };
  }
  const versions = [2, 1].map((count) => `${prefix} ${facts.state === 'RESOLVED' ? endOf(facts, count) : presentOf(facts, count)}`);
  const [full = prefix, short = prefix] = versions;
  const title = versions.find((text) => text.length <= MAX_TITLE) ?? cutMiddle(facts, prefix) ?? cut(short, MAX_TITLE);
  const whole = cut(full, MAX_FULL);
  return { full: whole, line: whole.slice(prefix.length + 1), title };
}

/** The part that names the trouble and stays the same while its numbers change: the first cause, else the first summary. */
export function subjectOf(facts: MessageFacts): string {
  const prefix = facts.where === '' ? '' : `${facts.where}: `;
  if (facts.state === 'TEST') return `${prefix}trial message`;
  const [first] = facts.told;
  const about = facts.causes.first[0]?.text ?? (first === undefined ? 'alert' : summaryOf(first));
  return prefix + withoutPrefix(about, facts.where);
}

function presentOf(facts: MessageFacts, count: number): string {
  const effects = some(facts.effects, count);
  const causes = causeText(facts, count);
  if (effects === '' && causes === '') return `${summaries(facts, count)}; since ${facts.time.at(facts.startedAt, facts.at)}`;
  if (causes === '') return `${effects}; since ${facts.time.at(facts.startedAt, facts.at)}`;
  if (effects === '') return causes;
  return isNoEffect(effects) ? `${causes}; ${effects}` : `${effects}; ${causes}`;
}

/** How long, the cause, and any risk of data loss. */
function endOf(facts: MessageFacts, count: number): string {
  const parts = [`over after ${humanDuration(facts.endedAt - facts.startedAt)}`];
  if (facts.doubt !== undefined) parts.push(facts.doubt);
  if (facts.risks.count > 0) parts.push(`risk of data loss: ${some(facts.risks, count)}`);
  const causes = causeText(facts, count);
  parts.push(causes === '' ? `${summaries(facts, count)}; since ${facts.time.at(facts.startedAt, facts.at)}` : causes);
  return parts.join('; ');
}

function causeText({ causes, time, at }: MessageFacts, count: number): string {
  const first = causes.first.slice(0, count).map((cause) => `${cause.text} ${time.at(cause.at, at)}`);
  return some({ first, count: causes.count }, count);
}

function summaries({ told, where }: MessageFacts, count: number): string {
  const several = summariesOf(told);
  if (several.count === 0) return 'an alert without text';
  return some({ first: several.first.map((text) => withoutPrefix(text, where)), count: several.count }, count);
}

function some({ first, count }: Several<string>, max: number): string {
  const told = first.slice(0, max);
  const left = count - told.length;
  return left > 0 ? `${told.join('; ')} (+${left} more)` : told.join('; ');
}

/** Both effect and cause, each cut to what it may have, where the two together are too long. */
function cutMiddle(facts: MessageFacts, prefix: string): string | undefined {
  const effect = some(facts.effects, 1);
  const [cause] = facts.causes.first;
  if (facts.state === 'RESOLVED' || effect === '' || cause === undefined) return undefined;
  const since = ` ${facts.time.at(cause.at, facts.at)}`;
  const room = MAX_TITLE - prefix.length - since.length - 3;
  const shortCause = cut(cause.text, Math.max(Math.floor(room * 0.4), room - effect.length)) + since;
  const shortEffect = cut(effect, room - shortCause.length + since.length);
  return isNoEffect(effect) ? `${prefix} ${shortCause}; ${shortEffect}` : `${prefix} ${shortEffect}; ${shortCause}`;
}

/** Foreign summaries often begin with the cluster's name, which line 1 has already said. */
function withoutPrefix(text: string, where: string): string {
  if (where === '' || !text.startsWith(`${where}:`)) return text;
  return clause(text.slice(where.length + 1)) || text;
}
