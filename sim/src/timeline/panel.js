// Words beside the picture: the story, the life that is shown, the event that is picked, and all events.
const TELLING = /never synced|the sync of \S+ fails|marked clean|is gone|is there again|the (process is killed|power fails)|refusing to start/g;
byId('name').textContent = data.name;
byId('promise').textContent = data.promise;
byId('story').innerHTML = data.story.map((sentence) => `<li>${escape(sentence).replace(TELLING, '<strong>$&</strong>')}</li>`).join('');
byId('front').innerHTML = data.front.map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`).join('');
byId('front-line').textContent = data.front.slice(0, 4).map(([name, value]) => name + ' ' + value).join(' · ');
byId('lives').innerHTML = '<option value="-1">nothing</option>' + data.lives.map((life, number) => `<option value="${number}">${escape(life.name + (life.place ? ', ' + life.place : ''))}</option>`).join('');
const log = byId('log');
log.innerHTML = scenes.map((scene, index) => `<div data-scene="${index}" class="${isFault(scene) ? 'fault' : scene.kind === 'violation' ? 'violation' : ''}"><span>${ms(scene.us)}</span><span>${escape(scene.lane)}</span><span>${escape(scene.text)}</span></div>`).join('');

const TONES = { synced: 'good', written: 'promise', acknowledged: 'promise', read: 'promise' };
function showLife(number) {
  view.life = number;
  const life = data.lives[number];
  byId('lives').value = String(number);
  byId('life-name').textContent = life ? 'The life of ' + life.name : 'Click a message, or an event, for a life';
  byId('life').innerHTML = (life?.steps ?? []).map(([index, stage, words]) => `<li data-scene="${index}" class="${BAD_STAGES.has(stage) ? 'bad' : TONES[stage] ?? ''}"><time>${ms(scenes[index].us)}</time><b>${stage}</b><br>${escape(words)}</li>`).join('');
  const alive = new Set((life?.steps ?? []).map(([index]) => index));
  for (const row of log.children) row.classList.toggle('alive', alive.has(Number(row.dataset.scene)));
}

function pick(index, follow = true) {
  if (!(index in scenes)) return;
  log.children[view.picked]?.classList.remove('picked');
  view.picked = index;
  const row = log.children[index];
  row.classList.add('picked');
  log.scrollTop = row.offsetTop - log.offsetTop - 100;
  const scene = scenes[index];
  const places = (scene.places ?? []).map((place) => `\n  batch ${place.op ?? '?'} at offset ${place.offset} of ${place.partition}`).join('');
  const lsns = scene.upto > scene.lsn ? `\n  LSN ${scene.lsn} to ${scene.upto - 1}` : '';
  const lost = scene.lost ? `\n  gone: batch ${scene.lost.join(', ')}` : '';
  byId('event').textContent = `${ms(scene.us)}  ${scene.lane}\n${scene.text}${lsns}${places}${lost}`;
  if (livesOf[index].length && !livesOf[index].includes(view.life)) showLife(livesOf[index][0]);
  if (follow && (px(index) < GUTTER + 20 || px(index) > stageWidth() - 20)) view.left += px(index) - stageWidth() / 2;
  draw();
}
byId('lives').addEventListener('change', (event) => { showLife(Number(event.target.value)); draw(); });
byId('filter').addEventListener('input', (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of log.children) row.style.display = row.textContent.toLowerCase().includes(wanted) ? '' : 'none';
});
for (const place of [log, byId('life'), svg]) {
  place.addEventListener('click', (event) => {
    const target = event.target.closest('[data-scene]');
    if (target && !view.dragged) pick(Number(target.dataset.scene), place !== svg);
  });
}
