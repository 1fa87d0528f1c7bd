// The player in headless Chromium, from file://, as a reader meets it.
'use strict';
const test = require('node:test'), assert = require('node:assert/strict');
const fs = require('node:fs'), os = require('node:os'), path = require('node:path');
const { pathToFileURL } = require('node:url');
const { chromium } = require('playwright-core');
const { index, player } = require('./recordings.js');

const demo = pathToFileURL(path.join(player, 'demo.html')).href;
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const shots = path.join(__dirname, '../../target/player-shots');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'player-'));
const names = index().map(r => r.name);
const steps = { phone: { width: 360, height: 740 }, desk: { width: 1100, height: 900 } };
let browser;

test.before(async () => {
  fs.mkdirSync(shots, { recursive: true });
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--disable-gpu', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])] });
});
test.after(async () => {
  await browser.close();
  fs.rmSync(work, { recursive: true });
});

/** Opens a page; whatever its console complains about fails the test at the end. */
async function open(t, url, { queue = 'epoll', ready = '.pl-world', ...options } = {}) {
  const context = await browser.newContext({ viewport: steps.desk, reducedMotion: 'reduce', ...options });
  const page = await context.newPage(), errors = [];
  page.on('console', m => { if (m.type() === 'error' || m.type() === 'warning') errors.push(m.text()); });
  page.on('pageerror', e => errors.push(String(e)));
  if (options.javaScriptEnabled !== false) {
    await page.addInitScript(q => { if (!localStorage.getItem('player-queue')) localStorage.setItem('player-queue', q); }, queue);
  }
  t.after(async () => { await context.close(); assert.deepEqual(errors, []); });
  await page.goto(url);
  await page.waitForSelector(ready, { state: 'attached' });
  return page;
}

const of = name => `.player[data-recording="${name}"]`;
const one = (t, name, options) => open(t, `${demo}#${name}`, options);
const go = (page, n) => page.evaluate(n => document.querySelector('.player').player.go(n, true), n);
const place = page => page.evaluate(() => {
  const p = document.querySelector('.player').player;
  return { at: p.pos, last: p.run.steps.length - 1, start: p.run.start, marks: p.run.marks, queue: p.run.queue };
});
const press = async (page, key) => { await page.keyboard.press(key); };

/** A page that embeds one player as a chapter does. */
function chapter(extra = '') {
  const file = path.join(work, `chapter${Math.random()}.html`), at = f => pathToFileURL(path.join(player, f)).href;
  const transcript = fs.readFileSync(path.join(player, 'recordings/ch03-burst.epoll.txt'), 'utf8').replace(/&/g, '&amp;').replace(/</g, '&lt;');
  fs.writeFileSync(file, `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>A chapter</title><meta name="viewport" content="width=device-width">
    <link rel="stylesheet" href="${at('player.css')}">${extra}<body style="background:var(--bg,#fff);color:var(--fg,#000)"><main><h1>A chapter</h1><h2>It runs</h2><h3>Here</h3>
    <div class="player" data-recording="ch03-burst"><pre>${transcript}</pre></div></main>
    <script src="${at('model.js')}"></script><script src="${at('player.js')}"></script></body></html>`);
  return pathToFileURL(file).href;
}

test('the player\'s code is under 60 kB', () => {
  const sizes = ['player.js', 'model.js', 'player.css'].map(f => fs.statSync(path.join(player, f)).size);
  const total = sizes.reduce((a, b) => a + b);
  assert.ok(total < 60000, `${total} bytes: ${sizes}`);
});

