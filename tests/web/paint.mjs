// Opens a page several times, each in a new browser profile, and prints the milliseconds to its first paint as JSON.
// Usage: node paint.mjs BROWSER PAGE TIMES
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const [executablePath, path, times] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
})
const found = []
for (let n = 0; n < Number(times); n++) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  await page.goto(pathToFileURL(path).href)
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))))
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime))
  found.push(...paint)
  await context.close()
}
await browser.close()
console.log(JSON.stringify(found))
