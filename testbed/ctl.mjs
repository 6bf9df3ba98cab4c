#!/usr/bin/env node
// What the testbed's executor runs: one verb to the control port of the test that owns the cluster.
//   node ctl.mjs URL restart|add|stop|probe CLUSTER [BROKER]
// Prints what it was told, and ends with the status it was told.
const [, , url, verb, cluster, broker] = process.argv;
try {
  const response = await fetch(`${url}/${[verb, cluster, ...(broker === undefined ? [] : [broker])].map(encodeURIComponent).join('/')}`, {
    method: 'POST',
    headers: { 'x-fencing-token': process.env.BELFRY_FENCING_TOKEN ?? '' },
  });
  const { code, text } = await response.json();
  console.log(text);
  process.exitCode = code;
} catch (error) {
  console.log(`the control port does not answer: ${error.message}`);
  process.exitCode = 9;
}
