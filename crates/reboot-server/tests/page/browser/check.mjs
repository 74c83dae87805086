// Looks at the board in a real browser, as a person with a phone, in the dark, without a mouse or
// without JavaScript does. Prints one JSON document of what it found.
//
//   node check.mjs URL FOLDER-FOR-PICTURES CHROMIUM

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const [url, pictures, chromium] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const found = { violations: [], sideways: {}, elsewhere: [], complaints: [], steps: [] };

const open = async (width, scheme, script = true) => {
  const page = await browser.newPage();
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setJavaScriptEnabled(script);
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(new URL(url).origin) && !asked.startsWith("data:")) {
      found.elsewhere.push(asked);
    }
  });
  page.on("console", (line) => line.type() === "error" && found.complaints.push(line.text()));
  page.on("pageerror", (error) => found.complaints.push(String(error)));
  await page.goto(url, { waitUntil: "load" });
  return page;
};

const judge = async (page, name) => {
  await page.evaluate(axe); // as the debugger does it: past the page's own policy
  const { violations } = await page.evaluate(() => window.axe.run(document));
  for (const it of violations) {
    const where = it.nodes.map((node) => node.html).slice(0, 3);
    found.violations.push({ page: name, rule: it.id, help: it.help, where });
  }
};

for (const scheme of ["light", "dark"]) {
  for (const width of [360, 1100]) {
    const name = `board-${scheme}-${width}`;
    const page = await open(width, scheme);
    await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
    found.sideways[name] = await page.evaluate(() => document.documentElement.scrollWidth);
    await page.$$eval("details", (all) => all.forEach((it) => (it.open = true)));
    await judge(page, name);
    const unfolded = await page.evaluate(() => document.documentElement.scrollWidth);
    found.sideways[name] = Math.max(found.sideways[name], unfolded);
    await page.close();
  }
}

const plain = await open(1100, "light", false);
found.plain = await plain.$eval("main", (main) => main.textContent);
await plain.close();

// Every link, field, button and fold is reached by the tabulator key alone.
const keys = await open(1100, "light");
const reachable = "a[href], button, input:not([type=hidden]), select, textarea, summary";
await keys.$$eval("details", (all) => all.forEach((it) => (it.open = true)));
const wanted = await keys.$$eval(reachable, (all) => all.length);
const reached = new Set();
for (let turn = 0; turn <= wanted; turn += 1) {
  await keys.keyboard.press("Tab");
  reached.add(
    await keys.evaluate((all) => [...document.querySelectorAll(all)].indexOf(document.activeElement), reachable),
  );
}
reached.delete(-1);
found.steps = { wanted, reached: reached.size };
await keys.close();

// What changes in the store shows by itself.
const living = await open(1100, "light");
await living.evaluate(() => document.querySelector("details[open] summary")?.click());
console.error("WATCHING");
await living.waitForFunction(() => document.body.textContent.includes("node-new"), { timeout: 20000 });
found.live = await living.$eval("#live", (live) => live.textContent);
found.stillClosed = await living.$eval("details[id^=history]", (it) => !it.open);
await living.close();

await browser.close();
console.log(JSON.stringify(found));
