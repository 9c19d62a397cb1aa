// The picture, drawn anew for each change of view: a few thousand shapes at most, and only those in sight.
const svg = byId('picture');
const view = { scale: 1, left: 0, life: data.subject ?? -1, picked: scenes.length - 1 };
const MARGIN = 110;
const stageWidth = () => svg.clientWidth || 900;
const px = (index) => GUTTER + 14 + at[index] * view.scale - view.left;
const inSight = (from, to) => px(to) >= GUTTER - 40 && px(from) <= stageWidth() + 40;

function clampView() {
  const room = stageWidth() - GUTTER - MARGIN;
  view.scale = Math.max(Math.min(room / WIDTH, 1), Math.min(view.scale, 12));
  view.left = Math.max(0, Math.min(view.left, WIDTH * view.scale - room));
}

function drawLanes(out) {
  for (const lane of lanes) {
    out.push(`<line class="rule" x1="0" x2="4000" y1="${lane.y}" y2="${lane.y}"/>`);
  }
}

function drawGutter(out) {
  out.push(`<rect class="gutter" x="0" y="${TOP - 1}" width="${GUTTER}" height="${HEIGHT}"/><line class="rule" x1="${GUTTER}" x2="${GUTTER}" y1="${TOP}" y2="${HEIGHT}"/>`);
  for (const lane of lanes) {
    if (lane.name) {
      out.push(`<text class="lane-name" x="8" y="${lane.mid - 2}">${escape(lane.name)}</text><text class="lane-sub" x="8" y="${lane.mid + 11}">${escape(lane.sub)}</text>`);
    } else {
      out.push(`<text class="lane-sub" x="20" y="${lane.mid + 4}">${escape(lane.sub)}</text>`);
    }
  }
}

function drawTicks(out) {
  let last = -1000;
  scenes.forEach((scene, index) => {
    if (scene.kind === 'cast' || px(index) < last + 84 || !inSight(index, index) || px(index) < GUTTER) return;
    last = px(index);
    out.push(`<text class="tick" x="${last}" y="${TOP - 6}">${ms(scene.us)}</text>`);
  });
}

function drawBands(out) {
  for (const { from, to, state, text } of processes.filter(({ from, to }) => inSight(from, to))) {
    const lane = lanes[laneOf.broker];
    const left = Math.max(px(from), GUTTER), width = Math.max(px(to) - left, 1);
    out.push(`<rect class="${state}" x="${left}" y="${lane.y + 3}" width="${width}" height="13" rx="2"/>`);
    if (width > text.length * 5.5) out.push(`<text class="band-text" x="${left + 4}" y="${lane.y + 13}">${escape(text)}</text>`);
  }
  for (const { file, from, to, state } of bands.filter(({ from, to }) => inSight(from, to))) {
    const lane = lanes[laneOf['file ' + file]];
    if (!lane) continue;
    const left = Math.max(px(from), GUTTER), width = Math.max(px(to) - left, 1);
    out.push(`<rect class="${state}" x="${left}" y="${lane.mid - 5}" width="${width}" height="10" rx="2"/>`);
  }
}

function drawMessages(out, alive) {
  for (const [from, to] of messages.filter(([from, to]) => inSight(from, to))) {
    const live = alive.has(from) && alive.has(to) ? ' alive' : '';
    out.push(`<line class="message${live}" x1="${px(from)}" y1="${laneY(scenes[from])}" x2="${px(to)}" y2="${laneY(scenes[to]) + (scenes[to].lane === 'broker' ? 8 : 0)}"/>`);
  }
}

// Writes are squares, syncs diamonds, everything else is round.
function shape(kind, x, y, size, attributes, inner) {
  if (kind === 'write') return `<rect ${attributes} x="${x - size}" y="${y - size}" width="${2 * size}" height="${2 * size}">${inner}</rect>`;
  if (kind === 'sync') return `<path ${attributes} d="M${x} ${y - size - 2}l${size + 2} ${size + 2}l${-size - 2} ${size + 2}l${-size - 2} ${-size - 2}z">${inner}</path>`;
  return `<circle ${attributes} cx="${x}" cy="${y}" r="${size}">${inner}</circle>`;
}

