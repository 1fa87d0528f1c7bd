// What a trace says about the world: pure functions, no page. A run is a list of
// steps (the server's records by `seq`, the clients' actions between them); what a
// trace cannot tell is null: "unknown". For pages (PlayerModel) and for node.
(function (root, make) {
if (typeof module === 'object' && module.exports) module.exports = make();
else root.PlayerModel = make();
})(this, function () {
'use strict';

var EVERY = 64; // steps from one kept state to the next

class Bad extends Error {}

var KINDS = ['call', 'enter', 'step', 'turns', 'log', 'client'];
var MOST = 20000;

/** Reads what `--trace=json` wrote. */
function parse(text) {
	var header = null, records = [], seen = {};
	text.split(/\r?\n/).forEach((line, i) => {
		function bad(why) { throw new Bad(`Line ${i + 1}: ${why}`); }
		// What cargo says goes to the same file, before the server starts.
		if (!line.trim() || (!header && line[0] !== '{')) return;
		var shown = '"' + line.slice(0, 60) + (line.length > 60 ? '…"' : '"');
		var value;
		try { value = JSON.parse(line); } catch (e) { bad(`not JSON: ${shown}. Expected one JSON object a line.`); }
		if (line.trim()[0] !== '{') bad(`expected a JSON object, found ${shown}.`);
		if (!header) {
			if (value.trace !== 1) bad(`expected the header {"trace":1,…}, found ${shown}.`);
			if (typeof value.stage !== 'string' || typeof value.queue !== 'string') bad('the header should name "stage" and "queue", as text.');
			header = value;
			return;
		}
		if (value.trace !== undefined) bad('a second run begins here; keep one run in a file.');
		check(value, bad);
		if (value.kind !== 'client') {
			if (seen[value.seq]) bad(`"seq" ${value.seq} was there before, in line ${seen[value.seq]}.`);
			seen[value.seq] = i + 1;
		}
		records.push(value);
		if (records.length > MOST) bad(`more than ${MOST} records; record a shorter run.`);
	});
	if (!header) throw new Bad('No trace in this file: expected a line {"trace":1,…}. Was the server started with --trace=json, and its stderr kept (2> run.jsonl)?');
	if (!records.length) throw new Bad('The file has a header and no record: the server was stopped before its first call.');
	var hasClients = records.some(r => r.kind === 'client');
	if (!hasClients) records.sort((a, b) => a.seq - b.seq);
	return {
		recording: 1, name: 'your run', title: 'Your own run of ' + header.stage, watch: '',
		stage: header.stage, queue: header.queue, clients: hasClients && header.clients === true,
		blocks: [], records
	};
}

function check(r, bad) {
	function need(type, ...names) {
		names.forEach(name => {
			if (typeof r[name] !== type) bad(`the field "${name}" should be a ${type}, found ${JSON.stringify(r[name])}.`);
		});
	}
	if (!KINDS.includes(r.kind)) bad(`"kind" should be one of ${KINDS.join(', ')}, found ${JSON.stringify(r.kind)}.`);
	need('number', 'us', ...['ret', 'fd'].filter(f => r[f] != null));
	if (r.kind === 'client') return need('string', 'who', 'what');
	need('number', 'seq');
	need('string', 'thread', 'call', 'args', 'note', 'at');
	if (r.op === 'wait' && r.errno == null && !Array.isArray(r.events)) bad('a wait should list its "events".');
}

function load(recording) {
	var run = { ...recording, steps: recording.records, meta: [], clock: [], kept: [] };
	run.threads = [...new Set(run.steps.map(s => s.thread).filter(Boolean))].sort((a, b) => (b === 'main') - (a === 'main') || (a < b ? -1 : 1));
	run.pool = run.threads.length > 1;
	var s = nothing(run), now = 0;
	run.kept.push(JSON.stringify(s));
	run.steps.forEach((step, i) => {
		var before = s.fds[step.fd];
		apply(run, s, step);
		run.clock.push(now = Math.max(now, step.us + (step.dur || 0) - run.steps[0].us));
		run.meta.push({ ...about(run, step, before || s.fds[step.fd], s), sleeps: step.kind === 'enter' ? asleep(run, s, step.thread) : null });
		if ((i + 1) % EVERY === 0) run.kept.push(JSON.stringify(s));
	});
	run.start = firstStep(run);
	run.marks = marks(run);
	return run;
}

// Who acts in a step, and whose life it belongs to.
function about(run, step, fd, s) {
	var keys = step.why ? ['why'] : [], conn = null;
	if (step.kind === 'client') {
		keys.push(step.who === 'lab' ? 'why' : conn = step.who);
		return { actor: step.who, conn, keys };
	}
	keys.push(step.thread);
	if (step.call === 'accept' && ok(step)) conn = s.fds[step.ret].conn;
	else if (fd?.conn) conn = fd.conn;
	if (conn) keys.push(conn);
	if (step.op || step.role === 'queue' || /^(epoll_create1|kqueue)$/.test(step.call)) keys.push('queue');
	if (step.call === 'accept' || fd?.kind === 'listener') keys.push('listener');
	if (/^(queued|took)$| work$/.test(step.call)) keys.push('pool');
	step.events?.forEach(e => {
		var f = s.fds[e.fd];
		if (f) keys.push(f.conn || f.kind);
	});
	return { actor: step.thread, conn, keys };
}

var firstStep = run => Math.max(0, run.steps.findIndex(s => s.kind === 'client' ? /^(connect|freeze)/.test(s.deed) : s.call === 'accept' || s.kind === 'enter'));

function nothing(run) {
	var threads = {};
	run.threads.forEach(t => { threads[t] = { state: 'new', call: '', fd: null, serves: null }; });
	return {
		threads, fds: {}, conns: {}, names: [], accept: run.clients ? [] : null, watch: {},
		told: null, pool: [], wake: 0, listener: null, queue: null, n: -1,
		calls: 0, vain: 0, trip: null, woke: { times: 0, news: 0, vain: 0, signal: 0, timeout: 0 }
	};
}

/** What is true after step n (-1: before the first). */
function at(run, n) {
	var from = Math.min(run.kept.length - 1, Math.floor((n + 1) / EVERY));
	var s = JSON.parse(run.kept[from]);
	for (var i = from * EVERY; i <= n; i++) apply(run, s, run.steps[i]);
	return s;
}

var isWait = r => r.kind === 'call' && (r.call === 'poll' || r.role === 'queue' && r.call !== 'close');
var isLook = r => /, 0s?$/.test(r.args);
var asked = r => +r.args.split(', ')[1];
var ok = r => r.kind === 'call' && r.errno == null;

function newConn(s, id, from) {
	s.names.push(id);
	return (s.conns[id] = { id, from, fd: null, place: 'accept', sent: 0, read: 0, answers: [], written: 0, got: 0 }); // and eof, reset, full, reads, end, shut, clientClosed, owed, cut: not yet
}

function apply(run, s, r) {
	s.n++;
	if (r.kind === 'client') return applyClient(run, s, r);
	var t = s.threads[r.thread];
	var enters = r.kind === 'enter' || r.phase === 'enter';
	if (r.kind === 'log') return;
	t.state = enters ? 'blocked' : r.call === 'no more work' ? 'ended' : 'running';
	t.call = r.call; t.op = r.op; t.args = r.args; t.fd = r.fd ?? null; t.note = r.note; t.at = r.at;
	if (enters) {
		if (r.role === 'queue') s.told = t.serves = null;
		return;
	}
	count(s, r);
	if (r.kind === 'turns') return;
	if (r.kind === 'step') return applyStep(s, r);
	var f = s.fds[r.fd], c = s.conns[f?.conn];
	if (r.op || /^(accept|close)$/.test(r.call)) t.serves = null;
	else if (c) t.serves = c.id;
	if (r.op === 'wait') return applyWait(s, r);
	if (c && r.call === 'write') c.full = r.errno === 'EAGAIN' || ok(r) && r.ret < asked(r);
	if (f?.kind === 'wake' && r.errno === 'EAGAIN') s.wake = 0;
	if (!ok(r) && r.call !== 'close') return;
	switch (r.call) {
		case 'socket': open(s, r.ret, 'socket'); break;
		case 'epoll_create1': case 'kqueue': open(s, s.queue = r.ret, 'queue'); break;
		case 'socketpair':
			var [one, other] = r.note.match(/\d+/g);
			open(s, +one, 'wake'); open(s, +other, 'waker');
			break;
		case 'listen': if (f) { f.kind = 'listener'; s.listener = r.fd; } break;
		case 'fcntl': if (/F_DUPFD/.test(r.args)) open(s, r.ret, 'waker copy'); break;
		case 'accept':
			var from = r.note.slice(1, -1), n = s.names.length;
			c = Object.values(s.conns).find(c => c.from === from && c.place === 'accept') || newConn(s, n < 26 ? String.fromCharCode(65 + n) : 'C' + n, from);
			if (s.accept) s.accept = s.accept.filter(n => n !== c.id);
			c.fd = r.ret; c.place = r.thread;
			open(s, r.ret, 'client').conn = c.id;
			break;
		case 'read':
			if (f?.kind === 'wake') s.wake = r.ret < asked(r) ? 0 : s.wake && Math.max(0, s.wake - r.ret); // less than was asked for: all
			if (c) c.read += r.ret;
			break;
		case 'write':
			if (c) { c.written += r.ret; c.owed = false; }
			if (f?.kind === 'waker' && s.wake !== null) { s.wake += r.ret; fresh(s, 'wake'); }
			break;
		case 'shutdown': if (c) c.shut = true; break;
		case 'close':
			if (c) { c.place = 'closed'; c.cut = c.full; }
			if (r.fd === s.listener) {
				s.listener = null;
				s.accept?.forEach(n => { s.conns[n].place = 'closed'; s.conns[n].cut = true; });
				if (s.accept) s.accept = [];
			}
			if (r.fd === s.queue) { s.queue = null; s.watch = {}; }
			delete s.watch[r.fd];
			delete s.fds[r.fd];
	}
	if (!r.op) return;
	if (r.op === 'delete') {
		delete s.watch[r.fd];
		if (c) c.place = r.thread;
		return;
	}
	s.watch[r.fd] = { fd: r.fd, want: r.want, mode: r.mode, armed: true, fresh: true };
	if (c) c.place = 'queue';
}

// Calls made; those that brought nothing; why waits have returned. A look, a wait
// that may take no time, wakes nobody. A trip is in vain if what it was for fails.
function count(s, r) {
	var turns = r.kind === 'turns', n = turns ? r.times * (r.calls || 1) : r.kind === 'call' ? 1 : 0, w = s.woke, why;
	var fails = /EAGAIN|EMFILE/.test(r.errno);
	s.calls += n;
	if (turns || fails || r.op === 'wait' && !r.events.length) s.vain += n;
	if (s.trip && r.thread === 'main' && /^(accept|read|write|queued)$/.test(r.call)) {
		n = fails === s.trip > 0 ? s.trip : 0; // 1: no news after all; -1: some after all
		w.news -= n; w.vain += n; s.vain += n;
		s.trip = fails ? -1 : 0;
	}
	n = turns && /wait|kevent/.test(r.note) ? r.times : isWait(r) && !isLook(r) ? 1 : 0;
	if (!n) return;
	why = turns ? 'vain' : r.errno ? 'signal' : r.events.length ? 'news' : 'timeout';
	w.times += n; w[why] += n;
	s.trip = why === 'news' ? 1 : 0;
}

var open = (s, fd, kind) => (s.fds[fd] = { fd, kind, conn: null });

function fresh(s, kind, conn) {
	for (var fd in s.watch) {
		var f = s.fds[fd];
		if (f?.kind === kind && (!conn || f.conn === conn)) s.watch[fd].fresh = true;
	}
}

function applyStep(s, r) {
	var f = s.fds[r.fd], c = s.conns[f?.conn];
	if (r.call === 'handed over') delete s.fds[r.fd];
	if (!c) return;
	if (r.call === 'queued') { s.pool.push(c.id); c.place = 'pool'; }
	if (r.call === 'took') {
		s.pool = s.pool.filter(id => id !== c.id);
		c.place = r.thread;
	}
}

function applyWait(s, r) {
	s.told = (r.events || []).map(e => who(s, e.fd));
	r.events?.forEach(e => {
		var w = s.watch[e.fd], f = s.fds[e.fd];
		if (!w) return;
		if (e.writable && f?.conn) s.conns[f.conn].full = false;
		w.fresh = false;
		if (w.mode !== 'oneshot') return;
		w.armed = false; // kqueue has forgotten it, epoll keeps it, switched off
		if (f?.conn) s.conns[f.conn].place = r.thread;
	});
}

function applyClient(run, s, r) {
	var c = s.conns[r.who], deed = r.deed;
	if (deed === 'connect') {
		newConn(s, r.who, r.from);
		if (s.accept) s.accept.push(r.who);
		fresh(s, 'listener');
	} else if (deed === 'signal') {
		s.signal = (/SIG\w+/.exec(r.what) || ['a signal'])[0];
		s.caught = Object.values(s.fds).some(f => f.kind === 'wake');
		if (s.caught) s.wake = null;
	} else if (deed === 'freeze') s.frozen = true;
	else if (deed === 'thaw') s.frozen = false;
	else if (deed === 'exit') {
		s.ended = r.what; s.fds = {}; s.watch = {}; s.pool = []; s.listener = s.queue = s.told = null;
		if (s.accept) s.accept = [];
		run.threads.forEach(t => { s.threads[t].state = 'ended'; });
		s.names.forEach(n => {
			c = s.conns[n];
			if (c.place !== 'closed') { c.cut = c.owed || c.full; c.place = 'closed'; }
		});
	}
	c = s.conns[r.who];
	if (!c) return;
	if (deed === 'send') { c.sent += r.bytes; c.owed = true; }
	if (/close$/.test(deed)) c.eof = true;
	if (deed === 'reset') c.reset = true;
	if (/^(close|reset)$/.test(deed)) c.clientClosed = true;
	if (/^send|close$|^reset/.test(deed)) fresh(s, 'client', c.id);
	if (r.what === 'begins to read') c.reads = true; // how far, is seen only when it has its answer
	if (/^receive/.test(deed)) { c.got += r.bytes; c.reads = false; }
	if (deed === 'receive') c.answers.push((/\d{3}/.exec(r.what) || [''])[0]);
	if (deed === 'receive-end') c.end = 'fin';
	if (deed === 'receive-reset') c.end = 'reset';
}

/** Where a connection is: a thread may serve it while the queue watches it. */
function holder(run, s, id) {
	var place = s.conns[id].place;
	return place === 'queue' && run.threads.find(t => s.threads[t].serves === id) || place;
}

function busy(run, s) {
	var workers = run.threads.slice(1), n = workers.filter(t => s.names.some(id => holder(run, s, id) === t)).length;
	return `${n} of ${plural(workers.length, 'worker')} ${n === 1 ? 'is' : 'are'} busy`;
}

/** A step that only prepares. */
var quiet = r => /^(fcntl|setsockopt|getsockname|handed over)$/.test(r.call);

/** Bytes in a connection's receive buffer. */
var buffered = (run, c) => run.clients ? c.sent - c.read : null;
/** Bytes written that the client has not taken. */
var underway = (run, c) => run.clients && !(c.reads && c.written > c.got) ? c.written - c.got : null;

/** Whether the event queue would report a descriptor now. */
function ready(run, s, fd) {
	var w = s.watch[fd], f = s.fds[fd], c = s.conns[f?.conn];
	if (!w?.armed || !f || w.mode === 'edge' && !w.fresh) return false;
	if (w.want === 'write') return room(run, s, fd);
	if (f.kind === 'listener') return s.accept && s.accept.length > 0;
	if (f.kind === 'wake') return s.wake === null ? null : s.wake > 0;
	return c && run.clients ? buffered(run, c) > 0 || !!(c.eof || c.reset) : null;
}

// Room in a send buffer is not in a trace, but there is none yet if the next wait does
// not report it, or the client has still to begin to read.
function room(run, s, fd) {
	for (var i = s.n + 1, r; (r = run.steps[i]); i++) {
		if (r.what === 'begins to read' && r.who === s.fds[fd].conn) return false;
		if (r.op === 'wait' && r.events) return r.events.some(e => e.fd === +fd) ? null : false;
	}
	return null;
}

/** Whether a blocked thread sleeps: not if what it waits for is there. */
function asleep(run, s, t) {
	var th = s.threads[t], f = s.fds[th.fd], c = s.conns[f?.conn];
	if (th.call === 'waiting for work') return !s.pool.length;
	if (th.call === 'accept') return s.accept ? !s.accept.length : null;
	if (th.call === 'read' && c) return run.clients ? !(buffered(run, c) > 0 || c.eof || c.reset) : null;
	if (th.fd !== null && th.fd === s.queue) {
		var { sure, unsure } = readyList(run, s);
		return sure.length ? false : unsure ? null : true;
	}
	return /^handler/.test(th.call) || null;
}

var plural = (n, one) => n + ' ' + one + (n === 1 ? '' : 's');
var list = names => names.length < 2 ? names.join('') : names.slice(0, -1).join(', ') + ' and ' + names[names.length - 1];

/** A descriptor in words. */
function who(s, fd) {
	var f = s.fds[fd], wake = 'the wake-up socket';
	return f?.conn || { listener: 'the listener', queue: 'the event queue', wake, waker: wake, socket: 'the socket' }[f?.kind] || 'descriptor ' + fd;
}

function readyList(run, s) {
	var sure = [], unsure = false;
	for (var fd in s.watch) {
		var is = ready(run, s, fd);
		if (is) sure.push(who(s, fd));
		if (is === null) unsure = true;
	}
	return { sure, unsure };
}

function noticed(run, s, id) {
	var c = s.conns[id], main = s.threads.main, fd = c.place === 'accept' ? s.listener : c.fd;
	if (s.ended) return ' The process is gone.';
	if (s.frozen) return ' The process is stopped.';
	if (main?.state !== 'blocked') return '';
	if (/^handler/.test(main.call)) return ` main notices nothing: it sleeps in the handler (${main.note}).`;
	if (main.fd === s.queue) return s.watch[fd] ? ` The event queue watches ${who(s, fd)}: this wakes main.` : '';
	return ` main sleeps in ${main.call}${main.call === 'read' ? ' for ' + who(s, main.fd) : ''}: ` + (main.fd === fd ? 'this wakes it.' : 'it notices nothing.');
}

function explain(run, n) {
	if (n < 0) return 'Nothing has happened yet.';
	var r = run.steps[n], before = at(run, n - 1), s = at(run, n);
	return (r.kind === 'client' ? explainClient(run, s, r) : explainServer(run, before, s, r, run.meta[n].conn)) + (r.why ? ' ' + r.why : '');
}

function explainClient(run, s, r) {
	var id = r.who, c = s.conns[id], said = /"(.*)"/.exec(r.what), n = plural(r.bytes, 'byte'), gone = c?.place === 'closed', seen = c && !gone ? noticed(run, s, id) : '';
	switch (r.deed) {
		case 'connect': return id + ' connects. The kernel puts the connection into the accept queue.' + seen;
		case 'send':
			return `${id} sends ${n}` + (said ? `, "${said[1]}"` : '') + '. ' +
				(gone ? 'The server has closed: they are lost.' : 'They wait in its receive buffer' + (c.place === 'accept' ? ', though nobody has accepted it.' : '.') + seen);
		case 'receive': return id + ' has its answer: ' + r.what.replace(/^gets /, '') + ' of content.';
		case 'receive-end': return id + ' gets ' + (r.bytes ? n + ' and then ' : '') + 'the end of the connection' + (c.cut && !r.bytes ? ' and no answer: it was cut off.' : '.');
		case 'receive-reset': return `${id} gets ${n}, then a reset: the connection was torn down.`;
		case 'half-close': return id + ' ends its side (FIN): after what it has sent, a read will return 0.' + seen;
		case 'close': return id + ' closes' + (gone ? ': the connection is gone on both sides.' : ' (FIN): the server\'s next read will return 0.' + seen);
		case 'reset': return id + ' tears the connection down (RST).' + seen;
		case 'say': if (!/^starts /.test(r.what)) return c ? `${id} ${r.what}.` : r.what.charAt(0).toUpperCase() + r.what.slice(1) + '.';
	}
	return `The lab ${r.what}.`;
}

function explainServer(run, before, s, r, id) {
	var t = r.thread, name = r.fd == null ? '' : who(r.call === 'close' || r.call === 'handed over' ? before : s, r.fd);
	if (r.kind === 'log') return `The server says: ${r.note}.`;
	if (r.kind === 'turns') return t + ' goes round ' + plural(r.times, 'more time') + `: ${r.note}. Nothing comes of it, and the core is busy.`;
	if (r.kind === 'enter') return t + explainEnter(run, s, r, name);
	if (r.kind === 'step') return t + explainStep(run, s, r, name);
	if (isWait(r)) return explainWait(run, s, r);
	if (r.op) return t + explainOp(run, s, r, name);
	if (!r.errno) return t + did(run, before, s, r, id, name);
	return t + ({
		acceptEAGAIN: ' calls accept: the accept queue is empty (EAGAIN).', readEAGAIN: ` reads from ${name}: there is nothing (EAGAIN).`,
		writeEAGAIN: ` writes to ${name}: its send buffer is full (EAGAIN).`, acceptEMFILE: ' cannot accept: no descriptor is left (EMFILE).'
	}[r.call + r.errno] || `'s ${r.call} fails with ${r.errno}${name && ', for ' + name}.`);
}

function did(run, before, s, r, id, name) {
	switch (r.call) {
		case 'socket': return ` opens a socket: descriptor ${r.ret}.`;
		case 'listen': return ' starts to listen: from now on who connects waits in the accept queue.';
		case 'epoll_create1': case 'kqueue': return ` opens the event queue (${r.call}): descriptor ${r.ret}. It watches nothing yet.`;
		case 'socketpair': return ' opens a pair of sockets for the wake-up.';
		case 'fcntl':
			if (/O_NONBLOCK/.test(r.args)) return ` makes ${name} non-blocking: what would sleep returns EAGAIN instead.`;
			if (/DUPFD/.test(r.args)) return ` copies ${name} for the signal handler: descriptor ${r.ret}.`;
			break;
		case 'accept': return ` accepts ${id}: it leaves the accept queue and is descriptor ${r.ret}.` + (s.accept?.length ? ` Still there: ${list(s.accept)}.` : '');
		case 'read':
			if (r.ret === 0) return ` reads from ${name} and gets 0: it will send no more.`;
			return ` reads ${plural(r.ret, 'byte')} of ${name}, ${r.note}.` + (id && run.clients && buffered(run, s.conns[id]) === 0 ? ' Its receive buffer is empty now.' : '');
		case 'write':
			if (/^wake/.test(before.fds[r.fd]?.kind)) return ' writes a byte into the wake-up socket: main will wake up.';
			return asked(r) > r.ret ? ` offers the kernel ${asked(r)} bytes for ${name}, ${r.note}: it takes ${r.ret}, and has no room for more.`
				: ` writes ${/\w/.test(r.note) ? r.note + ' ' : ''}to ${name}: ${plural(r.ret, 'byte')}.`;
		case 'shutdown': return ` ends its side of ${name} (FIN): ${name} will get no more.`;
		case 'ioctl': case 'getsockopt':
			var left = /^\[(\d+)/.exec(r.note);
			if (left) return ` asks what ${name}'s kernel has not acknowledged: ` + (+left[1] ? plural(+left[1], 'byte') + '.' : 'nothing, so all has arrived.');
			break;
		case 'close': return ` closes ${name}: descriptor ${r.fd} is free again.` + (id && run.clients && s.conns[id].owed ? ` ${id} was not answered.` : '');
	}
	return ` prepares ${name}: ${r.call}(${r.args}).`;
}

function explainEnter(run, s, r, name) {
	if (r.role !== 'queue') {
		var c = s.conns[s.fds[r.fd]?.conn], call = ` calls ${r.call} for ${name}`;
		if (r.call === 'accept' && s.accept) return ' calls accept' + (s.accept.length ? `: ${list(s.accept)} waits already.` : ' and sleeps: the accept queue is empty.');
		if (r.call === 'read' && c && run.clients) return call + (buffered(run, c) > 0 ? ': there is something.' : c.eof ? '.' : ` and sleeps: ${name} has said nothing.`);
		return call + ', which may sleep.';
	}
	var { sure, unsure } = readyList(run, s), asks = ' asks the kernel for events';
	if (sure.length) return `${asks}: ${list(sure)} ${sure.length > 1 ? 'are' : 'is'} ready, it need not sleep.`;
	var [, most, unit] = /, ([\d.]+)(s?)$/.exec(r.args) || [];
	most = most ? `, for ${Math.ceil(unit ? most * 1000 : most)} ms at most` : '';
	return asks + (unsure ? most + '. The trace does not say yet whether one is ready.' : ` and sleeps${most}: nothing is ready.`);
}

function explainStep(run, s, r, name) {
	switch (r.call) {
		case 'waiting for work': return ' has nothing to do and sleeps until there is work.';
		case 'no more work': return ' is told that there is no more work, and ends.';
		case 'queued': return ` puts ${name} into the pool's queue.`;
		case 'took': return ` takes ${name} out of the pool's queue: nobody else has it.`;
		case 'handler sleeps': return ' runs the slow handler and sleeps in it' + (r.note ? ' for ' + r.note : '') + '.' + (r.thread === 'main' ? ' Until then nobody else is looked at.' : ` Now ${busy(run, s)}.`);
		case 'handler slept': return ' comes out of the slow handler.';
		case 'handed over': return ' gives the copy to the signal handler.';
	}
	return ': ' + r.call + (name ? ' ' + name : '') + ` ${r.note}.`;
}

function explainWait(run, s, r) {
	if (r.errno === 'EINTR') return `A signal ends the sleep of ${r.thread} (EINTR). That is no event.`;
	if (r.errno) return r.call + ` fails with ${r.errno}.`;
	if (!r.events.length) return r.call + ` returns no event: ${isLook(r) ? 'it was a look, no sleep' : 'the time was up'}.`;
	return `The kernel tells ${r.thread}: ` + list(r.events.map(e => {
		var name = who(s, e.fd), w = s.watch[e.fd];
		return name + ' is ' + (e.readable ? 'readable' : 'writable') + (w?.mode === 'oneshot' ? ' (oneshot: and no more until it is armed again)' : '');
	})) + '.';
}

function explainOp(run, s, r, name) {
	if (r.errno === 'ENOENT') return ` deletes ${name} from the event queue: it was not in it.`;
	if (r.errno) return `: the event queue answers ${r.errno} for ${name}.`;
	if (r.op === 'delete') return ` takes ${name} out of the event queue.`;
	var is = ready(run, s, r.fd), c = s.conns[s.fds[r.fd]?.conn];
	return (r.op === 'rearm' ? ` arms ${name} again` : ` adds ${name} to the event queue`) + `, for ${r.want === 'write' ? 'writing' : 'reading'} (${r.mode})` +
		(is ? '. It is ready already.' : '.') + (run.pool && c?.read && !c.written ? ' It has had no answer yet.' : '');
}

var MARKS = 8, ROUTINE = 4;

// Where to stop and think: before key moments; if these are few, before firsts.
function marks(run) {
	var seen = {}, found = [];
	function look(only, most) {
		for (var i = run.start + 1; i < run.steps.length && found.length < most; i++) {
			var key = (!only || run.steps[i].why) && kind(run, i);
			if (key && !seen[key]) { seen[key] = true; found.push(i); }
		}
	}
	look(true, MARKS);
	look(false, ROUTINE);
	return found.sort((a, b) => a - b);
}

var answer = r => /HTTP\/1.1 (\d+ [\w ]+)|$/.exec(r.note)[1];

// What could be asked before step i; the same key: the same lesson.
function kind(run, i) {
	var r = run.steps[i], m = run.meta[i];
	if (/^receive-/.test(r.deed)) return 'gets';
	if (r.kind === 'enter') return m.sleeps === null ? null : 'sleeps' + r.call + m.sleeps;
	if (r.call === 'queued' || m.conn && r.thread !== 'main' && /add|rearm/.test(r.op)) return 'goes' + r.want;
	if (r.kind !== 'call') return null;
	if (m.conn && r.call === 'write') return r.errno || asked(r) > r.ret ? 'takes' + r.errno : (r.why || !/200/.test(r.note)) && answer(r) && 'answers' + answer(r);
	if (r.op === 'wait' && (r.why || r.events.length !== 1)) return 'wait' + r.events.length;
	return r.call === 'read' && !r.ret || /^(read|accept)$/.test(r.call) && r.errno ? r.call + r.errno : null;
}

/** The question before step n, if it is a marked one. */
function question(run, n) {
	if (!run.marks.includes(n)) return null;
	var r = run.steps[n], s = at(run, n - 1), m = run.meta[n], id = m.conn, t = r.thread, name = r.fd != null ? who(s, r.fd) : '';
	var call = t + '\'s ' + r.call + (r.call === 'read' ? ' for ' + name : ''), all = Object.keys(s.watch), returns = `What does ${call} return?`;
	var [text, right, ...options] = {
		gets: () => [`What does ${id} get?`, r.bytes ? 1 : 2, 'an answer', 'an answer, then the end', 'the end, and nothing else'],
		answers: () => [`What does ${t} answer ${id}?`, answer(r), '200 OK', '400 Bad Request'],
		takes: () => [`${t} writes ${asked(r)} bytes to ${id}. How many does the kernel take?`, r.errno ? 2 : 1, 'all', 'some', 'none: EAGAIN'],
		goes: () => [`Where does ${id} go from ${t}?`, r.op ? +(r.want === 'write') : 2, 'to the event queue, until it sends more', 'to the event queue, until there is room for more', 'to the pool\'s queue', 'nowhere: it is closed'],
		sleeps: () => [`Next is ${call}. Will it sleep?`, +m.sleeps, 'It returns at once', 'It sleeps'],
		wait: () => [returns, told(s, r.events.map(e => e.fd)), told(s, []), ...all.map(fd => told(s, [fd])), ...(all.length > 1 ? [told(s, all)] : [])],
		read: () => [returns, r.errno ? 2 : r.ret ? 0 : 1, 'some bytes', `0: ${name} will send no more`, 'EAGAIN: nothing is there now'],
		accept: () => [returns, r.errno === 'EAGAIN' ? 1 : r.errno || 0, 'a descriptor: the next client', 'EAGAIN: nobody waits']
	}[/gets|answers|takes|goes|sleeps|wait|read|accept/.exec(kind(run, n))[0]]();
	if (right in options) right = options[right];
	if (!options.includes(right)) options.push(right);
	return { text, options, right: options.indexOf(right) };
}

var told = (s, fds) => fds.length ? plural(fds.length, 'event') + ': ' + list(fds.map(fd => who(s, fd))) : 'no event';

/** The next step (dir 1) or the last (dir -1) that concerns a thing; -1: none. */
function next(run, n, dir, key) {
	for (n += dir; run.meta[n]; n += dir) if (!key || run.meta[n].keys.includes(key)) return n;
	return -1;
}

/** The block of source text that holds `file:line`. */
function code(run, place) {
	var [, file, line] = /(.*):(\d+)/.exec(place) || [];
	var block = run.blocks.findIndex(b => b.file === file && line >= b.first && line < b.first + b.text.split('\n').length);
	return block < 0 ? null : { block, line: +line };
}

return { Bad, parse, load, at, buffered, underway, ready, asleep, who, explain, question, next, code, holder, busy, quiet };
});