for (const queue of ['epoll', 'kqueue']) {
  test(`every recording, ${queue}: all steps forward and back with the keyboard`, async t => {
    for (const name of names) {
      const page = await one(t, name, { queue });
      assert.match((await place(page)).queue, new RegExp(queue));
      await page.focus('[data-do=step]');
      await press(page, 'Home');
      const { last } = await place(page), seen = [];
      const look = () => page.evaluate(() => {
        const world = document.querySelector('.pl-world'), chips = [...world.querySelectorAll('[data-chip]')].map(c => c.dataset.chip);
        const p = document.querySelector('.player').player;
        return { at: p.pos, ended: p.run.steps[p.pos].deed === 'exit' || /\nended/.test(world.innerText), text: world.innerText + document.querySelector('.pl-say').innerText, twice: chips.filter((c, i) => chips.indexOf(c) !== i), line: !!document.querySelector('.pl-now, .pl-line em') };
      });
      for (let i = 0; i <= last; i++) {
        const now = await look();
        assert.equal(now.at, i, name);
        assert.deepEqual(now.twice, [], `${name}, step ${i + 1}: a connection in two places`);
        assert.ok(!/undefined|NaN|null/.test(now.text), `${name}, step ${i + 1}: ${now.text}`);
        if (i > 2) assert.ok(now.line || now.ended, `${name}, step ${i + 1}: no line of code`);
        seen.push(now.text);
        await press(page, 'ArrowRight');
      }
      for (let i = last; i >= 0; i--) {
        assert.equal((await look()).text, seen[i], `${name}: step ${i + 1} looks otherwise on the way back`);
        await press(page, 'ArrowLeft');
      }
      await page.context().close();
    }
  });
}

