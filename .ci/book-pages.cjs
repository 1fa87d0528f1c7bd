// Opens every page of the book in headless Chromium: no console error, nothing
// wider than the window, nothing serious found by axe-core, tabs that work, and on
// paper every answer and no dark box. Keeps a picture of each.
// Usage: node book-pages.cjs URL FOLDER SCREENSHOTS
"use strict";

const fs = require("fs");
const path = require("path");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const [url, folder, pictures] = process.argv.slice(2);
const SIZES = { wide: { width: 1280, height: 900 }, phone: { width: 375, height: 750 } };
const THEMES = { light: ["light", "rust"], dark: ["navy", "coal", "ayu"] };
const MAIN_THEMES = ["light", "navy"];
// What a theme colours stands on these pages: code, tabs, callouts, pictures, tables, the player.
const SAMPLE = ["start.html", "ch03.html", "matrix.html", "calls/kevent.html", "player/demo.html"];
const only = (process.env.BOOK_PAGES || "").split(" ").filter(Boolean);
// Each page is seen wide and narrow, light and dark: every second one wide in light and
// narrow in dark, the others the other way round; those above, and pages asked for, in all four.
const inAll = (name) => only.length > 0 || process.env.BOOK_ALL || SAMPLE.includes(name);
const isSeen = (name, at, size, theme) =>
    inAll(name) || (size === "wide") === (THEMES.light.includes(theme) === (at % 2 === 0));

const wrong = [];
const complain = (where, what) => wrong.push(where + ": " + what);

function pagesIn(dir, base = "") {
    return fs.readdirSync(path.join(dir, base), { withFileTypes: true }).flatMap((entry) => {
        const name = path.posix.join(base, entry.name);
        if (entry.isDirectory()) {
            return pagesIn(dir, name);
        }
        // toc.html is a part of the others.
        return name.endsWith(".html") && name !== "toc.html" ? [name] : [];
    });
}

async function newPage(browser, size, theme, options = {}) {
    const context = await browser.newContext({ viewport: SIZES[size], ...options });
    await context.addInitScript((t) => {
        try {
            localStorage.setItem("mdbook-theme", t);
        } catch (_) {}
        window.print = () => {}; // print.html does it by itself
    }, theme);
    context.setDefaultTimeout(120000); // two cores, and others want them, too
    return context.newPage();
}

function listen(page, where) {
    page.on("console", (m) => m.type() === "error" && complain(where(), "console: " + m.text()));
    page.on("pageerror", (e) => complain(where(), "script: " + e.message));
    // A page's icon may still be on its way when the next page is opened.
    const left = (r) => r.url().includes("/favicon") && r.failure().errorText === "net::ERR_ABORTED";
    page.on("requestfailed", (r) => left(r) || complain(where(), "not loaded: " + r.url()));
    page.on("response", (r) => r.status() >= 400 && complain(where(), r.status() + ": " + r.url()));
    page.on("request", (r) => r.url().startsWith(url) || r.url().startsWith("data:") ||
        complain(where(), "asks elsewhere: " + r.url()));
}

// The whole book on one page is the others again: it is opened, and not asked for all
// that each of them was asked for (ids stand in it more than once).
const WHOLE = "print.html";

async function look(page, where, whole) {
    // mdBook's page hides what sticks out, so the window's own width tells nothing.
    const wide = await page.evaluate(() => {
        const room = document.documentElement.clientWidth;
        const scrolls = (box) => box && (["auto", "scroll"].includes(getComputedStyle(box).overflowX) || scrolls(box.parentElement));
        const inMain = (box) => scrolls(box.parentElement.closest("main *"));
        const out = [...document.querySelectorAll("main *")].filter((box) => box.getBoundingClientRect().right > room + 1 && !inMain(box));
        const all = document.documentElement.scrollWidth > room ? ["the document"] : [];
        return all.concat(out.slice(0, 3).map((box) => box.outerHTML.slice(0, 90)));
    });
    if (wide.length) {
        complain(where, "wider than the window: " + wide.join(" | "));
    }
    if (whole) {
        return 0;
    }
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    for (const v of found.violations.filter((v) => ["serious", "critical"].includes(v.impact))) {
        const node = v.nodes[0];
        complain(where, `axe: ${v.id} (${v.nodes.length}): ${node.target} ${node.html.slice(0, 100)} ${node.any[0] ? node.any[0].message : ""}`);
    }
    return found.passes ? found.passes.length : 0;
}

