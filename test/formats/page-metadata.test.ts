import { expect, it } from '@jest/globals';
import type { ExpositionFormat } from '../../src/formats/exposition.ts';
import { pageMetadata } from '../../src/formats/page-metadata.ts';
import { parsePage } from '../../src/formats/page-parser.ts';

const of = (name: string, type = 'unknown', help = '', unit = '') => ({ name, type, help, unit });

it.each<readonly [string, ExpositionFormat, string, readonly object[]]>([
  ['type and help', 'text', '# HELP a Some help.\n# TYPE a counter\na 1\n', [of('a', 'counter', 'Some help.')]],
  ['in any order, wherever they stand', 'text', 'a 1\n# TYPE a gauge\nb 2\n# HELP a Late.\n', [of('a', 'gauge', 'Late.')]],
  ['tabs and more blanks', 'text', '#\tTYPE  a\tsummary\n# HELP\ta  b  c\n', [of('a', 'summary', ' b  c')]],
  ['a help text without a type', 'text', '# HELP a x\na 1\n', [of('a', 'unknown', 'x')]],
  ['an empty help text', 'text', '# HELP a\n# TYPE a gauge\na 1\n', [of('a', 'gauge')]],
  ['what has no type', 'text', '# TYPE a untyped\na 1\n', [of('a')]],
  ['names in quotes', 'text', '# TYPE "a.b" counter\n# HELP "a.b" Some.\n{"a.b"} 1\n', [of('a.b', 'counter', 'Some.')]],
  ['escapes', 'text', '# HELP a \\\\n is \\n, \\" stays\n', [of('a', 'unknown', '\\n is \n, \\" stays')]],
  ['escapes in OpenMetrics', 'openmetrics', '# HELP a \\"q\\"\\\\n\n# EOF\n', [of('a', 'unknown', '"q"\\n')]],
  [
    'units',
    'openmetrics',
    '# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n# EOF\n',
    [of('a_seconds', 'gauge', '', 'seconds')],
  ],
  ['comments that say nothing', 'text', '# a comment\n#TYPE\n#\n# TYPE\n# Help a x\n# HELPa x\na 1\n', []],
  ['nothing', 'text', 'a 1\n', []],
])('a page tells of its families: %s', (_, format, text, families) => {
  const { template } = parsePage(Buffer.from(text), format).layout;
  expect(template === undefined ? undefined : pageMetadata(template)).toEqual(families);
});
