// leaving.mjs: who closes the browser while waiting in line has left it; who lost the place without
// closing the page gets a new one by itself.
import {shows} from './visitors.mjs';

export default async function (visitors, {url}) {
  const inside = `${url}/inside`;
  const holder = await visitors.come({inside});
  await holder.goto(`${url}/new`);
  await holder.waitForURL(inside);
  const pages = [];
  for (let i = 0; i < 2; i++) {
    pages.push(await visitors.come({inside}));
    await pages[i].goto(`${url}/waiting`);
    await shows(pages[i], new RegExp(`You are number ${i + 1} in line`));
  }
  await pages[0].context().close();
  await shows(pages[1], /You are number 1 in line/);

  const newcomer = await visitors.come({inside});
  await newcomer.goto(`${url}/waiting`);
  await shows(newcomer, /You are number 2 in line/);
  await pages[1].request.post(`${url}/release`);
  await shows(newcomer, /You are number 1 in line/);
  await shows(pages[1], /You are number 2 in line/);

  await newcomer.context().route('**/capacity', (route) => route.abort());
  await shows(newcomer, /The server does not answer/);
  await newcomer.context().unroute('**/capacity');
  await shows(newcomer, /This page takes you in by itself/);
}
