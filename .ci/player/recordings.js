// The recordings, as a page would load them.
'use strict';
const fs = require('node:fs'), path = require('node:path'), vm = require('node:vm');

const player = path.join(__dirname, '../../book/src/player');
const folder = path.join(player, 'recordings');

function globals(file) {
  const page = vm.createContext({});
  vm.runInContext(fs.readFileSync(path.join(folder, file), 'utf8'), page, { filename: file });
  return page;
}

/** [file name, recording] of each. */
function all() {
  const files = fs.readdirSync(folder).filter(f => /\.(epoll|kqueue)\.js$/.test(f)).sort();
  return files.map(file => {
    const made = Object.entries(globals(file));
    const expected = 'recording_' + file.replace(/\.js$/, '').replace(/[-.]/g, '_');
    if (made.length !== 1 || made[0][0] !== expected) throw new Error(`${file} should assign ${expected} alone`);
    return [file, JSON.parse(JSON.stringify(made[0][1]))];
  });
}

const index = () => JSON.parse(JSON.stringify(globals('index.js').player_recordings));

module.exports = { all, index, player };
