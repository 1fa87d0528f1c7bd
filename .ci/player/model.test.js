// The state model: small cases worked out by hand, and what must hold in every run.
'use strict';
const test = require('node:test'), assert = require('node:assert/strict');
const fs = require('node:fs'), path = require('node:path');
const { all, index } = require('./recordings.js');
const { violations } = require('./laws.js');
const M = require('../../book/src/player/model.js');

const recordings = all();

// --- a small run, written by hand: one client, epoll, one thread

let seq = 0;
const call = (name, args, ret, more) => ({
  kind: 'call', seq: ++seq, us: seq, thread: 'main', tid: 1, call: name, args, ret, errno: null, note: '', at: 'x.rs:1', ...more,
});
const enter = (name, args, more) => call(name, args, null, { kind: 'enter', ...more });
const step = (name, thread, fd, more) => call(name, '', null, { kind: 'step', thread, fd, ...more });
const act = (who, deed, more) => ({ kind: 'client', us: seq, who, from: `10.0.0.1:${who.charCodeAt(0)}`, deed, what: deed, ...more });
const wait = (fds, more) => call('epoll_wait', '4, 8, -1', fds.length, { fd: 4, role: 'queue', op: 'wait', events: fds.map(fd => ({ fd, generation: 1, readable: true, writable: false })), ...more });
const add = (fd, mode, more) => call('epoll_ctl', `4, ADD, ${fd}`, 0, { fd, op: 'add', want: 'read', mode, ...more });
const setup = () => [
  call('socket', '', 3), call('listen', '3, 8', 0, { fd: 3, role: 'listener' }), call('epoll_create1', '', 4), add(3, 'level'),
];
const run = (records, more) => M.load({ name: 't', title: 't', watch: '', stage: 'ch03_kqueue', queue: 'epoll', clients: true, blocks: [], records, ...more });
const end = r => M.at(r, r.steps.length - 1);
const asleep = enter('epoll_wait', '4, 8, -1', { fd: 4, role: 'queue' });

test('a connection goes from the accept queue to a descriptor to the event queue to nowhere', () => {
  const r = run([...setup(), act('A', 'connect'), asleep, wait([3]),
    call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), add(5, 'level'),
    call('epoll_ctl', '4, DEL, 5', 0, { fd: 5, op: 'delete' }), call('close', '5', 0, { fd: 5 })]);
  const places = r.steps.map((_, i) => M.at(r, i).conns.A && M.at(r, i).conns.A.place).slice(4);
  assert.deepEqual(places, ['accept', 'accept', 'accept', 'main', 'queue', 'main', 'closed']);
  assert.deepEqual(M.at(r, 4).accept, ['A']);
  assert.deepEqual(M.at(r, 7).accept, []);
  assert.equal(M.at(r, 7).fds[5].conn, 'A');
  assert.equal(end(r).fds[5], undefined);
  assert.deepEqual(violations(r), []);
});

test('what a client sends waits in the receive buffer until it is read, accepted or not', () => {
  const r = run([...setup(), act('A', 'connect'), act('A', 'send', { bytes: 30 }),
    call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), call('read', '5, 20', 20, { fd: 5 }), call('write', '5, 100', 100, { fd: 5 }),
    act('A', 'receive', { bytes: 40 })]);
  const buffer = n => M.buffered(r, M.at(r, n).conns.A);
  assert.deepEqual([4, 5, 6, 7].map(buffer), [0, 30, 30, 10]);
  assert.equal(M.underway(r, M.at(r, 8).conns.A), 100);
  assert.equal(M.underway(r, end(r).conns.A), 60);
});

test('level is ready as long as it is so, edge until it was told, oneshot once', () => {
  const ready = mode => {
    const r = run([...setup(), act('A', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), add(5, mode),
      act('A', 'send', { bytes: 9 }), asleep, wait([5]), act('A', 'send', { bytes: 9 })]);
    return [6, 7, 9, 10].map(n => M.ready(r, M.at(r, n), 5));
  };
  assert.deepEqual(ready('level'), [false, true, true, true]);
  assert.deepEqual(ready('edge'), [false, true, false, true]);
  assert.deepEqual(ready('oneshot'), [false, true, false, false]);
});

