import type { Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Access } from '../auth.ts';
import type { HttpPorts } from '../ports.ts';

/** What the routes of Alertmanager's API get. */
export interface AlertmanagerContext {
  readonly access: Access;
  readonly ports: HttpPorts;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Stands where Alertmanager always has a receiver and Belfry has none. */
export const NOBODY = 'nobody';

/** A refusal as Alertmanager's handlers write it: the bare sentence as a JSON string. */
export class PlainRefusal extends BelfryError {}

/** A body or parameter that is not what the API describes: 422 with the numbers of go-openapi/errors. */
export class InvalidValue extends BelfryError {
  readonly number: number;

  constructor(number: 601 | 602 | 612, message: string) {
    super('BAD_REQUEST', message);
    this.number = number;
  }
}
