// policy.mjs: what the Content-Security-Policy of the built-in pages lets happen, and what not.
import assert from 'node:assert/strict';

const INJECTIONS = {
  'an inline script': () => {
    const script = document.createElement('script');
    script.textContent = 'window.broken = true';
    document.body.append(script);
  },
  'a handler in an attribute': () => {
    document.body.insertAdjacentHTML('beforeend', '<p onclick="window.broken = true" id="x">x</p>');
    document.getElementById('x').click();
  },
  'an inline style': () => {
    document.body.insertAdjacentHTML('beforeend', '<p style="position: fixed">x</p>');
  },
  'a foreign script': () => {
    const script = document.createElement('script');
    script.src = 'http://127.0.0.1:9/x.js';
    document.body.append(script);
  },
  'a foreign picture': () => {
    document.body.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x.png" alt="">');
  },
  'a frame': () => {
    document.body.insertAdjacentHTML('beforeend', '<iframe src="/"></iframe>');
  },
};

export default async function (visitors, {url}) {
  for (const path of ['/', '/waiting', '/status']) {
    for (const [what, inject] of Object.entries(INJECTIONS)) {
      const page = await visitors.come();
      await page.goto(url + path);
      visitors.checkNothingWentWrong();
      const refused = page.waitForEvent('console', (m) => /Content Security Policy/.test(m.text()));
      await page.evaluate(inject);
      await refused;
      assert.notEqual(visitors.takeViolations().length, 0, `${path}: ${what}`);
      assert.equal(await page.evaluate('window.broken'), undefined, `${path}: ${what}`);
      await page.context().close();
    }
  }
}
