// line.mjs: two slots, five browsers: who came first is let in first; who closes the browser is gone
// after a while; who reloads keeps the place.
import assert from 'node:assert/strict';
import {shows} from './visitors.mjs';

const cookie = async (page) => (await page.context().cookies()).find((c) => c.name === 'ksid')?.value;
const isInside = (page) => page.url().endsWith('/inside');

export default async function (visitors, {url}) {
  const inside = `${url}/inside`;
  const all = [];
  for (let i = 0; i < 5; i++) { all.push(await visitors.come({inside})); }
  const [first, second, ...waiting] = all;

  for (const page of [first, second]) {
    await page.goto(url);
    await page.getByRole('button', {name: 'Enter'}).click();
    await page.waitForURL(inside);
  }
  for (const [i, page] of waiting.entries()) {
    await page.goto(url);
    assert.equal(await page.getByRole('button', {name: 'Enter'}).count(), 0, 'no way past the line');
    await page.getByRole('link', {name: 'Wait for a place'}).click();
    await shows(page, new RegExp(`You are number ${i + 1} in line`));
  }

  const before = await cookie(waiting[1]);
  await waiting[1].reload();
  await shows(waiting[1], /You are number 2 in line/);
  assert.equal(await cookie(waiting[1]), before, 'a reload keeps the place');
  await waiting[0].goto(url);
  await shows(waiting[0], /You are number 1 in line/);
  await waiting[0].getByRole('link', {name: 'Back to the line'}).click();
  await shows(waiting[0], /You are number 1 in line/);

  const admitted = [];
  waiting.forEach((page, i) => page.on('framenavigated', () => {
    if (isInside(page)) { admitted.push(i); }
  }));
  for (const [i, leaving] of [first, second, waiting[0]].entries()) {
    await leaving.context().close();
    await waiting[i].waitForURL(inside);
    assert.deepEqual(admitted, [0, 1, 2].slice(0, i + 1), 'the order of admission');
    const {current, max} = await (await waiting[i].request.get(`${url}/capacity`)).json();
    assert.ok(current <= max, `${current} inside`);
    if (i < 2) { await shows(waiting[i + 1], /You are number 1 in line/); }
  }
}