async function tabs(browser, name) {
    const where = "tabs of " + name;
    const shown = (page) =>
        page.$$eval(".tab", (all) => all.filter((t) => t.offsetParent !== null).map((t) => t.dataset.tab));
    const page = await newPage(browser, "wide", "light");
    // An answer that is folded away has tabs, too.
    const unfold = (p) => p.$$eval("details", (all) => all.forEach((d) => (d.open = true)));
    await page.goto(url + "/" + name);
    await unfold(page);
    const count = await page.locator(".tabs").count();
    const all = async (what) => (await shown(page)).join() === Array(count).fill(what).join();
    const first = page.locator(".tabs").first();
    for (const what of ["kqueue", "epoll", "kqueue"]) {
        await first.getByRole("tab", { name: what }).click();
        (await all(what)) || complain(where, "a click on " + what + " shows " + (await shown(page)));
    }
    await page.reload();
    await unfold(page);
    (await all("kqueue")) || complain(where, "the choice is forgotten");
    await first.getByRole("tab", { name: "kqueue" }).focus();
    await page.keyboard.press("ArrowRight");
    (await all("epoll")) || complain(where, "the right arrow does not choose");
    page.url().endsWith(name) || complain(where, "the right arrow turns the page");
    await page.emulateMedia({ media: "print" });
    (await shown(page)).length === 2 * count || complain(where, "paper does not show both");
    await page.context().close();

    const bare = await newPage(browser, "wide", "light", { javaScriptEnabled: false });
    await bare.goto(url + "/" + name);
    await unfold(bare);
    (await shown(bare)).length === 2 * count || complain(where, "both are not shown without script");
    await bare.context().close();

    const mute = await newPage(browser, "wide", "light");
    await mute.addInitScript(() => {
        Storage.prototype.getItem = Storage.prototype.setItem = () => {
            throw new Error("no storage");
        };
    });
    await mute.goto(url + "/" + name);
    (await shown(mute)).length === count || complain(where, "no tabs without storage");
    await mute.context().close();
}

// Paper is white, whatever the theme, and has no answer that is folded away.
async function paper(browser, name, theme) {
    const where = `${name} (paper, ${theme})`;
    const page = await newPage(browser, "wide", theme);
    await page.goto(url + "/" + name, { waitUntil: "load" });
    const closed = () => page.$$eval("details:not([open])", (all) => all.length);
    const before = await closed();
    // Comes after the book's own listener.
    await page.evaluate(() => addEventListener("beforeprint", () => {
        window.foldedOnPaper = document.querySelectorAll("details:not([open])").length;
    }));
    await page.pdf();
    const folded = await page.evaluate(() => window.foldedOnPaper);
    folded === 0 || complain(where, folded + " of " + before + " answers are not printed");
    (await closed()) === before || complain(where, "what was folded before the print is open after it");
    await page.emulateMedia({ media: "print" });
    const dark = await page.evaluate(() => {
        const light = (colour) => {
            const [r, g, b, a] = colour.match(/[\d.]+/g).map(Number);
            return a < 0.2 || colour.startsWith("color(") || (r + g + b) / 3 > 170;
        };
        const out = [];
        const seen = (box) => !box.closest(".buttons") && box.getClientRects().length;
        for (const box of [...document.querySelectorAll("body, main, main *")].filter(seen)) {
            const style = getComputedStyle(box);
            const fill = box.matches(".pic rect, .pic circle, .pic polygon") ? style.fill : "none";
            for (const colour of [style.backgroundColor, fill]) {
                if (colour !== "none" && !box.matches(".bar, .full, .tip") && !light(colour)) {
                    out.push(`${colour}: ${box.outerHTML.slice(0, 80)}`);
                }
            }
        }
        return out.slice(0, 3);
    });
    dark.length && complain(where, "dark on paper: " + dark.join(" | "));
    await look(page, where, name === WHOLE);
    await page.context().close();
}

async function main() {
    const args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"];
    const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((p) => fs.existsSync(p));
    const browser = await chromium.launch({ executablePath, args, chromiumSandbox: process.getuid() !== 0 });
    const all = pagesIn(folder).filter((n) => !only.length || only.includes(n.replace(".html", "")));
    fs.mkdirSync(pictures, { recursive: true });
    let seen = 0;
    for (const theme of [...THEMES.light, ...THEMES.dark]) {
        const main = MAIN_THEMES.includes(theme);
        for (const size of main ? Object.keys(SIZES) : ["wide"]) {
            const page = await newPage(browser, size, theme);
            let where = "";
            listen(page, () => where);
            const seenHere = (n, at) => (main ? isSeen(n, at, size, theme) : SAMPLE.includes(n));
            for (const name of all.filter(seenHere)) {
                where = `${name} (${size}, ${theme})`;
                await page.goto(url + "/" + name, { waitUntil: "load" });
                const is = await page.evaluate(() => document.documentElement.className);
                is.includes(theme) || complain(where, "the theme is not " + theme);
                await look(page, where, name === WHOLE);
                seen += 1;
                if (main && name !== WHOLE) {
                    const file = name.replace(/\//g, "-").replace(".html", `.${size}.${theme}.png`);
                    await page.screenshot({ path: path.join(pictures, file), fullPage: true });
                }
            }
            await page.context().close();
        }
    }
    const withTabs = all.filter((n) => fs.readFileSync(path.join(folder, n), "utf8").includes('class="tabs"'));
    for (const name of withTabs) {
        await tabs(browser, name);
    }
    // The player's own page is not the book's, and its transcripts on paper are .ci/player's.
    const printed = all.filter((n) => [...SAMPLE, "performance.html", WHOLE].includes(n) && !n.startsWith("player/"));
    for (const name of printed) {
        for (const theme of MAIN_THEMES) {
            await paper(browser, name, theme);
        }
    }
    const version = browser.version();
    await browser.close();
    console.log(`Chromium ${version}: ${all.length} pages, ${seen} visits (each wide and narrow, in light and dark; ${all.filter(inAll).length} in all four combinations, ${SAMPLE.length} in the other themes, too), tabs on ${withTabs.length}, ${printed.length} on paper; pictures in ${pictures}`);
    if (wrong.length) {
        console.error(wrong.length + " things are wrong:\n" + [...new Set(wrong)].join("\n"));
        process.exit(1);
    }
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
