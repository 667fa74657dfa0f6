// hostile.mjs: texts that strangers chose are shown as texts, on built-in and on own pages.
import assert from 'node:assert/strict';

export default async function (visitors, {pages}) {
  for (const {url, texts} of pages) {
    const page = await visitors.come();
    await page.goto(url);
    const shown = await page.locator('body').innerText();
    for (const text of texts) { assert.ok(shown.includes(text), `${text} is not in: ${shown}`); }
    const made = await page.evaluate(() => document.querySelectorAll('main img, main iframe, main script, svg svg').length);
    assert.equal(made, 0, 'a text became an element');
    assert.equal(await page.evaluate('window.broken'), undefined);
  }
}
