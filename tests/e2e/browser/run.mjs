// run.mjs SCENARIO OPTIONS: one Chromium for SCENARIO.mjs, whose default export is called with it
// and with the options (JSON). What that returns is printed as JSON; an exception is the failure.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {Visitors} from './visitors.mjs';

const require = createRequire(join(process.env.SIGPOST_BROWSER_MODULES, 'here.js'));
const {chromium} = require('playwright-core');
const axe = readFileSync(join(dirname(require.resolve('axe-core')), 'axe.min.js'), 'utf8');

const [scenario, options] = process.argv.slice(2);
const {default: play} = await import(`./${scenario}.mjs`);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic'],
});
const visitors = new Visitors(browser, axe);
try {
  const result = await play(visitors, JSON.parse(options));
  visitors.checkNothingWentWrong();
  process.stdout.write(JSON.stringify(result ?? null));
} catch (error) {
  process.stderr.write(`${error.stack}\nAll that was noticed: ${visitors.noticed()}\n`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
