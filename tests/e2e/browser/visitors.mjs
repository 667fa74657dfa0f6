// visitors.mjs: browsers with nothing in common (contexts), watched for what no page of ours may
// cause: a broken policy, an exception, a dialog, a request to somebody else.
import assert from 'node:assert/strict';

export class Visitors {
  constructor(browser, axe) {
    this.browser = browser;
    this.axe = axe;
    this.wrong = [];
    this.log = [];
  }

  // A page in a context of its own. inside: where admitted browsers go; there the page does what an
  // app would do, and tells sigpost three times a second that somebody is there.
  async come(options = {}) {
    const {inside, ...rest} = options;
    const context = await this.browser.newContext({viewport: {width: 1280, height: 800}, ...rest});
    context.setDefaultTimeout(40000);
    const page = await context.newPage();
    this.watch(page);
    page.on('framenavigated', () => {
      if (page.url() === inside) { page.evaluate(BEAT).catch(() => {}); }
    });
    return page;
  }

  watch(page) {
    const isForeign = (request) => {
      const {protocol, origin} = new URL(request.url());
      return protocol !== 'data:' && !request.isNavigationRequest() &&
        origin !== new URL(page.url()).origin;
    };
    page.on('response', (response) => {
      if (isForeign(response.request())) { this.wrong.push(`a request to ${response.url()}`); }
    });
    page.on('requestfailed', (request) => { // the policy's refusals are told on the console
      const {errorText} = request.failure();
      if (isForeign(request) && !/csp/i.test(errorText)) {
        this.wrong.push(`a request to ${request.url()}: ${errorText}`);
      }
    });
    page.on('console', (message) => {
      this.log.push(`${message.type()}: ${message.text()}`);
      if (/Content Security Policy/.test(message.text())) { this.wrong.push(message.text()); }
    });
    page.on('pageerror', (error) => this.wrong.push(`an exception: ${error}`));
    page.on('dialog', (dialog) => {
      this.wrong.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
  }

  // What the page did to break its policy, which is then forgiven.
  takeViolations() {
    const found = this.wrong.filter((text) => /Content Security Policy/.test(text));
    this.wrong = this.wrong.filter((text) => !found.includes(text));
    return found;
  }

  async checkAccessible(page, what) {
    await page.evaluate(this.axe);
    const {violations} = await page.evaluate('axe.run(document, {resultTypes: ["violations"]})');
    const told = violations.map((v) => `${v.impact} ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html)}`);
    assert.deepEqual(told, [], `${what}: not accessible to all`);
  }

  async checkFits(page, what) {
    const [needed, there] = await page.evaluate(() => [
      document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(needed <= there, `${what}: ${needed} px wide on a screen of ${there}`);
  }

  checkNothingWentWrong() {
    assert.deepEqual(this.wrong, []);
  }

  noticed() {
    return JSON.stringify({wrong: this.wrong, console: this.log}, null, 1);
  }
}

const BEAT = "setInterval(() => fetch('/heartbeat', {method: 'POST'}), 300)";

export const heading = (page) => page.locator('h1').textContent();

// Waits until the page's text matches.
export async function shows(page, pattern) {
  await page.waitForFunction(
    ([source, flags]) => new RegExp(source, flags).test(document.body.innerText),
    [pattern.source, pattern.flags]);
}
