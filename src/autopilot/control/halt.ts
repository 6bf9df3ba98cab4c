import { statSync } from 'node:fs';
import { z } from 'zod';
import type { PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Journal } from '../journal.ts';
import { checkCommand, type Command, mustBeDurable, readSetting } from './durable.ts';

const HALT_KEY = 'halt';
const DRILL_KEY = 'halt_drilled_at';

const haltSchema = z.object({ by: z.string(), reason: z.string(), at: z.number() });
type Halted = z.output<typeof haltSchema>;

export interface HaltOptions {
  readonly store: PilotStore;
  readonly journal: Journal;
  /** The path of the file that halts by being there. */
  readonly haltFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called at each new halt, with its sentence. */
  readonly onHalt: (why: string) => void;
  /** For tests; what `statSync` says. */
  readonly fileIsThere?: (path: string) => boolean;
}

/**
 * The switch that stops everything: by command, or by a file in the data folder, which works without Belfry. Either is
 * durable: a file that is taken away again leaves everything halted until somebody resumes.
 */
export class Halt {
  readonly #options: HaltOptions;
  readonly #fileIsThere: (path: string) => boolean;
  #halted: Halted | undefined;

  constructor(options: HaltOptions) {
    this.#options = options;
    this.#fileIsThere = options.fileIsThere ?? isThere;
    const { value, damaged } = readSetting(options.store, HALT_KEY, haltSchema, options.log);
    this.#halted = value;
    // A switch that cannot be read is taken as pulled.
    if (damaged) this.#halted = { by: 'belfry', reason: 'the switch in state.db cannot be read', at: options.clock.now() };
  }

  /** Why everything is halted; undefined where it is not. Looks at the file each time. */
  halted(): string | undefined {
    this.#look();
    return this.#halted === undefined ? undefined : sentence(this.#halted);
  }

  /** When somebody last halted by hand, by command or file; 0 where never. */
  drilledAt(): number {
    const at = Number(this.#options.store.setting(DRILL_KEY) ?? 0);
    return Number.isFinite(at) ? at : 0;
  }

  /** Halts in any case, also where state.db cannot be written now. A second one changes nothing. */
  halt(command: Command): void {
    checkCommand(command);
    if (this.#halted === undefined) this.#set({ by: command.by, reason: command.reason, at: this.#options.clock.now() });
  }

  /** Throws `CONFLICT` while the file is there or where nothing is halted, `STATE_NOT_DURABLE`. */
  resume(command: Command): void {
    checkCommand(command);
    const { store, journal, haltFile, log } = this.#options;
    this.#look();
    if (this.#fileSays() !== undefined) throw new BelfryError('CONFLICT', `the file ${haltFile} is there: remove it, then resume`);
    const { by, reason } = command;
    const before = this.#halted;
    if (before === undefined) throw new BelfryError('CONFLICT', 'nothing is halted');
    mustBeDurable(
      store,
      'the end of the halt',
      () => {
        store.saveSetting(HALT_KEY, '');
        const text = `resumed by ${by}: ${reason}`;
        journal.write({ cluster: '', kind: 'halt', from: 'halted', to: 'running', text, detail: { by, reason, halted: before } });
      },
      () => this.#save(before),
    );
    this.#halted = undefined;
    log.warn('autopilot_resumed', { by, reason });
  }

  #look(): void {
    if (this.#halted !== undefined) return;
    const reason = this.#fileSays();
    if (reason !== undefined) this.#set({ by: 'file', reason, at: this.#options.clock.now() });
  }

  /** A folder that cannot be looked at may hold the file: halted. */
  #fileSays(): string | undefined {
    const { haltFile } = this.#options;
    try {
      return this.#fileIsThere(haltFile) ? `the file ${haltFile} was put there` : undefined;
    } catch (error) {
      return `whether the file ${haltFile} is there cannot be seen (${errorText(error)})`;
    }
  }

  #set(halted: Halted): void {
    this.#halted = halted;
    this.#save(halted);
    this.#options.log.warn('autopilot_halted', { by: halted.by, reason: halted.reason });
    this.#options.onHalt(sentence(halted));
  }

  #save(halted: Halted): void {
    const { store, journal } = this.#options;
    store.durably(() => {
      store.saveSetting(HALT_KEY, JSON.stringify(halted));
      store.saveSetting(DRILL_KEY, String(halted.at));
      journal.write({ cluster: '', kind: 'halt', from: 'running', to: 'halted', text: sentence(halted), detail: { ...halted } });
    });
  }
}

function sentence({ by, reason, at }: Halted): string {
  return `halted since ${new Date(at).toISOString().slice(0, 19)}Z by ${by}: ${reason}`;
}

/** Throws for anything but a file that is not there. */
function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
