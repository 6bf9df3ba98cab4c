import { expect, it } from '@jest/globals';
import { ScopedWriter } from '../../src/app/scoped-writer.ts';
import { RecordingWriter } from '../fakes/recording-writer.ts';

it('ends the targets of what has left the configuration, but those its successor has taken over', () => {
  const recording = new RecordingWriter();
  const before = new ScopedWriter(recording);
  const after = new ScopedWriter(recording);
  for (const id of ['kept', 'gone', 'removed before']) before.target(id);
  before.removeTarget('removed before');
  after.target('kept');
  before.end(5000, after);
  expect(recording.stale).toEqual([{ target: 'gone', ts: 5000 }]);
  expect(recording.removed).toEqual(['removed before', 'gone']);
});
