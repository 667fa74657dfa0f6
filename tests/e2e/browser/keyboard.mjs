// keyboard.mjs: the way through with Tab and Enter, and a focus that can be seen and does not get
// lost when the page shows something new.
import assert from 'node:assert/strict';
import {shows} from './visitors.mjs';

const focused = (page) => page.evaluate(() => {
  const {tagName, textContent} = document.activeElement;
  return `${tagName} ${textContent.trim()}`;
});

async function tabTo(page, expected) {
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), expected);
  const outline = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth);
  });
  assert.ok(outline >= 2, `the focus on ${expected} cannot be seen`);
}

export default async function (visitors, {url}) {
  const inside = `${url}/inside`;
  const holder = await visitors.come({inside});
  await holder.goto(url);
  await tabTo(holder, 'BUTTON Enter');
  await holder.keyboard.press('Enter');
  await holder.waitForURL(inside);

  const watcher = await visitors.come({inside});
  await watcher.goto(url);
  await tabTo(watcher, 'A Wait for a place');

  const second = await visitors.come({inside});
  await second.goto(url);
  await tabTo(second, 'A Wait for a place');
  await second.keyboard.press('Enter');
  await shows(second, /You are number 1 in line/);
  await tabTo(second, 'A Back to the first page');
  await second.keyboard.press('Enter');
  await second.getByRole('link', {name: 'Back to the line'}).waitFor();
  await tabTo(second, 'A Back to the line');
  await second.keyboard.press('Enter');
  await shows(second, /You are number 1 in line/);
  await second.request.post(`${url}/release`);
  await second.context().close();

  await holder.request.post(`${url}/release`);
  await holder.context().close();
  await watcher.getByRole('button', {name: 'Enter'}).waitFor();
  assert.equal(await focused(watcher), 'BUTTON Enter', 'the focus went with what was replaced');
  await watcher.keyboard.press('Enter');
  await watcher.waitForURL(inside);
}
