import { statSync } from 'node:fs';
import { errorText } from '../core/errors.ts';

/** The switch that works without Belfry and without the network: while the file is there, nothing is begun. */
export class StopFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A file that cannot be looked at counts as there: who may not look may not be sure. */
  isThere(): boolean {
    try {
      return statSync(this.path, { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      return errorText(error) !== '';
    }
  }
}
