'use strict';
// What is drawn where: lanes from the scenes, and a place in time for each scene. Long silences are shown short.
const data = JSON.parse(document.getElementById('data').textContent);
const scenes = data.scenes;
const byId = (id) => document.getElementById(id);
const escape = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
const ms = (us) => (us / 1000).toFixed(3) + ' ms';
const shortFile = (text) => text.replace(/-0{3,}(?=\d)/g, '-');
for (const scene of scenes) scene.text = shortFile(scene.text);
for (const life of data.lives) for (const step of life.steps) step[2] = shortFile(step[2]);
const FAULTS = { break: ['≠', 'connection breaks'], fault: ['!', 'disk fault'], 'sync-fault': ['!', 'sync fails'], full: ['▮', 'disk full'],
  stop: ['■', 'orderly stop'], kill: ['✖', 'killed'], power: ['⚡', 'power fails'], machine: ['±', 'clock'] };
const isFault = (scene) => scene.kind in FAULTS && !(scene.kind === 'full' && !scene.failed);

const GUTTER = 168, TOP = 58, ROW = 40, FILE_ROW = 30;
const lanes = [];
const laneOf = {};
function addLane(key, name, sub, height) {
  if (key in laneOf) return;
  laneOf[key] = lanes.length;
  lanes.push({ key, name, sub, height });
}
const asking = new Set(scenes.filter((scene) => scene.kind === 'ask').map((scene) => scene.lane));
for (const scene of scenes) if (scene.kind === 'cast' && asking.has(scene.lane)) addLane(scene.lane, scene.lane, scene.text, ROW);
addLane('broker', 'broker', 'its process', ROW + 14);
addLane('disk', 'disk', 'steps of its work', ROW);
const touched = new Set();
for (const scene of scenes) {
  if (!scene.file || !['write', 'sync', 'rename', 'sync-fault'].includes(scene.kind)) continue;
  touched.add(scene.file);
  if (scene.to) touched.add(scene.to);
}
// Many files come and go in a long run. Those matter that were not safe when something happened, or that the told life was in.
const FILES_MAX = 10;
const weight = {};
{
  const risky = new Set();
  const story = new Set((data.lives[data.subject]?.steps ?? []).map(([index]) => scenes[index].file));
  scenes.forEach((scene, index) => {
    const file = scene.file;
    if (scene.kind === 'write' || scene.kind === 'sync-fault') risky.add(file);
    if (scene.kind === 'sync' && !scene.failed) risky.delete(file);
    if (file) weight[file] = Math.max(weight[file] ?? 0, index + (story.has(file) ? 1e9 : 0));
    if (['kill', 'power', 'violation'].includes(scene.kind)) for (const name of risky) weight[name] += 1e6;
  });
}
const files = [...touched].filter((file) => !file.endsWith('.draft')).sort((one, other) => (weight[other] ?? 0) - (weight[one] ?? 0)).slice(0, FILES_MAX).sort();
for (const file of files) addLane('file ' + file, '', shortFile(file), FILE_ROW);
addLane('oracle', 'oracle', 'checks the promises', ROW);
let total = TOP;
for (const lane of lanes) { lane.y = total; lane.mid = total + lane.height / 2; total += lane.height; }
const HEIGHT = total + 12;

// Logarithmic in the gaps: a microsecond and a second can both be seen.
const at = [];
let x = 0;
scenes.forEach((scene, index) => {
  const gap = index ? scene.us - scenes[index - 1].us : 0;
  x += scene.kind === 'cast' ? 0 : (scene.kind === 'turn' ? 1 : 12) + 2.5 * Math.log2(1 + gap / 4) + (isFault(scene) || (index && isFault(scenes[index - 1])) ? 12 : 0);
  at.push(x);
});
const WIDTH = x + 30;
const laneY = (scene) => {
  const lane = scene.file && scene.lane === 'disk' ? laneOf['file ' + scene.file.replace('.draft', '')] : undefined;
  return lanes[lane ?? laneOf[scene.lane] ?? laneOf.broker].mid;
};

// What each file has that is not on the media, from write to sync; and what the process is doing.
const bands = [];
const processes = [];
{
  const open = {};
  const begin = (file, from, state) => { if (!open[file] || open[file].state !== state) { end(file, from); open[file] = { from, state }; } };
  const end = (file, to) => { if (open[file]) { bands.push({ file: file.replace('.draft', ''), from: open[file].from, to, state: open[file].state }); delete open[file]; } };
  let process = null;
  const turnInto = (index, state, text) => {
    if (process) processes.push({ ...process, to: index });
    process = { from: index, state, text };
  };
  scenes.forEach((scene, index) => {
    const file = scene.file;
    if (scene.kind === 'write' && scene.bytes > 0) { if (open[file]?.state !== 'hollow') begin(file, index, 'at-risk'); }
    if (scene.kind === 'sync' && file && !scene.failed && open[file]?.state !== 'hollow') begin(file, index, 'safe');
    if (scene.kind === 'sync-fault') begin(file, index, 'hollow');
    if (scene.kind === 'rename' && open[file]) { const state = open[file].state; end(file, index); end(scene.to, index); begin(scene.to, index, state); }
    if (scene.kind === 'remove') end(file, index);
    if (scene.kind === 'power') for (const name of Object.keys(open)) begin(name, index, 'safe');
    if (scene.kind === 'start') turnInto(index, 'recovering', 'process ' + scene.process + ' recovers');
    if (scene.kind === 'serve') turnInto(index, 'serving', 'serves');
    if (['kill', 'stopped', 'halt'].includes(scene.kind)) turnInto(index, 'dead', 'dead');
  });
  for (const file of Object.keys(open)) end(file, scenes.length - 1);
  if (process) processes.push({ ...process, to: scenes.length - 1 });
}

// Questions and answers as pairs of scenes.
const messages = [];
{
  const asked = {}, answered = {};
  scenes.forEach((scene, index) => {
    const key = scene.conn + '.' + scene.tag;
    if (scene.kind === 'ask') asked[key] = index;
    if (scene.kind === 'arrive' && key in asked) messages.push([asked[key], index]);
    if (scene.kind === 'answer') answered[key] = index;
    if (scene.kind === 'hear' && key in answered) messages.push([answered[key], index]);
  });
}
const livesOf = scenes.map(() => []);
data.lives.forEach((life, number) => life.steps.forEach(([index]) => livesOf[index].push(number)));
