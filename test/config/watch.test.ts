import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FileWatcher } from '../../src/config/watch.ts';
import { ManualClock, SystemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';

let folder = '';
let watcher: FileWatcher;
let changes = 0;
let onChange: () => void = () => undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-watch-'));
  changes = 0;
  watcher = new FileWatcher({
    clock: new SystemClock(),
    log: silentLogger,
    changed: () => {
      changes++;
      onChange();
    },
  });
});

afterEach(() => {
  watcher.close();
  rmSync(folder, { recursive: true });
});

/** Resolves with the next call of `changed`. */
function nextChange(make: () => void): Promise<void> {
  return new Promise((resolve) => {
    onChange = resolve;
    make();
  });
}

describe('a change is noticed', () => {
  it('when a file is written, replaced or gone', async () => {
    const file = join(folder, 'belfry.yaml');
    writeFileSync(file, 'a');
    watcher.watch([file]);
    await nextChange(() => writeFileSync(file, 'ab'));
    writeFileSync(`${file}.new`, 'abc');
    await nextChange(() => renameSync(`${file}.new`, file));
    await nextChange(() => rmSync(file));
  });

  it('when a file comes that a pattern may mean', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, '');
    watcher.watch([file]);
    await nextChange(() => writeFileSync(join(folder, 'b.yaml'), ''));
  });

  it('when the link that the file is reached through is swapped, as a mounted ConfigMap does', async () => {
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'belfry.yaml'), 'same');
    }
    symlinkSync('one', join(folder, '..data'));
    symlinkSync('..data/belfry.yaml', join(folder, 'belfry.yaml'));
    watcher.watch([join(folder, 'belfry.yaml')]);
    symlinkSync('two', join(folder, '..data_new'));
    await nextChange(() => renameSync(join(folder, '..data_new'), join(folder, '..data')));
  });
});

it('what else is written beside the files is no change: a log in that folder would bring about its own next line', async () => {
  const file = join(folder, 'belfry.yaml');
  writeFileSync(file, 'a');
  writeFileSync(join(folder, 'log'), '');
  watcher.watch([file]);
  appendFileSync(join(folder, 'log'), 'a line\n');
  // Later than the log's event, and told of no earlier than that: had the log counted, there would be two calls.
  await new Promise<void>((resolve) => new SystemClock().timer(500, resolve));
  expect(changes).toBe(0);
  await nextChange(() => writeFileSync(file, 'ab'));
  expect(changes).toBe(1);
});

it('a folder that was removed and made again is seen by looking, and what has not changed is not read again', async () => {
  const clock = new ManualClock();
  let seen = 0;
  const looking = new FileWatcher({ clock, log: silentLogger, changed: () => void seen++ });
  const inside = join(folder, 'mounted');
  mkdirSync(inside);
  writeFileSync(join(inside, 'belfry.yaml'), 'a');
  looking.watch([join(inside, 'belfry.yaml')]);
  await clock.advance(60_000);
  expect(seen).toBe(0);
  rmSync(inside, { recursive: true });
  await clock.advance(10_000);
  expect(seen).toBe(1);
  mkdirSync(inside);
  writeFileSync(join(inside, 'belfry.yaml'), 'ab');
  await clock.advance(10_000);
  expect(seen).toBe(2);
  looking.close();
});