function drawScenes(out, alive) {
  scenes.forEach((scene, index) => {
    if (!inSight(index, index) || px(index) < GUTTER || ['cast', 'turn', 'violation'].includes(scene.kind)) return;
    const picked = index === view.picked ? ' picked' : '';
    if (isFault(scene)) {
      const [icon, name] = FAULTS[scene.kind];
      const wide = ['kill', 'power'].includes(scene.kind);
      if (wide) out.push(`<line class="fault-line" x1="${px(index)}" x2="${px(index)}" y1="${TOP}" y2="${HEIGHT}"/>`);
      const y = laneY(scene) + (scene.lane === 'broker' ? 8 : 0);
      out.push(`<g class="icon${picked}" data-scene="${index}"><title>${escape(name + ': ' + scene.text)}</title><circle cx="${px(index)}" cy="${y}" r="9"/><text x="${px(index)}" y="${y}">${icon}</text></g>`);
      return;
    }
    const live = alive.has(index) ? ' alive' : '';
    const kind = scene.failed ? ' failed' : ['fine', 'serve'].includes(scene.kind) || (scene.kind === 'check' && scene.text.endsWith('as promised')) ? ' good' : '';
    const y = laneY(scene) + (scene.lane === 'broker' ? 8 : 0);
    out.push(shape(scene.kind, px(index), y, live ? 5.5 : 3.5, `class="dot${kind}${live}${picked}" data-scene="${index}"`, `<title>${escape(ms(scene.us) + '  ' + scene.text)}</title>`));
  });
}

const BAD_STAGES = new Set(['lost', 'missing', 'promise broken', 'sync failed', 'hollow sync', 'refused']);
function drawLife(out) {
  const life = data.lives[view.life];
  if (!life) return;
  const points = life.steps.map(([index]) => ({ x: px(index), y: laneY(scenes[index]) + (scenes[index].lane === 'broker' ? 8 : 0)}));
  points.slice(1).forEach((point, before) => {
    const gone = ['lost', 'missing', 'promise broken'].includes(life.steps[before + 1][1]) ? ' gone' : '';
    out.push(`<line class="life-path${gone}" x1="${points[before].x}" y1="${points[before].y}" x2="${point.x}" y2="${point.y}"/>`);
  });
}

function drawStages(out) {
  const taken = [];
  for (const [index, stage] of data.lives[view.life]?.steps ?? []) {
    const here = px(index), wide = stage.length * 6.6;
    const left = here + 6 + wide > stageWidth() ? here - 6 - wide : here + 6;
    let y = laneY(scenes[index]) + (scenes[index].lane === 'broker' ? 8 : 0) - 10;
    while (taken.some(([from, to, at]) => left < to && left + wide > from && Math.abs(at - y) < 12)) y -= 12;
    taken.push([left, left + wide, y]);
    out.push(`<text class="stage-text${BAD_STAGES.has(stage) ? ' gone' : ''}" x="${left}" y="${y}">${stage}</text>`);
  }
}

function drawViolation(out) {
  const index = scenes.length - 1;
  if (scenes[index].kind !== 'violation' || !inSight(index, index)) return;
  const here = px(index), text = data.name + ' at ' + ms(scenes[index].us), wide = text.length * 6.9 + 14;
  const left = Math.min(Math.max(here - wide / 2, GUTTER), stageWidth() - wide - 4);
  out.push(`<line class="violation-line" x1="${here}" x2="${here}" y1="26" y2="${HEIGHT}"/><g data-scene="${index}"><rect class="violation-flag" x="${left}" y="6" width="${wide}" height="22" rx="3"/><text class="violation-text" x="${left + 7}" y="21">${escape(text)}</text><title>${escape(scenes[index].text)}</title><circle class="violation-flag" cx="${here}" cy="${laneY(scenes[index])}" r="8"/></g>`);
}

function draw() {
  clampView();
  const alive = new Set((data.lives[view.life]?.steps ?? []).map(([index]) => index));
  const out = [];
  drawLanes(out); drawBands(out); drawMessages(out, alive); drawLife(out); drawScenes(out, alive); drawViolation(out); drawStages(out); drawTicks(out); drawGutter(out);
  svg.setAttribute('height', HEIGHT);
  svg.innerHTML = out.join('');
}
