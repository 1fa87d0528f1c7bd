// What must hold in every run, whatever happens in it. Returns what does not.
'use strict';
const M = require('../../book/src/player/model.js');

const ok = r => r.kind === 'call' && r.errno == null;
const numbers = note => note.replace(/[[\]]/g, '').split(', ').map(Number);

/** The descriptors that a record opens. */
function opened(r) {
  if (!ok(r)) return [];
  if (/^(socket|accept|epoll_create1|kqueue)$/.test(r.call)) return [r.ret];
  if (r.call === 'fcntl' && /F_DUPFD/.test(r.args)) return [r.ret];
  return r.call === 'socketpair' ? numbers(r.note) : [];
}

function violations(run) {
  const found = [];
  let s = M.at(run, -1);
  run.steps.forEach((r, i) => {
    const bad = what => found.push(`step ${i + 1}: ${what}`);
    if (r.kind === 'client') ofClient(run, s, r, bad);
    else if (r.kind !== 'log') ofServer(run, s, r, bad);
    s = M.at(run, i);
    ofState(run, s, bad);
  });
  return found;
}

function ofClient(run, s, r, bad) {
  const c = s.conns[r.who];
  if (r.deed === 'connect') {
    if (c) bad(`${r.who} connects twice`);
  } else if (!c && r.who !== 'lab') bad(`${r.who} acts before it connects`);
  if (c && /^receive/.test(r.deed) && c.got + r.bytes > c.written) bad(`${r.who} gets more than was written`);
  if (c && r.deed === 'receive-end' && !c.shut && c.place !== 'closed') bad(`${r.who} gets an end that nobody has made`);
}

function ofServer(run, s, r, bad) {
  const f = r.fd != null ? s.fds[r.fd] : null, c = f && f.conn ? s.conns[f.conn] : null, t = s.threads[r.thread];
  const enters = r.kind === 'enter' || r.phase === 'enter';
  if (s.ended) bad('the process acts after its end');
  // A thread that sleeps does nothing but return from what it sleeps in.
  if (t.state === 'ended') bad(`${r.thread} acts after its end`);
  if (t.state === 'blocked') {
    const returns = r.kind === 'turns' || (r.kind === 'step' ? r.phase === 'leave' : r.call === t.call && r.args === t.args && !enters);
    if (!returns) bad(`${r.thread} slept in ${t.call} and makes ${r.call}`);
  }
  if (!enters && r.fd != null && !f && r.kind !== 'turns') bad(`descriptor ${r.fd} is used and not open`);
  opened(r).forEach(fd => { if (s.fds[fd]) bad(`descriptor ${fd} is opened while it is open`); });
  if (c && r.kind === 'call') {
    // One owner: who has it, and nobody else.
    if (s.threads[c.place] && c.place !== r.thread && r.call !== 'shutdown') bad(`${c.id} is in the hands of ${c.place}, and ${r.thread} uses it`);
    if (c.place === 'pool') bad(`${c.id} waits in the pool's queue and is used`);
    // main alone is told, so it may use who is watched: for a deadline.
    if (run.pool && r.thread !== 'main' && c.place === 'queue' && /^(read|write)$/.test(r.call)) bad(`${c.id} is watched by the kernel and used by ${r.thread}`);
    if (r.call === 'read' && ok(r) && run.clients) {
      if (c.read + r.ret > c.sent) bad(`more is read than ${c.id} has sent`);
      if (r.ret === 0 && !c.eof && !c.reset) bad(`a read of ${c.id} says the end, and it has not ended`);
    }
  }
  if (r.call === 'accept' && ok(r) && s.accept && !s.accept.some(n => `(${s.conns[n].from})` === r.note)) bad(`${r.note} is accepted and did not wait`);
  if (r.kind === 'turns' && /accept\(.*EAGAIN/.test(r.note) && s.accept?.length) bad(`${s.accept} waits, and accept finds nobody, over and over`);
  if (r.call === 'took' && c && !s.pool.includes(c.id)) bad(`${c.id} is taken and was not queued`);
  if (r.call === 'queued' && c && s.pool.includes(c.id)) bad(`${c.id} is queued twice`);
  for (const e of r.events || []) {
    const w = s.watch[e.fd];
    if (!w) bad(`an event for ${e.fd}, which is not watched`);
    else if (!w.armed) bad(`the oneshot of ${e.fd} fires twice`);
    else if (e.readable && M.ready(run, s, e.fd) === false) bad(`an event for ${e.fd}, which has nothing`);
  }
}

function ofState(run, s, bad) {
  const owners = {};
  for (const f of Object.values(s.fds)) {
    if (!f.conn) continue;
    if (owners[f.conn]) bad(`${f.conn} has two descriptors`);
    owners[f.conn] = true;
    if (s.conns[f.conn].fd !== f.fd) bad(`${f.conn} and descriptor ${f.fd} do not agree`);
  }
  for (const c of Object.values(s.conns)) {
    if (run.clients && (M.buffered(run, c) < 0 || M.underway(run, c) < 0)) bad(`${c.id}: bytes from nowhere`);
    if (s.accept && (c.place === 'accept') !== s.accept.includes(c.id)) bad(`${c.id}: in the accept queue or not?`);
    if ((c.place === 'pool') !== s.pool.includes(c.id)) bad(`${c.id}: in the pool's queue or not?`);
    const known = ['accept', 'queue', 'pool', 'closed'].includes(c.place) || s.threads[c.place];
    if (!known) bad(`${c.id} is nowhere: ${c.place}`);
  }
}

module.exports = { violations };
