// pictures.mjs: each page in both colour schemes and on both screens: accessible, and not wider than
// the screen. Without a directory for pictures, light on a desktop and dark on a phone are enough.
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';

const SCREENS = {
  desktop: {viewport: {width: 1280, height: 800}},
  phone: {viewport: {width: 360, height: 640}, deviceScaleFactor: 2, isMobile: true, hasTouch: true},
};

// An hour of numbers, where the gateway has been up for seconds.
async function addHour(page, url) {
  const points = Array.from({length: 60}, (_, i) =>
    `${2 * i},${(30 + 26 * Math.sin(i / 5) * Math.cos(i / 17)).toFixed(1)}`).join(' ');
  await page.route(url, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace(/points="[^"]*"/g, `points="${points}"`);
    await route.fulfill({response: answer, body});
  });
}

export default async function (visitors, {pages, directory}) {
  if (directory) { mkdirSync(directory, {recursive: true}); }
  for (const [screen, options] of Object.entries(SCREENS)) {
    for (const colorScheme of ['light', 'dark']) {
      if (!directory && (screen === 'desktop') !== (colorScheme === 'light')) { continue; }
      for (const {name, url, cookie, hour, stay} of pages) {
        const what = `${name}-${colorScheme}-${screen}`;
        const page = await visitors.come({...options, colorScheme});
        if (cookie) { await page.context().addCookies([{name: 'ksid', value: cookie, url}]); }
        if (hour) { await addHour(page, url); }
        // Whose turn it is would be taken in.
        if (stay) { await page.route('**/capacity', (route) => route.abort()); }
        await page.goto(url);
        await visitors.checkAccessible(page, what);
        await visitors.checkFits(page, what);
        if (directory) {
          await page.screenshot({path: join(directory, `${what}.png`), fullPage: true});
        }
        await page.context().close();
      }
    }
  }
}
