// deployed.mjs: a waiting page of an operator's own, with everything inline, does what it did.
import assert from 'node:assert/strict';

export default async function (visitors, {url, holder}) {
  const page = await visitors.come({inside: `${url}/inside`});
  await page.goto(`${url}/waiting`);
  const style = await page.evaluate(() => {
    const {color, fontStyle} = getComputedStyle(document.querySelector('h1'));
    return [color, fontStyle];
  });
  assert.deepEqual(style, ['rgb(1, 2, 3)', 'italic']);
  await page.getByRole('button').click();
  await page.getByText('clicked').waitFor();
  const other = await visitors.come();
  await other.context().addCookies([{name: 'ksid', value: holder, url}]);
  await other.request.post(`${url}/release`);
  await page.waitForURL(`${url}/inside`);
}
