#!/usr/bin/env node
// Nothing else is imported before the version is known: older Nodes cannot even parse the rest.
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `voxfeed needs Node 24 or newer, this is ${process.version}. In a checkout, run it through npm: npm run -s voxfeed -- COMMAND\n`,
  );
  process.exitCode = 2;
} else {
  // Modules are compiled once for all runs: the results lie in the system's folder for temporary files (`NODE_DISABLE_COMPILE_CACHE=1`).
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  const { watchStandardStreams } = await import('./standard-streams.ts');
  // Commands are finished programs: what finds mistakes in programs under development, at a price, stays off (`poison`).
  process.env.NODE_ENV ??= 'production';
  const { run } = await import('./run.ts');
  let makesFiles = false;
  watchStandardStreams(() => makesFiles);
  process.exitCode = await run(process.argv.slice(2), (command) => {
    makesFiles = command.makesFiles;
  });
}