test('what a trace cannot tell is unknown, not a guess', () => {
  const r = run([...setup(), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), add(5, 'level'), asleep], { clients: false });
  const s = end(r);
  assert.equal(s.accept, null);
  assert.equal(M.buffered(r, s.conns.A), null);
  assert.equal(M.underway(r, s.conns.A), null);
  assert.equal(M.ready(r, s, 5), null);
  assert.equal(M.asleep(r, s, 'main'), null);
  assert.match(M.explain(r, 6), /does not say/);
  const w = run([...setup(), act('A', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), add(5, 'oneshot', { want: 'write' })]);
  assert.equal(M.ready(w, end(w), 5), null, 'room in the send buffer is not in a trace');
});

test('room in a full send buffer: what comes later says that there was none yet', () => {
  const r = run([...setup(), act('A', 'connect'), act('B', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), call('write', '5, 100', 60, { fd: 5 }),
    add(5, 'oneshot', { want: 'write' }), asleep, wait([3]), asleep, act('A', 'say', { what: 'begins to read' }), wait([5])]);
  assert.deepEqual([8, 9, 10, 11, 12].map(n => M.ready(r, M.at(r, n), 5)), [false, false, false, false, null]);
  assert.match(M.explain(r, 9), /the listener is ready, it need not sleep/);
});

test('a wait is said to sleep no longer than its limit, on both queues', () => {
  for (const [args, words] of [['4, 8, 500', /sleeps, for 500 ms at most: nothing/], ['4, [], 8, 0.0999s', /sleeps, for 100 ms at most: nothing/], ['4, [], 8, NULL', /sleeps: nothing/], ['4, 8, -1', /sleeps: nothing/]]) {
    const r = run([...setup(), enter('epoll_wait', args, { fd: 4, role: 'queue' })]);
    assert.match(M.explain(r, 4), words);
  }
});

