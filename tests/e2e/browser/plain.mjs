// plain.mjs: the way through without JavaScript: forms, links and pages that load themselves again.
import assert from 'node:assert/strict';
import {heading} from './visitors.mjs';

export default async function (visitors, {url}) {
  const inside = `${url}/inside`;
  const [first, second] = [
    await visitors.come({javaScriptEnabled: false}),
    await visitors.come({javaScriptEnabled: false})];
  await first.goto(url);
  await first.getByRole('button', {name: 'Enter'}).click();
  await first.waitForURL(inside); // and is not heard of any more
  await second.goto(url);
  await second.getByRole('link', {name: 'Wait for a place'}).click();
  assert.equal(await heading(second), 'You are number 1 in line');
  assert.equal(await second.getByRole('button', {name: 'Enter'}).count(), 0);
  await second.waitForURL(inside);
  await first.goto(url);
  assert.match(await first.locator('main').innerText(), /1 of 1 places taken/);
}