test('pointer and keyboard: buttons, slider, play, the other queue', async t => {
  const page = await one(t, 'ch03-burst');
  const { start, last } = await place(page);
  assert.equal((await place(page)).at, start);
  await page.click('[data-do=step]');
  assert.equal((await place(page)).at, start + 1);
  await page.click('[data-do=back]');
  await page.click('[data-do=last]');
  assert.equal((await place(page)).at, last);
  await page.click('[data-do=first]');
  assert.equal((await place(page)).at, 0);
  await page.focus('.pl-time');
  await press(page, 'ArrowRight');
  await press(page, 'ArrowRight');
  assert.equal((await place(page)).at, 2);
  const box = await (await page.$('.pl-time')).boundingBox();
  await page.mouse.move(box.x + 10, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  assert.equal((await place(page)).at, last);
  await page.focus('[data-do=step]');
  await press(page, 'Home');
  await press(page, 'p');
  await page.waitForFunction(() => document.querySelector('.player').player.pos >= 2);
  await press(page, 'p');
  assert.equal(await page.getAttribute('[data-do=play]', 'aria-label'), 'Play');
  await page.click('[data-queue=kqueue]');
  await page.waitForFunction(() => /kqueue/.test(document.querySelector('.player').player.run.queue));
  assert.match(await page.innerText('.pl-kernel'), /kqueue over libkqueue/);
  assert.equal(await page.getAttribute('[data-queue=kqueue]', 'aria-pressed'), 'true');
});

test('to follow a thread or a connection is to go from one of its steps to the next', async t => {
  const page = await one(t, 'ch05-slow');
  await page.selectOption('select', 'worker-2');
  await page.focus('[data-do=step]');
  for (let i = 0; i < 6; i++) {
    await press(page, 'ArrowRight');
    assert.equal(await page.evaluate(() => { const p = document.querySelector('.player').player; return p.run.meta[p.pos].actor; }), 'worker-2');
  }
  await page.click('.pl-clients [data-k=C]');
  assert.equal(await page.inputValue('select'), 'C');
  assert.equal(await page.getAttribute('.pl-clients [data-k=C]', 'aria-pressed'), 'true');
  assert.ok(await page.evaluate(() => document.querySelectorAll('.pl-dim').length > 20 && document.querySelectorAll('.pl-tick').length > 5));
  await page.click('.pl-clients [data-k=C]');
  assert.equal(await page.inputValue('select'), '');
});

test('predict: it stops, asks, and the recording answers', async t => {
  const page = await one(t, 'ch04-burst');
  const { marks } = await place(page);
  await page.check('[data-do=predict]');
  for (const [i, mark] of marks.entries()) {
    for (let n = 0; n < 60 && !(await page.$('.pl-ask legend')); n++) await page.click('[data-do=step]');
    assert.equal((await place(page)).at, mark - 1, 'it stops before the step');
    assert.match(await page.evaluate(() => document.activeElement.dataset.answer), /0/, 'the focus is on the answers');
    const right = await page.evaluate(() => document.querySelector('.player').player.question.q.right);
    if (i === 0) await page.screenshot({ path: path.join(shots, 'predict.png') });
    const choice = i === 1 ? 1 - Math.min(right, 1) : right;
    await page.focus(`[data-answer="${choice}"]`);
    await press(page, 'Enter');
    assert.equal((await place(page)).at, mark);
    assert.match(await page.innerText('.pl-ask'), choice === right ? /Yes/ : /No\. It was/);
  }
  assert.match(await page.innerText('.pl-ask'), new RegExp(`${marks.length - 1} of ${marks.length}`));
});

test('predict: Step passes a question over, and the steps go on', async t => {
  const page = await one(t, 'ch04-burst');
  const { marks } = await place(page);
  await page.check('[data-do=predict]');
  while (!(await page.$('.pl-ask legend'))) await page.click('[data-do=step]');
  await page.click('[data-do=step]');
  assert.equal((await place(page)).at, marks[0]);
  assert.match(await page.innerText('.pl-ask'), /^It is: .*0 of 0/);
  await page.click('[data-do=step]');
  assert.ok((await place(page)).at >= marks[0]);
});

test('the keys stay where they are, whatever is said, and stand above the code', async t => {
  for (const size of ['desk', 'phone']) {
    const page = await one(t, 'ch07-stop', { viewport: steps[size] });
    const { last } = await place(page), tops = new Set();
    for (let n = 0; n <= last; n += 3) {
      await go(page, n);
      tops.add(await page.$eval('[data-do=step]', e => Math.round(e.getBoundingClientRect().top + scrollY)));
    }
    assert.equal(tops.size, 1, `${size}: ${[...tops]}`);
    const [bar, code] = await Promise.all(['.pl-bar', '.pl-code'].map(s => page.locator(s).first().boundingBox()));
    assert.ok(bar.y + bar.height <= code.y + 1, `${size}: the code is covered`);
    await page.context().close();
  }
});

test('who is busy, who idles, and in which function, can be told apart', async t => {
  const page = await one(t, 'ch05-slow');
  // Which of the workers it is, another recording may say otherwise.
  const [n, threads, its] = await page.evaluate(() => {
    const { steps, threads } = document.querySelector('.player').player.run, n = steps.findIndex(s => /^handler sleeps/.test(s.call));
    return [n, threads, steps[n].thread];
  });
  await go(page, n);
  const is = await page.$$eval('.pl-thread', all => all.map(e => ['pl-busy', 'pl-blocked'].filter(c => e.classList.contains(c)).join()));
  assert.deepEqual(is, threads.map(t => (t === its ? 'pl-busy' : 'pl-blocked')));
  assert.match(its, /^worker/);
  assert.match(await page.innerText('.pl-code figcaption'), /fn answer/);
  assert.match(await page.innerText('.pl-more details'), /What the words mean/);
});

test('your own run: dropped or chosen, and told what is wrong with it', async t => {
  const page = await open(t, `${demo}#${names[0]}`);
  const run = fs.readFileSync(process.env.OWN_RUN, 'utf8'), own = '[data-own]';
  const choose = text => page.setInputFiles(`${own} input[type=file]`, { name: 'run.jsonl', mimeType: 'text/plain', buffer: Buffer.from(text) });
  await choose(run.split('\n').slice(0, 4).join('\n') + '\n{"seq":');
  await page.waitForFunction(() => /Line 5: not JSON/.test(document.querySelector('.pl-error').textContent));
  await choose('hello');
  await page.waitForFunction(() => /No trace in this file/.test(document.querySelector('.pl-error').textContent));
  await choose(run);
  await page.waitForSelector(`${own} .pl-world`);
  assert.equal(await page.innerText(`${own} .pl-error`), '');
  await page.focus(`${own} [data-do=step]`);
  await press(page, 'End');
  const text = await page.innerText(`${own} .pl-world`);
  assert.match(text, /unknown/, 'nothing is known of the clients');
  await page.locator(own).screenshot({ path: path.join(shots, 'own-run.png') });
  // The same by drag and drop.
  await page.evaluate(text => {
    const data = new DataTransfer();
    data.items.add(new File([text], 'dropped.jsonl'));
    document.querySelector('[data-own] .pl').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, '{"trace":1}');
  await page.waitForFunction(() => /dropped.jsonl: Line 1/.test(document.querySelector('.pl-error').textContent));
});

test('motion: chips and bytes move, and do not where it is not wanted', async t => {
  const sends = async page => {
    const n = await page.evaluate(() => document.querySelector('.player').player.run.steps.findIndex(s => s.deed === 'send'));
    await go(page, n - 1);
    await page.click('[data-do=step]');
    return page.evaluate(() => document.getAnimations().length);
  };
  const still = await one(t, 'ch03-burst', { reducedMotion: 'reduce' });
  assert.equal(await still.isChecked('[data-do=motion]'), false);
  assert.equal(await sends(still), 0);
  const moving = await one(t, 'ch03-burst', { reducedMotion: 'no-preference' });
  assert.equal(await moving.isChecked('[data-do=motion]'), true);
  assert.ok(await sends(moving) > 0);
  await moving.uncheck('[data-do=motion]');
  await moving.waitForFunction(() => document.getAnimations().length === 0);
  assert.equal(await sends(moving), 0);
});

test('without scripts and in print the transcript stands in its place', async t => {
  const plain = await open(t, chapter(), { javaScriptEnabled: false, ready: '.player' });
  assert.ok(await plain.isVisible('.player > pre'));
  assert.match(await plain.innerText('.player > pre'), /A connects/);
  const page = await open(t, chapter());
  assert.ok(!(await page.isVisible('.player > pre')));
  await page.check('[data-do=transcript]');
  assert.ok(await page.isVisible('.player > pre'));
  await page.uncheck('[data-do=transcript]');
  await page.emulateMedia({ media: 'print' });
  assert.ok(await page.isVisible('.player > pre'));
  assert.ok(!(await page.isVisible('.pl')));
});

test('a phone: nothing sticks out, in any recording', async t => {
  for (const name of names) {
    const page = await one(t, name, { viewport: steps.phone, hasTouch: true, isMobile: true });
    const { last, start } = await place(page);
    for (const n of [0, start, Math.floor((start + last) / 2), last]) {
      await go(page, n);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= steps.phone.width, `${name}, step ${n + 1}: ${width} px wide`);
    }
    await page.tap('[data-do=back]');
    assert.equal((await place(page)).at, last - 1);
    await page.context().close();
  }
});

test('a phone: what is said takes a part of the screen, and the marks in the code cover none of it', async t => {
  const page = await one(t, 'ch07-stop', { viewport: steps.phone, hasTouch: true, isMobile: true });
  const run = await place(page);
  for (const n of [run.start, 60, 95]) {
    await go(page, n);
    const box = await page.locator('.pl-bar').boundingBox();
    assert.ok(box.height < steps.phone.height / 2, `step ${n + 1}: ${box.height} px`);
    const covered = await page.$$eval('.pl-line em', all => all.filter(e => getComputedStyle(e).display !== 'block').length);
    assert.equal(covered, 0);
  }
});

test('on the page of all recordings, too, there are transcripts, each of its queue', async t => {
  const page = await one(t, 'ch01-hello'), text = () => page.innerText('.player > pre');
  await page.check('[data-do=transcript]');
  assert.match(await text(), /\[main\] accept\(3\)/);
  const first = await text();
  await page.click('[data-queue=kqueue]');
  await page.waitForFunction(before => document.querySelector('.player > pre').innerText !== before, first);
  assert.ok(await page.isChecked('[data-do=transcript]'));
});

test('that page follows the theme of the book', async t => {
  const page = await one(t, 'ch01-hello');
  // In the page that reads it: what another wrote a moment ago it may not see yet.
  await page.addInitScript(() => localStorage.setItem('mdbook-theme', 'coal'));
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.className), 'coal');
});

