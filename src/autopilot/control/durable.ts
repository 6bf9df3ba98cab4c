import type { z } from 'zod';
import type { PilotStore } from '../../core/autopilot-state.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';

/** What a person asks for, with the name and the reason that the journal keeps. */
export interface Command {
  readonly by: string;
  readonly reason: string;
}

const NAME_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 1000;

/** Throws `BAD_REQUEST` where the name or the reason is missing or too long. */
export function checkCommand({ by, reason }: Command): void {
  if (by.trim() === '') throw new BelfryError('BAD_REQUEST', 'who does it? A name is needed');
  if (reason.trim() === '') throw new BelfryError('BAD_REQUEST', 'why? A reason is needed');
  if (by.length > NAME_LENGTH_MAX) throw new BelfryError('BAD_REQUEST', `the name is longer than ${NAME_LENGTH_MAX} characters`);
  if (reason.length > REASON_LENGTH_MAX) throw new BelfryError('BAD_REQUEST', `the reason is longer than ${REASON_LENGTH_MAX} characters`);
}

/**
 * Writes what makes the auto-pilot bolder (a raise, a resume, an end of a hold): only what is journalled is done. The
 * store keeps what it could not write and tries again, so `undo` writes what stood before after it. Throws
 * `STATE_NOT_DURABLE`.
 */
export function mustBeDurable(store: Pick<PilotStore, 'durably' | 'durable'>, what: string, write: () => void, undo: () => void): void {
  if (store.durable) {
    if (store.durably(write)) return;
    store.durably(undo);
  }
  throw new BelfryError('STATE_NOT_DURABLE', `${what} could not be written to state.db, so it was not done`);
}

/**
 * A setting's JSON, checked. Undefined where there is none, or where it is not what the schema says: that is logged, and
 * the caller must then assume the more careful case.
 */
export function readSetting<Schema extends z.ZodType>(
  store: Pick<PilotStore, 'setting'>,
  key: string,
  schema: Schema,
  log: Logger,
): { readonly value: z.output<Schema> | undefined; readonly damaged: boolean } {
  const text = store.setting(key);
  if (text === undefined || text === '') return { value: undefined, damaged: false };
  try {
    return { value: schema.parse(JSON.parse(text)), damaged: false };
  } catch (error) {
    log.error('autopilot_setting_damaged', { key, error: errorText(error) });
    return { value: undefined, damaged: true };
  }
}