test('what has not been acknowledged is told, on Linux and on macOS', () => {
  const r = run([...setup(), act('A', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }),
    call('ioctl', '5, SIOCOUTQ', 0, { fd: 5, note: '[0]' }), call('getsockopt', '5, SOL_SOCKET, SO_NWRITE', 0, { fd: 5, note: '[1]' })]);
  assert.match(M.explain(r, 6), /A's kernel has not acknowledged: nothing, so all has arrived\.$/);
  assert.match(M.explain(r, 7), /A's kernel has not acknowledged: 1 byte\.$/);
});

test('the wake-up is unknown from a signal on until a read has found all there was', () => {
  const r = run([...setup(), call('socketpair', '', 0, { note: '[6, 7]' }), add(6, 'level'), act('lab', 'signal', { from: null, what: 'SIGINT' }),
    call('read', '6, 64', 64, { fd: 6 }), call('read', '6, 64', 1, { fd: 6 }), call('read', '6, 64', -1, { fd: 6, errno: 'EAGAIN' }), call('write', '7, 1', 1, { fd: 7 })]);
  assert.deepEqual([5, 6, 7, 8, 9, 10].map(n => M.ready(r, M.at(r, n), 6)), [false, null, null, false, false, true]);
});

test('who is watched and served all the same is in the hands of who serves it', () => {
  const r = run([...setup(), act('A', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), add(5, 'edge'), act('A', 'send', { bytes: 9 }),
    asleep, wait([5]), call('read', '5, 99', 9, { fd: 5 }), step('handler sleeps', 'main', null, { phase: 'enter' }), call('write', '5, 9', 9, { fd: 5 }), asleep]);
  const hands = n => M.holder(r, M.at(r, n), 'A');
  assert.deepEqual([5, 6, 8, 9, 10, 11, 12, 13].map(hands), ['main', 'queue', 'queue', 'queue', 'main', 'main', 'main', 'queue']);
});

test('waits are counted as the server counts them: a look wakes nobody, a signal is no news', () => {
  const look = wait([], { args: '4, 8, 0' });
  const r = run([...setup(), act('A', 'connect'), asleep, wait([3]), asleep, wait([], { ret: -1, errno: 'EINTR', op: undefined }), look, asleep, wait([])]);
  assert.deepEqual(end(r).woke, { times: 3, news: 1, vain: 0, signal: 1, timeout: 1 });
  for (const [file, recording] of recordings.filter(([file]) => /ch07-stop/.test(file))) {
    const own = M.load(recording), said = own.steps.findIndex(s => /woke up/.test(s.note));
    const [, times, nothing] = /woke up (\d+) times, (\d+) for nothing/.exec(own.steps[said].note).map(Number);
    const { woke } = M.at(own, said);
    assert.equal(woke.times, times, file);
    assert.ok(nothing >= woke.signal && nothing <= woke.signal + woke.timeout, file);
  }
});

test('a worker has what it took, from the pool\'s queue, until it gives it back', () => {
  const w = { thread: 'worker-1' };
  const r = run([...setup(), step('waiting for work', 'worker-1', null, { phase: 'enter' }), act('A', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }),
    add(5, 'oneshot'), act('A', 'send', { bytes: 9 }), asleep, wait([5]), step('queued', 'main', 5), step('took', 'worker-1', 5, { phase: 'leave' }),
    call('read', '5, 99', 9, { fd: 5, ...w }), call('epoll_ctl', '4, MOD, 5', 0, { fd: 5, op: 'rearm', want: 'read', mode: 'oneshot', ...w })]);
  const place = n => M.at(r, n).conns.A.place;
  assert.deepEqual([9, 10, 11, 12, 13, 14].map(place), ['queue', 'main', 'pool', 'worker-1', 'worker-1', 'queue']);
  assert.equal(M.at(r, 8).threads['worker-1'].state, 'blocked');
  assert.equal(M.asleep(r, M.at(r, 8), 'worker-1'), true);
  assert.equal(M.asleep(r, M.at(r, 11), 'worker-1'), false, 'there is work');
  assert.deepEqual(violations(r), []);
});

test('counted turns are counted: their trips, and that nothing came of them', () => {
  const turns = { kind: 'turns', thread: 'main', calls: 2, times: 1000, errno: null, ret: null };
  const r = run([...setup(), act('A', 'connect'), asleep, wait([3]), call('accept', '3', -1, { fd: 3, errno: 'EMFILE' }),
    call('turns', '', null, { ...turns, note: 'epoll_wait(4, 8, -1) = 1 [listener readable], accept(3) = -1 EMFILE' }),
    call('turns', '', null, { ...turns, note: 'read(5, 9) = -1 EAGAIN, accept(3) = -1 EMFILE' })]);
  const { woke, vain } = end(r);
  assert.deepEqual([woke.news, woke.vain, woke.times, vain], [0, 1001, 1001, 4002]);
});

test('how much of its answer a client has read is unknown while it reads', () => {
  const r = run([...setup(), act('A', 'connect'), call('accept', '3', 5, { fd: 3, note: '(10.0.0.1:65)' }), call('write', '5, 100', 60, { fd: 5 }),
    act('A', 'say', { what: 'begins to read' }), call('write', '5, 40', 40, { fd: 5 }), act('A', 'receive', { bytes: 100, what: 'gets 200 with 9 bytes' })]);
  assert.deepEqual([6, 7, 8, 9].map(n => M.underway(r, M.at(r, n).conns.A)), [60, null, null, 0]);
  assert.match(M.explain(r, 6), /offers the kernel 100 bytes .* takes 60/);
});

test('an end of the process ends everything, and who is owed an answer is cut off', () => {
  const r = run([...setup(), act('A', 'connect'), act('A', 'send', { bytes: 9 }), act('lab', 'exit', { from: null })]);
  const s = end(r);
  assert.deepEqual([s.fds, s.accept, s.threads.main.state, s.conns.A.cut], [{}, [], 'ended', true]);
});

