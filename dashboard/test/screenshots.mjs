// Pictures of the page for people to judge: node test/screenshots.mjs URL FOLDER [NAME...]
// Uses an installed Chromium (CHROMIUM, or /usr/bin/chromium).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base = "http://127.0.0.1:8099", folder = "/tmp/inlet-screenshots", ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

const shots = [
  { name: "sales-light-1440", width: 1440 },
  { name: "sales-dark-1440", width: 1440, dark: true },
  { name: "sales-light-768", width: 768 },
  { name: "sales-light-360", width: 360 },
  { name: "pipeline-light-1440", width: 1440, path: "/#pipeline" },
  { name: "pipeline-dark-1440", width: 1440, dark: true, path: "/#pipeline" },
  { name: "pipeline-dark-768", width: 768, dark: true, path: "/#pipeline" },
  { name: "pipeline-light-360", width: 360, path: "/#pipeline" },
  { name: "provenance-light-1440", width: 1440, act: (page) => page.locator(".rank-row").first().click() },
  { name: "provenance-dark-360", width: 360, dark: true, act: (page) => page.locator("button.tile").first().click() },
  { name: "quarantine-light-1440", width: 1440, path: "/#pipeline", act: (page) => page.locator("button.aside").first().click() },
];
for (const shot of shots) {
  if (only.length > 0 && !only.some((name) => shot.name.includes(name))) continue;
  const context = await browser.newContext({ viewport: { width: shot.width, height: shot.width < 700 ? 780 : 900 }, colorScheme: shot.dark ? "dark" : "light" });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log(shot.name, message.text()));
  page.on("pageerror", (error) => console.log(shot.name, error.message));
  await page.goto(base + (shot.path ?? "/"));
  await page.locator(".card[aria-busy=false], .flow").first().waitFor();
  await page.waitForTimeout(shot.path ? Number(process.env.WAIT ?? 4000) : 1500);
  if (shot.act) {
    await shot.act(page);
    await page.waitForTimeout(2500);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) console.log(shot.name, `scrolls sideways by ${wide}px`);
  await page.screenshot({ path: join(folder, `${shot.name}.png`), fullPage: !shot.act });
  await context.close();
}
await browser.close();
