import type { Tested } from './test.ts';

/** The findings as JUnit XML, which CI systems show: a suite a file, a case a test; what kept a file from being run is an error. */
export function junitOf(tested: readonly Tested[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${tested.map(suiteOf).join('')}</testsuites>\n`;
}

function suiteOf({ file, tests, failures, problems }: Tested): string {
  const failed = tests.filter(({ passed }) => !passed).length;
  const cases = tests.map(({ name, line, passed }) => {
    const head = `    <testcase name="${escaped(name)}" classname="${escaped(file)}" file="${escaped(file)}" line="${line}"`;
    if (passed) return `${head}/>\n`;
    const messages = failures.filter((failure) => failure.test === name && failure.line === line).map(({ message }) => message);
    const [first = ''] = messages[0]?.split('\n') ?? [];
    return `${head}>\n      <failure message="${escaped(first)}">${escaped(messages.join('\n'))}</failure>\n    </testcase>\n`;
  });
  const errors = problems.map((problem) => {
    const head = `    <testcase name="${escaped(file)}" classname="${escaped(file)}">`;
    return `${head}\n      <error message="${escaped(problem)}"/>\n    </testcase>\n`;
  });
  const counts = `tests="${tests.length + problems.length}" failures="${failed}" errors="${problems.length}"`;
  return `  <testsuite name="${escaped(file)}" ${counts}>\n${[...cases, ...errors].join('')}  </testsuite>\n`;
}

const XML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' };

/** XML 1.0 has no way to write most control characters; they become U+FFFD. */
function escaped(text: string): string {
  return text.toWellFormed().replaceAll(/[&<>"\n]|(?![\t\r])\p{Cc}|[\ufffe\uffff]/gu, (char) => XML[char] ?? '\ufffd');
}
