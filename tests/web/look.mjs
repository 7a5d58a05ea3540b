// Opens pages in a headless browser and prints, as JSON, what is wrong with each. Usage:
//   node look.mjs BROWSER PAGE...
// For every page: messages of the console, requests to anywhere, what axe-core finds (light, dark, phone, all folds
// open), what stands out over the edge of a phone, folds that the keyboard or an anchor does not open, what print
// hides, and what HTML validation says.
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { createRequire } from 'node:module'
import { HtmlValidate } from 'html-validate'
import { chromium } from 'playwright-core'

const [executablePath, ...pages] = process.argv.slice(2)
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const validator = new HtmlValidate({
  extends: ['html-validate:standard'],
  rules: {
    'no-inline-style': 'error',
    'long-title': 'off', // a search engine's limit, not HTML's
    'wcag/h37': 'off', // axe-core judges names
  },
})
const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
}

// No sandbox: it cannot be had as root, and the page is ours. No network of the browser's own either.
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
})
const found = {}
// The first page in every look, the others in the one that breaks first.
for (const path of pages) found[path] = await look(path, path === pages[0] ? LOOKS : { phone: LOOKS.phone })
await browser.close()
console.log(JSON.stringify(found))

async function look(path, looks) {
  const url = pathToFileURL(path).href
  const result = { console: [], requests: [], axe: [], overflow: [], html: [] }
  for (const [name, options] of Object.entries(looks)) {
    // axe-core is put into the page past its policy, which the browser still applies to the page's own requests below.
    const context = await browser.newContext({ ...options, bypassCSP: true })
    const page = await context.newPage()
    page.on('console', (message) => result.console.push(message.text()))
    page.on('pageerror', (error) => result.console.push(String(error)))
    page.on('request', (request) => request.url() !== url && result.requests.push(request.url()))
    await page.goto(url)
    if (name === 'phone') result.overflow.push(...(await page.evaluate(wide)))
    await page.evaluate(() => document.querySelectorAll('details').forEach((fold) => (fold.open = true)))
    if (name === 'phone') result.overflow.push(...(await page.evaluate(wide)))
    await page.evaluate(axe)
    // In the dark nothing but colours is another.
    const rules = name === 'dark' ? { runOnly: ['color-contrast'] } : {}
    const { violations } = await page.evaluate((options) => globalThis.axe.run(options), rules)
    result.axe.push(...violations.map((v) => `${name}: ${v.id}: ${v.help}: ${v.nodes[0].html.slice(0, 200)}`))
    await context.close()
  }
  Object.assign(result, await behaviour(url, result.console))
  const report = await validator.validateString(await readFile(path, 'utf8'))
  result.html = report.results.flatMap((r) => r.messages.map((m) => `${m.line}: ${m.ruleId}: ${m.message}`)).slice(0, 20)
  return result
}

// What a reader does, with the page's own policy in force: Tab and Enter, a link to a claim, printing.
async function behaviour(url, messages) {
  const page = await browser.newPage()
  page.on('console', (message) => messages.push(message.text()))
  await page.goto(url)
  await page.keyboard.press('Tab')
  const first = await page.evaluate(() => document.activeElement.className)
  const fold = page.locator('details').first()
  await fold.locator('summary').focus()
  const outlined = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none')
  await page.keyboard.press('Enter')
  const keyboard = await fold.evaluate((element) => element.open)
  const last = await page.locator('details .fold').last().getAttribute('id')
  await page.goto(`${url}#${last}`)
  const anchor = await page.locator('details').last().evaluate((element) => element.open)
  await page.goto(url)
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  const printed = await page.evaluate(() => ({
    hidden: [...document.querySelectorAll('.fold')].filter((f) => f.getBoundingClientRect().height === 0).length,
    ground: getComputedStyle(document.body).backgroundColor,
  }))
  await page.close()
  return { skip: first, outlined, keyboard, anchor, printed }
}

// What reaches over the right edge and does not stand in something that scrolls by itself.
function wide() {
  const inside = (e) => e.closest('.scroll, pre')
  const over = [...document.querySelectorAll('body *')].filter(
    (e) => !inside(e) && !e.closest('svg') && e.getBoundingClientRect().right > innerWidth + 1,
  )
  const page = document.documentElement.scrollWidth > innerWidth ? [`the page is ${document.documentElement.scrollWidth} wide`] : []
  return [...page, ...over.map((e) => `${e.tagName} ${e.className}: ${e.textContent.slice(0, 60)}`)].slice(0, 5)
}
