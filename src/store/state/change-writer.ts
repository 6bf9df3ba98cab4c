import type { Database, Statement } from 'better-sqlite3';
import type { StateChange } from './changes.ts';
import { columnOf, encode, ENTITIES, type Codec, type EntityName, type SqlValue } from './entities.ts';

/** A change with its values as SQLite binds them: what the rooms do to their objects later does not reach it. */
export interface EncodedChange {
  /** Entity and key: a later change with the same one replaces this one. */
  readonly key: string;
  /** Such as `alert.put`. */
  readonly statementKey: string;
  readonly values: readonly SqlValue[];
}

interface Prepared {
  readonly properties: readonly { readonly name: string; readonly codec: Codec; readonly isKey: boolean }[];
  readonly statement: Statement<SqlValue[]>;
}

/** Turns changes into rows, one prepared upsert and one delete an entity. */
export class ChangeWriter {
  readonly #sqlite: Database;
  readonly #epoch: number;
  readonly #prepared = new Map<string, Prepared>();

  constructor(sqlite: Database, epoch: number) {
    this.#sqlite = sqlite;
    this.#epoch = epoch;
  }

  /** A TypeError for a value that is not of its column's type. */
  encode(change: StateChange): EncodedChange {
    const { properties } = this.#prepare(change.kind);
    const from = new Map(Object.entries('row' in change ? change.row : change.key));
    const values: SqlValue[] = [];
    let key = entityOf(change.kind) as string;
    for (const { name, codec, isKey } of properties) {
      const value = encode(codec, from.get(name), `${change.kind} ${name}`);
      values.push(value);
      if (isKey) key += `\n${String(value)}`;
    }
    return { key, statementKey: change.kind, values };
  }

  write(change: EncodedChange): void {
    this.#prepare(change.statementKey).statement.run(...change.values);
  }

  #prepare(kind: string): Prepared {
    let prepared = this.#prepared.get(kind);
    if (prepared === undefined) {
      prepared = kind.endsWith('.put') ? this.#put(entityOf(kind)) : this.#delete(entityOf(kind));
      this.#prepared.set(kind, prepared);
    }
    return prepared;
  }

  #put(entity: EntityName): Prepared {
    const { key, columns } = ENTITIES[entity];
    const isKey = new Set<string>(key);
    const properties = Object.entries(columns).map(([name, codec]) => ({ name, codec, isKey: isKey.has(name) }));
    const names = properties.map(({ name }) => columnOf(name));
    const updates = properties.filter((property) => !property.isKey).map(({ name }) => `${columnOf(name)} = excluded.${columnOf(name)}`);
    const statement = this.#sqlite.prepare<SqlValue[]>(
      `INSERT INTO ${entity} (${names.join(', ')}, epoch) VALUES (${names.map(() => '?').join(', ')}, ${this.#epoch}) ` +
        `ON CONFLICT (${key.map((name) => columnOf(name)).join(', ')}) DO UPDATE SET ${[...updates, 'epoch = excluded.epoch'].join(', ')}`,
    );
    return { properties, statement };
  }

  #delete(entity: EntityName): Prepared {
    const codecs = new Map<string, Codec>(Object.entries(ENTITIES[entity].columns));
    const properties = ENTITIES[entity].key.map((name) => ({ name, codec: codecs.get(name) ?? ('text' as const), isKey: true }));
    const where = properties.map(({ name }) => `${columnOf(name)} = ?`).join(' AND ');
    return { properties, statement: this.#sqlite.prepare<SqlValue[]>(`DELETE FROM ${entity} WHERE ${where}`) };
  }
}

function entityOf(kind: string): EntityName {
  const name = kind.slice(0, kind.indexOf('.'));
  if (!Object.hasOwn(ENTITIES, name)) throw new TypeError(`no such state change: ${kind}`);
  return name as EntityName;
}
