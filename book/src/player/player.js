// Steps through a recorded run inside a page, in place of
//   <div class="player" data-recording="ch03-burst"><pre>transcript</pre></div>
// or, for a reader's own run, <div class="player" data-own></div>. Needs model.js.
(function () {
'use strict';
var M = window.PlayerModel, doc = document;
var base = (doc.currentScript?.src || '').replace(/[^/]*$/, 'recordings/');
var PACE = 1300, FLIGHT = 450, MANY = 8;

var esc = text => String(text).replace(/[&<>"]/g, c => `&#${c.charCodeAt()};`);
var bytes = n => n < 10000 ? n + ' B' : Math.round(n / 1000) + ' kB';
function stored(name, value) {
	try {
		if (value === undefined) return localStorage.getItem('player-' + name);
		localStorage.setItem('player-' + name, value);
	} catch (e) { /* no storage */ }
	return null;
}

/** Loads a script that assigns a global, unless it is there. */
function loadScript(file, global, done) {
	if (window[global]) return done(window[global]);
	var script = doc.createElement('script');
	script.src = base + file;
	script.onload = script.onerror = () => done(window[global] || null);
	doc.head.appendChild(script);
}

var terms = () => window.player_words || {};
// A text in which the first of each of the field's words tells what it means.
function explained(text) {
	var seen = {}, words = Object.keys(terms());
	if (!words.length) return esc(text);
	return esc(text).replace(new RegExp(`\\b(${words.join('|')})(?=s?\\b)`, 'g'), word => {
		if (seen[word]) return word;
		seen[word] = true;
		return `<abbr tabindex="0" title="${meaning(word)}">${word}</abbr>`;
	});
}
var meaning = word => esc(terms()[word] || '');

function Player(place) {
	var me = this;
	me.place = place;
	me.name = place.dataset.recording;
	me.own = 'own' in place.dataset;
	me.motion = stored('motion') ? stored('motion') === 'on' : !matchMedia('(prefers-reduced-motion: reduce)').matches;
	me.predict = false;
	me.follow = '';
	me.right = me.asked = 0;
	me.answered = {};
	me.queue = stored('queue') || (/Mac|BSD/.test(navigator.platform) ? 'kqueue' : 'epoll');
	place.insertAdjacentHTML('afterbegin', `<section class="pl">${me.own ? DROPZONE : ''}</section>`);
	me.el = place.firstChild;
	me.listen();
	if (!me.own) me.fetch(me.queue);
}

var P = Player.prototype;

P.$ = function (selector) { return this.el.querySelector(selector); };

P.fetch = function (queue) {
	var me = this, at = me.run ? me.pos / me.run.steps.length : null;
	loadScript(`${me.name}.${queue}.js`, `recording_${me.name.replace(/-/g, '_')}_${queue}`, recording => {
		if (!recording) {
			me.el.innerHTML = '<p role="alert">' + esc(me.name + '.' + queue) + '.js could not be loaded. The transcript:</p>';
			me.place.classList.remove('pl-on');
			return;
		}
		me.queue = queue;
		me.show(M.load(recording), at);
	});
};

var DROPZONE = '<div class="pl-drop"><p><strong>Play your own run.</strong> Record one:</p>' +
		'<pre tabindex="0"><code>cargo run --bin ch03_kqueue -- --trace=json 2&gt; run.jsonl</code></pre>' +
		'<p><label>Drop <code>run.jsonl</code> here, or choose it: <input type="file"></label></p>' +
		'<p class="pl-error" role="alert"></p></div><div class="pl-stage"></div>';

P.take = function (file) {
	var me = this, error = me.$('.pl-error');
	file.text().then(text => {
		var run = M.load(M.parse(text));
		error.textContent = '';
		me.show(run, null);
	}).catch(e => {
		error.textContent = `${file.name}: ${e instanceof M.Bad ? '' : 'this trace cannot be followed: '}${e.message}`;
	});
};

P.show = function (run, at) {
	var me = this, stage = me.own ? me.$('.pl-stage') : me.el;
	me.stop();
	me.run = run;
	me.question = null;
	me.place.classList.add('pl-on');
	me.el.setAttribute('aria-label', 'Watch it run: ' + run.title);
	var button = (name, label, sign) => `<button data-do="${name}" title="${label}" aria-label="${label}">${sign}</button>`;
	var check = (name, label, on) => `<label><input type="checkbox" data-do="${name}"` + (on ? ' checked' : '') + `> ${label}</label>`;
	var starts = /^starts (.+)/.exec(run.steps[0].what);
	stage.innerHTML =
		`<div class="pl-head"><div><strong>${explained(run.title)}</strong>` + (run.watch ? `<br><em>${esc(run.watch)}</em>` : '') + (starts ? `<br><code>${esc(starts[1])}</code>` : '') + '</div>' +
		(me.own ? `<span class="pl-badge">${esc(run.queue)}</span>` : '<div class="pl-switch" role="group" aria-label="Recorded on"><small>recorded on</small>' +
			['kqueue', 'epoll'].map(q => `<button data-queue="${q}" aria-pressed="` + (q === me.queue) + `">${q}</button>`).join('') + '</div>') + '</div>' +
		'<div class="pl-bar"><div class="pl-keys">' + button('first', 'To the beginning', '|◀') + button('back', 'One step back', '◀ Back') + button('step', 'One step', 'Step ▶') +
		button('last', 'To the end', '▶|') + button('play', 'Play', '▶▶ Play') +
		'<label>Follow <select data-do="follow"></select></label>' + check('predict', 'Predict', me.predict) + '</div>' +
		'<p class="pl-say" aria-live="polite" aria-atomic="true"></p><div class="pl-ask" aria-live="polite"></div></div>' +
		'<div class="pl-track"><div class="pl-names" aria-hidden="true">' + lanes(run).map(t => `<div>${t}</div>`).join('') + '</div>' +
		'<div><svg class="pl-lanes" aria-hidden="true" preserveAspectRatio="none"></svg>' +
		'<input type="range" class="pl-time" min="0" max="' + (run.steps.length - 1) + '" step="1" aria-label="Step"></div></div>' +
		'<figure class="pl-code"><figcaption></figcaption><pre tabindex="0" aria-label="Source code"><samp></samp></pre></figure>' +
		'<div class="pl-world"><div class="pl-col pl-clients"></div><div class="pl-col pl-kernel"></div><div class="pl-col pl-process"></div></div>' +
		'<div class="pl-more"><p class="pl-legend" aria-hidden="true">Each column is a step, not a time: ' + LEGEND.map(l => `<span><i class="${l[0]}"></i> ${l[1]}</span>`).join('') + '</p>' +
		'<div class="pl-keys">' + check('motion', 'Motion', me.motion) + (run.transcript ? check('transcript', 'Transcript', me.place.classList.contains('pl-text')) : '') + '</div>' +
		'<details><summary>What the words mean</summary><dl>' + Object.keys(terms()).map(w => `<dt>${w}<dd>${meaning(w)}`).join('') + '</dl></details></div>';
	if (run.transcript) { // the page's own is of one queue, and the demo has none
		var pre = me.place.querySelector(':scope > pre') || me.place.appendChild(doc.createElement('pre'));
		pre.textContent = run.transcript;
		pre.tabIndex = 0;
	}
	var things = [['', 'everything'], ['why', 'the key moments']].concat(run.threads.map(t => [t, t]), connections(run).map(c => [c, 'connection ' + c]),
		[['listener', 'the listener'], ['queue', 'the event queue'], ['pool', 'the pool\'s queue']]).filter(t => !t[0] || has(run, t[0]));
	me.$('select').innerHTML = things.map(t => `<option value="${esc(t[0])}">${esc(t[1])}</option>`).join('');
	me.$('select').value = me.follow = has(run, me.follow) ? me.follow : '';
	me.lanes();
	me.pos = -1;
	me.go(at === null ? run.start : Math.round(at * run.steps.length), true);
};

var has = (run, key) => run.meta.some(m => m.keys.includes(key));
var connections = run => [...new Set(run.meta.map(m => m.conn).filter(Boolean))];
var lanes = run => ['key moments', 'clients', 'lab'].concat(run.threads);

P.go = function (to, jump) {
	var me = this, last = me.run.steps.length - 1;
	to = Math.max(0, Math.min(last, to));
	var onward = to === me.pos + 1 && !jump;
	me.pos = to;
	me.question = null;
	me.$('.pl-ask').innerHTML = '';
	me.draw(onward && me.motion);
	if (to === last) me.stop();
};

// Forward, but not past a question; from there, passing it over.
P.forward = function () {
	var me = this, to = M.next(me.run, me.pos, 1, me.follow);
	if (me.question) return me.answer();
	if (to < 0) return me.stop();
	for (var i = me.pos + 1; me.predict && i <= to; i++) {
		if (me.run.marks.includes(i) && !me.answered[i]) {
			if (i - 1 !== me.pos) me.go(i - 1);
			return me.ask(i);
		}
	}
	me.go(to);
};

P.backward = function () {
	var to = M.next(this.run, this.pos, -1, this.follow);
	if (to >= 0) this.go(to, true);
};

P.ask = function (n) {
	var me = this, q = M.question(me.run, n);
	me.stop();
	me.question = { n, q };
	me.$('.pl-ask').innerHTML = `<fieldset><legend>${esc(q.text)}</legend><small>Answer, or Step to pass it over.</small> ` + q.options.map((o, i) => `<button data-answer="${i}">${esc(o)}</button>`).join('') + '</fieldset>';
	me.$('.pl-ask button').focus();
};

P.answer = function (i) {
	var me = this, { n, q } = me.question, good = i === q.right;
	var [colour, word] = good ? ['green', '✓ Yes: '] : i >= 0 ? ['red', '✗ No. It was: '] : ['amber', 'It is: '];
	me.answered[n] = true;
	if (i >= 0) me.asked++;
	if (good) me.right++;
	me.go(n);
	me.$('.pl-ask').innerHTML = `<p class="pl-${colour}">${word}<b>${esc(q.options[q.right])}</b> (${me.right} of ${me.asked})</p>`;
	me.$('[data-do=step]').focus();
};

P.play = function () {
	var me = this;
	if (me.timer) return me.stop();
	if (me.pos === me.run.steps.length - 1) me.go(me.run.start, true);
	me.timer = setInterval(() => me.forward(), PACE);
	me.playing(true);
	me.forward();
};
P.stop = function () {
	if (!this.timer) return;
	this.timer = clearInterval(this.timer);
	this.playing(false);
};
P.playing = function (on) {
	var b = this.$('[data-do=play]');
	b.title = on ? 'Pause' : 'Play';
	b.textContent = (on ? '❚❚ ' : '▶▶ ') + b.title;
	b.setAttribute('aria-label', b.title);
};

P.listen = function () {
	var me = this;
	function on(type, act) { me.el.addEventListener(type, act); }
	on('click', e => {
		var b = e.target.closest('button'), what;
		if (!b) return;
		if ((what = b.dataset.queue)) {
			if (what !== me.queue) { stored('queue', what); me.answered = {}; me.fetch(what); }
		} else if ('answer' in b.dataset) me.answer(+b.dataset.answer);
		else if ((what = b.dataset.k)) me.pick(what === me.follow ? '' : what);
		else me.act(b.dataset.do);
	});
	on('change', e => {
		var t = e.target, what = t.dataset.do;
		if (t.type === 'file') { if (t.files[0]) me.take(t.files[0]); return; }
		if (what === 'follow') me.pick(t.value);
		if (what === 'predict') { me.predict = t.checked; me.answered = {}; me.right = me.asked = 0; if (!t.checked) me.go(me.pos, true); }
		if (what === 'motion') { me.motion = t.checked; stored('motion', t.checked ? 'on' : 'off'); }
		if (what === 'transcript') me.place.classList.toggle('pl-text', t.checked);
	});
	on('input', e => { if (e.target.type === 'range') { me.stop(); me.go(+e.target.value, true); } });
	on('keydown', e => {
		if (!me.run || e.altKey || e.ctrlKey || e.metaKey || /^(SELECT|TEXTAREA)$/.test(e.target.tagName) || /range|file/.test(e.target.type)) {
			if (e.target.type === 'range') e.stopPropagation(); // mdBook turns pages with the arrows
			return;
		}
		var what = { ArrowRight: 'step', ArrowLeft: 'back', Home: 'first', End: 'last', p: 'play' }[e.key];
		if (!what) return;
		e.preventDefault();
		e.stopPropagation();
		me.act(what);
	});
	if (!me.own) return;
	on('dragover', e => e.preventDefault());
	on('drop', e => {
		e.preventDefault();
		if (e.dataTransfer.files[0]) me.take(e.dataTransfer.files[0]);
	});
};

P.act = function (what) {
	if (what === 'play') return this.play();
	this.stop();
	if (what === 'step') this.forward();
	else if (what === 'back') this.backward();
	else this.go(what === 'last' ? Infinity : 0, true);
};

P.pick = function (key) {
	this.follow = this.$('select').value = key;
	this.lanes();
	this.draw(false);
};

P.draw = function (moving) {
	var me = this, run = me.run, s = M.at(run, me.pos), meta = run.meta[me.pos], step = run.steps[me.pos];
	var focus = me.el.contains(doc.activeElement) && doc.activeElement.dataset.f;
	var before = moving ? me.places() : null;
	var shown = connections(run).filter(c => run.steps.length < 400 || (s.conns[c] && s.conns[c].place !== 'closed') || c === meta.conn).slice(-MANY);
	me.$('.pl-clients').innerHTML = '<strong>Clients</strong>' + shown.map(c => client(run, s, c, meta)).join('');
	me.$('.pl-kernel').innerHTML = '<strong>Kernel</strong>' + kernel(run, s, shown, meta);
	me.$('.pl-process').innerHTML = '<strong>Process ' + fate(s) + '</strong>' + process(run, s, meta);
	me.code(s, step);
	var say = me.$('.pl-say'), slider = me.$('.pl-time'), count = `${me.pos + 1}/${run.steps.length}`, us = run.clock[me.pos], gap = (us - run.clock[me.pos - 1]) / 1000, key = meta.keys.includes('why');
	say.className = 'pl-say' + (M.quiet(step) ? ' pl-quiet' : key ? ' pl-why' : '');
	say.innerHTML = `<span class="pl-n">${count} · ${(us / 1000).toFixed(1)} ms${gap > 50 ? `, ${Math.round(gap)} ms later` : ''}</span> ` + (key ? '<b>Key moment.</b> ' : '') + explained(M.explain(run, me.pos));
	slider.value = me.pos;
	slider.setAttribute('aria-valuetext', 'step ' + count);
	me.$('.pl-cursor').setAttribute('x', me.pos);
	me.el.querySelectorAll('[data-k]').forEach(b => b.setAttribute('aria-pressed', b.dataset.k === me.follow));
	if (focus) me.$(`[data-f="${focus}"]`)?.focus({ preventScroll: true });
	if (before) me.fly(before, step, meta);
};

var hue = id => ' pl-c' + ((id.charCodeAt(id.length - 1) - 65) % 6 + 6) % 6;
var chip = (id, where) => `<button class="pl-chip${hue(id)}" data-k="${id}" data-f="` + where + id + `" data-chip="${id}" aria-label="connection ${id}: follow">${id}</button>`;
var thing = (key, text, tip) => `<button class="pl-thing" data-k="${key}" data-f="t${key}" title="${tip || ''}">${text}</button>`;
var note = text => `<em>${text}</em>`;
var badge = (text, cls) => `<span class="pl-badge ${cls || ''}">${text}</span>`;
var small = text => ` <small>${text}</small>`;
var box = (on, name, inside, cls) => `<div class="pl-box ${cls || ''}${on ? ' pl-act' : ''}" data-box="${name}">${inside}</div>`;
var slots = (items, none) => `<div class="pl-slots">${items.join(' ') || note(none)}</div>`;
var chips = (ids, where, none) => slots(ids.map(id => chip(id, where)), none || 'empty');
var amount = (id, n, name) => `<span class="pl-bytes${hue(id)}">${name || ''}${bytes(n)}</span>`;

function client(run, s, id, meta) {
	var c = s.conns[id], dot = `<i class="pl-dot${hue(id)}">${id}</i> `, state = [], end = '';
	if (!c) return box(false, 'client-' + id, thing(id, dot + 'not there yet'), 'pl-ghost');
	if (c.sent) state.push('sent ' + bytes(c.sent));
	if (c.got) state.push('got ' + bytes(c.got));
	var red = c.cut ? 'cut off' : c.end === 'reset' ? 'reset' : '', grey = c.clientClosed ? 'closed' : c.end ? 'sees the end (FIN)' : '';
	var amber = c.reads ? 'reads its answer' : M.underway(run, c) > 0 ? 'answer not read yet' : run.clients && c.owed && c.place !== 'closed' ? 'waits for an answer' : '';
	if (red || grey || amber) end = badge(red || grey || amber, red ? 'pl-red' : grey ? '' : 'pl-amber');
	state = run.clients ? state.join(' · ') || (c.place === 'closed' || c.clientClosed ? 'said nothing' : 'connected, silent') : 'unknown: the trace is the server\'s alone';
	return box(meta.actor === id, 'client-' + id, thing(id, dot + state) + c.answers.map(a => badge(a, a < '400' ? 'pl-green' : 'pl-red') + ' ').join('') + end);
}

function kernel(run, s, shown, meta) {
	var on = key => meta.keys.includes(key);
	var out = shown.filter(id => s.conns[id] && (M.underway(run, s.conns[id]) !== 0 || s.conns[id].full));
	var html = box(on('listener'), 'accept', thing('listener', 'accept queue' + (s.listener !== null ? small('listener, fd ' + s.listener) : ''), meaning('accept queue')) +
		(s.listener === null ? slots([], 'no listener') : s.accept ? chips(s.accept, 'a') : slots([], 'unknown')));
	html += box(false, 'in', `<b>${explained('receive buffers')}</b>` + shown.map(id => received(run, s, id)).join(''));
	html += box(false, 'out', `<b>${explained('send buffers')}</b>` + slots(run.clients ? out.map(id => {
		var n = M.underway(run, s.conns[id]);
		return n === null ? id + ': ' + note('unknown, as it reads') : amount(id, n, id + ' ') + (s.conns[id].full ? ' ' + badge('full', 'pl-amber') : '');
	}) : [], run.clients ? 'empty' : 'unknown'));
	if (!has(run, 'queue')) return html;
	var watched = Object.values(s.watch).filter(w => w.armed || !/kqueue/.test(run.queue)); // what has fired once, kqueue has forgotten
	return html + box(on('queue'), 'queue', thing('queue', 'event queue watches' + small(esc(run.queue) + (s.queue !== null ? ', fd ' + s.queue : '')), meaning('event queue')) +
		(watched.map(w => watch(run, s, w)).join('') || note('nothing')));
}

function received(run, s, id) {
	var c = s.conns[id], left = c && M.buffered(run, c), where = '', text = '';
	if (!c || s.ended || c.place === 'closed') text = note(c ? 'closed' : '–');
	else {
		where = c.fd !== null ? 'fd ' + c.fd : c.place === 'accept' ? 'not accepted' : '';
		text = left === null ? note('unknown') : left ? amount(id, left) : note('empty');
		if (c.reset) text += badge('RST', 'pl-red');
		else if (c.eof) text += badge('FIN');
		if (c.read) text += small('read ' + bytes(c.read));
	}
	return `<div class="pl-row" data-box="buffer-${id}"><b>${id}</b>${small(where)} ${text}</div>`;
}

function watch(run, s, w) {
	var f = s.fds[w.fd] || {}, is = M.ready(run, s, w.fd), name = `<b>${esc(f.conn || (f.kind === 'wake' ? 'wake-up' : f.kind || 'fd ' + w.fd))}</b>`;
	if (f.conn && M.holder(run, s, f.conn) === 'queue') name = chip(f.conn, 'q');
	return `<div class="pl-row">${name}${small(w.want + ', ' + w.mode)} ` +
		(!w.armed ? badge('off until armed') : is === null ? note('ready: unknown') : is ? badge('ready', 'pl-green') : note(w.want === 'write' ? 'no room yet' : 'nothing yet')) + '</div>';
}

function fate(s) {
	var end = /SIG\w+|status \d+|$/.exec(s.ended)[0];
	if (s.ended) return badge((/SIG/.test(end) ? 'killed by ' : 'ended, ') + end, /status 0/.test(end) ? 'pl-green' : 'pl-red');
	if (s.frozen) return badge('stopped', 'pl-red');
	return !s.signal ? '' : s.caught ? badge('told to stop: ' + s.signal, 'pl-amber') : badge('no signal handler for ' + s.signal, 'pl-red');
}

function process(run, s, meta) {
	var w = s.woke, html = run.threads.map(t => thread(run, s, t, meta)).join('');
	if (run.pool) html += box(meta.keys.includes('pool'), 'pool', thing('pool', 'pool\'s queue' + (s.ended ? '' : small(M.busy(run, s))), meaning('pool\'s queue')) + chips(s.pool, 'p'));
	return html + `<p class="pl-sum">So far ${s.calls} system calls; ${s.vain} brought nothing.` + (w.times ? ` Trips of main for events: ${w.news} with news` + (w.vain ? `, ${w.vain} in vain` : '') +
		(w.signal ? `, ${w.signal} ended by a signal` : '') + (w.timeout ? `, ${w.timeout} as a time was up` : '') + '.' : '') + '</p>';
}

function thread(run, s, t, meta) {
	var th = s.threads[t], blocked = th.state === 'blocked', sleeps = blocked && M.asleep(run, s, t), works = /^handler sleeps/.test(th.call), call = th.call, state;
	if (call === 'turns') call = 'the same turn, again and again';
	else if (works) call = 'the slow handler' + (th.note ? ', ' + th.note : '');
	else {
		if (th.op && th.op !== 'wait') call += ` (${th.op})`;
		if (th.call !== 'accept' && th.fd !== s.queue && s.fds[th.fd]) call += ' ' + M.who(s, th.fd);
	}
	call = `<b>${esc(call)}</b>`;
	if (/new|ended/.test(th.state)) state = note(th.state === 'new' ? 'no call yet' : 'ended');
	else if (th.state === 'running') state = '▶ runs; last: ' + call;
	else if (works) state = '■ busy: sleeps in ' + call;
	else state = (sleeps ? '☾ ' : '') + (th.call === 'waiting for work' ? 'is ' : sleeps ? 'sleeps in ' : 'is in ') + call + (sleeps !== false ? '' : s.pool.length && !th.fd ? ', may take ' + s.pool[0] : ', about to return');
	if (t === 'main' && s.told?.length) state += '<br>was told: ' + esc(s.told.join(', '));
	return box(meta.actor === t, 'thread-' + t, thing(t, t) + `<div>${state}</div>` +
		chips(s.names.filter(n => M.holder(run, s, n) === t), 'h', 'nobody').replace('>', '><small>has</small> '), 'pl-thread' + (works && blocked ? ' pl-busy' : blocked && sleeps !== false ? ' pl-blocked' : ''));
}

P.code = function (s, step) {
	var me = this, run = me.run, place = step.at || s.threads.main?.at, loop = step.kind === 'turns' && run.blocks.find(b => /\bloop {/.test(b.text));
	if (loop) place = loop.file + ':' + (loop.first + loop.text.split('loop {')[0].split('\n').length - 1);
	var found = M.code(run, place);
	var caption = me.$('figcaption'), code = me.$('.pl-code samp');
	me.$('.pl-code pre').hidden = !run.blocks.length;
	caption.textContent = place ? place + ' (the text is not in this recording)' : '';
	code.innerHTML = '';
	if (!found) return;
	var b = run.blocks[found.block], marks = {};
	run.threads.forEach(t => {
		var th = s.threads[t], at = /blocked|running/.test(th.state) && M.code(run, th.at);
		if (at?.block === found.block) (marks[at.line] = marks[at.line] || []).push(t + (th.state === 'blocked' && M.asleep(run, s, t) ? ' sleeps' : ''));
	});
	caption.textContent = b.file + ' · ' + ((/.*\b(fn \w+)/s.exec(b.text.split('\n').slice(0, found.line - b.first + 1).join('\n')) || [])[1] || b.name);
	code.innerHTML = b.text.split('\n').map((text, i) => {
		var line = b.first + i;
		if (/ANCHOR(_END)?: /.test(text)) return '';
		return '<span class="pl-line' + (step.at && line === found.line ? ' pl-now' : '') + `"><i>${line}</i>` + (esc(text) || ' ') +
			(marks[line] ? '<em>▲ ' + marks[line].join(', ') + '</em>' : '') + '</span>';
	}).join('');
	var pane = code.parentNode, now = code.querySelector('.pl-now') || code.querySelector('em');
	if (now) pane.scrollTop = now.offsetTop - pane.clientHeight / 2;
};

// Who acts, and what a thread does from one of its steps to the next.
var LEGEND = [['pl-key', 'key moment'], ['pl-tick', 'acts'], ['pl-run', 'runs'], ['pl-work', 'busy: in a handler, or in vain'], ['pl-zz', 'sleeps in a call']];

P.lanes = function () {
	var me = this, run = me.run, svg = me.$('.pl-lanes'), names = lanes(run), html = '', since = {};
	svg.setAttribute('viewBox', `0 0 ${run.steps.length} ` + names.length * 4);
	svg.style.height = names.length * 13 + 'px';
	function rect(x, lane, width, cls) {
		var high = { 'pl-run': 1, 'pl-zz': 0.01 }[cls] || 3;
		html += `<rect class="${cls}" x="${x}" y="${lane * 4 + 2 - high / 2}" width="${width}" height="${high}"/>`;
	}
	function until(i, lane) {
		if (since[lane]) rect(since[lane].from, lane, i - since[lane].from, since[lane].cls);
		delete since[lane];
	}
	run.steps.forEach((r, i) => {
		var lane = names.indexOf(r.kind !== 'client' ? r.thread : r.who === 'lab' ? 'lab' : 'clients');
		var keys = run.meta[i].keys;
		if (keys.includes('why')) rect(i, 0, 1, 'pl-key');
		until(i, lane);
		rect(i, lane, 0.9, me.follow && !keys.includes(me.follow) || M.quiet(r) ? 'pl-dim' : r.kind === 'turns' ? 'pl-work' : 'pl-tick');
		if (r.kind !== 'client' && r.call !== 'no more work') {
			var sleeps = r.kind === 'enter' || r.phase === 'enter';
			since[lane] = { from: i + 1, cls: !sleeps ? 'pl-run' : /^handler/.test(r.call) ? 'pl-work' : 'pl-zz' };
		}
		if (r.deed === 'exit') names.forEach((_, lane) => until(i, lane));
	});
	names.forEach((_, lane) => until(run.steps.length, lane));
	svg.innerHTML = html + `<rect class="pl-cursor" x="${me.pos || 0}" y="0" width="1" height="${names.length * 4}"/>`;
};

P.places = function () {
	return Object.fromEntries([...this.el.querySelectorAll('[data-chip]')].map(e => [e.dataset.chip, e.getBoundingClientRect()]));
};

P.fly = function (before, step, meta) {
	var me = this;
	me.el.querySelectorAll('[data-chip]').forEach(e => {
		var id = e.dataset.chip, now = e.getBoundingClientRect(), was = before[id] || me.rect('client-' + id);
		if (!was || (was.left === now.left && was.top === now.top)) return;
		e.animate([{ transform: `translate(${was.left - now.left}px,${was.top - now.top}px)` }, { transform: 'none' }], { duration: FLIGHT, easing: 'ease-in-out' });
	});
	var id = meta.conn, n = step.bytes || step.ret;
	if (!id || !(n > 0)) return;
	var owner = 'client-' + id, buffer = 'buffer-' + id, by = 'thread-' + step.thread;
	var [from, to] = step.deed === 'send' ? [owner, buffer] : /^receive/.test(step.deed) ? ['out', owner] : { read: [buffer, by], write: [by, 'out'] }[step.call] || [];
	if (from) me.packet(me.rect(from), me.rect(to), amount(id, n));
};

P.rect = function (box) {
	return this.$(`[data-box="${box}"]`)?.getBoundingClientRect();
};

P.packet = function (from, to, html) {
	if (!from || !to) return;
	var world = this.$('.pl-world'), w = world.getBoundingClientRect(), e;
	world.insertAdjacentHTML('beforeend', `<div class="pl-packet" aria-hidden="true">${html}</div>`);
	e = world.lastChild;
	var spot = r => { transform: `translate(${r.left - w.left + r.width / 2 - 20}px,${r.top - w.top + r.height / 2 - 10}px)` };
	e.animate([spot(from), spot(to)], { duration: FLIGHT * 1.4, easing: 'ease-in-out' }).onfinish = () => e.remove();
};

function start() {
	doc.querySelectorAll('.player').forEach(place => { if (!place.player) place.player = new Player(place); });
}
var ready = () => loadScript('index.js', 'player_words', start);
if (doc.readyState === 'loading') doc.addEventListener('DOMContentLoaded', ready);
else ready();
})();
