// enter.mjs: the form of the first page, and where it leads in the end.
export default async function (visitors, {url, expected}) {
  const page = await visitors.come();
  await page.goto(url);
  await page.getByRole('button', {name: 'Enter'}).click();
  await page.waitForURL(expected);
}