test('key moments can be followed, and words are explained', async t => {
  const page = await one(t, 'ch07-slow-reader');
  await page.selectOption('select', 'why');
  await page.focus('[data-do=step]');
  let full = 0;
  for (let n = 0; n < 4; n++) {
    await press(page, 'ArrowRight');
    const here = await page.evaluate(() => { const p = document.querySelector('.player').player; return p.run.meta[p.pos].keys.includes('why'); });
    assert.ok(here);
    if (/kB full/.test((await page.innerText('[data-box=out]')).replace(/\s+/g, ' '))) full++;
  }
  assert.ok(full > 0, 'the send buffer is seen full');
  const word = page.locator('.pl-kernel abbr').first();
  await word.focus();
  assert.match(await word.evaluate(e => getComputedStyle(e, '::after').content), /Bytes that have come/);
});

async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document.querySelector('.player'), { resultTypes: ['violations'], preload: false }));
  const grave = found.violations.filter(v => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(grave.map(v => `${what}: ${v.id}: ${v.nodes.map(n => n.html.slice(0, 160)).join(' | ')}`), []);
}

test('axe finds nothing serious, light and dark, desk and phone, with a question open', async t => {
  for (const colorScheme of ['light', 'dark']) {
    for (const size of ['desk', 'phone']) {
      const page = await one(t, 'ch07-stop', { colorScheme, viewport: steps[size] });
      for (const n of [(await place(page)).start, 60, 95]) {
        await go(page, n);
        await accessible(page, `${colorScheme} ${size} ${n}`);
      }
      await go(page, (await place(page)).start);
      await page.check('[data-do=predict]');
      for (let n = 0; n < 60 && !(await page.$('.pl-ask legend')); n++) await page.click('[data-do=step]');
      await accessible(page, `${colorScheme} ${size} question`);
      await page.context().close();
    }
  }
});