test('a state is the same from the beginning as from a kept one', () => {
  const records = setup();
  for (let i = 0; i < 200; i++) records.push(call('accept', '3', -1, { fd: 3, errno: 'EAGAIN' }));
  const r = run(records);
  assert.ok(r.kept.length > 2);
  for (const n of [62, 63, 64, 127, 203]) assert.equal(M.at(r, n).vain, Math.max(0, n - 3));
});

// --- the laws can be broken

test('a run that is tampered with breaks a law', () => {
  const [, recording] = recordings.find(([file]) => file === 'ch07-stop.epoll.js');
  const find = (records, what) => { const i = records.findIndex(what); assert.ok(i >= 0); return i; };
  const tampered = {
    'did not wait': rs => rs.splice(find(rs, r => r.deed === 'connect' && r.who === 'A'), 1),
    'has nothing|than': rs => rs.splice(find(rs, r => r.deed === 'send'), 1),
    'more than was written': rs => { rs[find(rs, r => r.deed === 'receive')].bytes += 1000; },
    'fires twice': rs => { const i = find(rs, r => r.op === 'wait' && r.events.some(e => e.fd > 8)); rs.splice(i + 1, 0, { ...rs[i] }); },
    'while it is open': rs => { const i = find(rs, r => r.call === 'accept' && r.errno === null); rs[i].ret = 3; },
    'in the hands of': rs => { rs[find(rs, r => r.call === 'read' && r.thread !== 'main')].thread = 'main'; },
    'taken and was not queued': rs => rs.splice(find(rs, r => r.call === 'queued'), 1),
    'used and not open': rs => rs.splice(find(rs, r => r.call === 'socketpair'), 1),
    'slept in': rs => { const i = find(rs, r => r.kind === 'enter'); rs.splice(i + 1, 0, { ...rs[i], kind: 'call', call: 'getsockname', role: undefined }); },
  };
  for (const [words, tamper] of Object.entries(tampered)) {
    const copy = JSON.parse(JSON.stringify(recording));
    tamper(copy.records);
    assert.match(violations(M.load(copy)).join('\n'), new RegExp(words), words);
  }
});

// --- every recording, and random runs

function sound(name, r) {
  assert.deepEqual(violations(r), [], name);
  for (let i = -1; i < r.steps.length; i++) {
    const words = M.explain(r, i);
    assert.ok(/\.$/.test(words) && !/undefined|null|NaN|object/.test(words), `${name}, step ${i + 1}: ${words}`);
  }
}

test('every recording says why at its turning points, in its own words', () => {
  for (const [file, recording] of recordings) {
    const r = M.load(recording), marked = [...r.steps.keys()].filter(i => r.steps[i].why);
    assert.ok(marked.length >= 2, `${file}: ${marked.length} turning points`);
    for (const i of marked) assert.ok(M.explain(r, i).endsWith(r.steps[i].why), `${file}, step ${i + 1}`);
  }
});

test('every recording keeps the laws, and every step of it has words', () => {
  assert.equal(recordings.length, index().length * 2);
  for (const [file, recording] of recordings) {
    const r = M.load(recording);
    sound(file, r);
    assert.ok(r.steps.every(s => s.kind === 'client' || M.code(r, s.at)), `${file}: a line without its code`);
  }
});

test('a prefix of a run gives the same states: nothing is known before it happens', () => {
  for (const [file, recording] of recordings) {
    const r = M.load(recording), half = Math.floor(r.steps.length / 2);
    const first = M.load({ ...recording, records: recording.records.slice(0, half) });
    const state = JSON.parse(JSON.stringify(M.at(r, half - 1)));
    for (const t of Object.keys(state.threads)) if (!first.threads.includes(t)) delete state.threads[t];
    assert.deepEqual(JSON.parse(JSON.stringify(M.at(first, half - 1))), state, file);
  }
});

test('questions are answered by the recording', () => {
  for (const [file, recording] of recordings) {
    const r = M.load(recording);
    assert.ok(r.marks.length >= 2 && r.marks.length <= 8, `${file}: ${r.marks.length} questions`);
    for (const n of r.marks) {
      const q = M.question(r, n), s = r.steps[n], answer = q.options[q.right];
      assert.ok(q.options.length >= 2 && new Set(q.options).size === q.options.length, `${file} ${n}: ${q.options}`);
      if (s.errno === 'EAGAIN' && /return/.test(q.text)) assert.match(answer, /EAGAIN/);
      // Who sleeps is told something only after somebody else has acted.
      if (/Will it sleep/.test(q.text) && r.steps[n + 1]?.thread === s.thread && r.steps[n + 1].events?.length) assert.equal(answer, 'It returns at once', `${file} ${n}`);
      if (/take\?$/.test(q.text)) assert.equal(answer, s.errno ? 'none: EAGAIN' : 'some');
    }
    if (/ch0[3-7]/.test(file) && !/ch04-slow/.test(file)) assert.ok(r.marks.some(n => r.steps[n].why), `${file}: no question at a key moment`);
    assert.equal(M.question(r, r.marks[0] + 1 === r.marks[1] ? -1 : r.marks[0] + 1), null);
  }
});

test('random runs of every stage keep the laws', { skip: process.env.RANDOM_RUNS ? false : 'RANDOM_RUNS names no folder' }, t => {
  const dir = process.env.RANDOM_RUNS, files = fs.readdirSync(dir).filter(f => f.endsWith('.jsonl'));
  assert.ok(files.length >= 200, `${files.length} runs`);
  let steps = 0;
  for (const file of files) {
    const r = M.load(M.parse(fs.readFileSync(path.join(dir, file), 'utf8')));
    assert.equal(r.clients, true);
    sound(file, r);
    steps += r.steps.length;
  }
  t.diagnostic(`${files.length} runs, ${steps} steps`);
});

// --- reading a reader's own run

const header = '{"trace":1,"clock":"CLOCK_MONOTONIC","us":1,"pid":1,"stage":"ch03_kqueue","queue":"epoll"}';
const line = '{"seq":1,"us":5,"dur":1,"kind":"call","thread":"main","tid":1,"call":"socket","args":"AF_INET","ret":3,"errno":null,"note":"","at":"a.rs:1"}';

test('a trace is read, in the order of seq, with what cargo says before it', () => {
  const later = line.replace('"seq":1', '"seq":2').replace('socket', 'listen');
  const r = M.load(M.parse(['   Compiling x', header, later, line, ''].join('\n')));
  assert.deepEqual(r.steps.map(s => s.call), ['socket', 'listen']);
  assert.equal(r.clients, false);
});

test('what is malformed is told: which line, what was expected', () => {
  const cases = [
    ['', /No trace in this file.*--trace=json/],
    ['[main] socket() = 3', /No trace/],
    [header, /no record/],
    ['{"seq":1}', /Line 1: expected the header/],
    ['{"trace":1}', /Line 1: the header should name "stage"/],
    [header + '\n{"seq":1,', /Line 2: not JSON/],
    [header + '\nhello', /Line 2: not JSON: "hello"/],
    [header + '\n[1]', /Line 2: expected a JSON object/],
    [header + '\n' + line.replace('"seq":1', '"seq":"1"'), /Line 2: the field "seq" should be a number, found "1"/],
    [header + '\n' + line.replace('"call"', '"kal"'), /Line 2: "kind" should be|Line 2: the field "call" should be a string/],
    [header + '\n' + line.replace('"kind":"call"', '"kind":"tale"'), /Line 2: "kind" should be one of/],
    [header + '\n' + line + '\n' + line, /Line 3: "seq" 1 was there before, in line 2/],
    [header + '\n' + line + '\n' + header, /Line 3: a second run begins here/],
    [header + '\n' + line.replace('"ret":3', '"ret":"3"'), /"ret" should be a number/],
  ];
  for (const [text, expected] of cases) {
    assert.throws(() => M.parse(text), e => e instanceof M.Bad && expected.test(e.message), text);
  }
});