// The colours of mdBook's five themes: page, text, links, quotes.
const themes = {
  light: ['hsl(0,0%,100%)', 'hsl(0,0%,0%)', '#20609f', 'hsl(197,37%,96%)'],
  rust: ['hsl(60,9%,87%)', '#262625', '#2b79a2', 'hsl(60,5%,75%)'],
  coal: ['hsl(200,7%,8%)', '#98a3ad', '#2b79a2', 'hsl(234,21%,18%)'],
  navy: ['hsl(226,23%,11%)', '#bcbdd0', '#2b79a2', 'hsl(226,15%,17%)'],
  ayu: ['hsl(210,25%,8%)', '#c5c5c5', '#0096cf', 'hsl(226,15%,17%)'],
};

test('it can be read in every theme of mdBook', async t => {
  for (const [name, [bg, fg, links, quote]] of Object.entries(themes)) {
    const page = await open(t, chapter(`<style>:root{--bg:${bg};--fg:${fg};--links:${links};--quote-bg:${quote}}</style>`));
    await go(page, 36);
    await accessible(page, name);
    await page.locator('.pl').screenshot({ path: path.join(shots, `theme-${name}.png`) });
    await page.context().close();
  }
});

test('screenshots of every recording, to be looked at', async t => {
  for (const [i, name] of names.entries()) {
    const colorScheme = i % 2 ? 'dark' : 'light';
    const page = await one(t, name, { colorScheme });
    const { start, last } = await place(page);
    for (const part of [0.35, 0.7, 1]) {
      const n = Math.round(start + (last - start) * part);
      await go(page, n);
      await page.locator('.pl').first().screenshot({ path: path.join(shots, `${name}-${n}.png`) });
    }
    await page.context().close();
  }
  t.diagnostic(`in ${path.relative(process.cwd(), shots)}`);
});
