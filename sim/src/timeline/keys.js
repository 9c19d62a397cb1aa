// Zoom and movement, by mouse and by keyboard.
function zoom(factor, around = stageWidth() / 2) {
  const place = (around - GUTTER - 14 + view.left) / view.scale;
  view.scale *= factor;
  clampView();
  view.left = place * view.scale - (around - GUTTER - 14);
  draw();
}
function nextFault() {
  const after = scenes.findIndex((scene, index) => index > view.picked && isFault(scene));
  pick(after >= 0 ? after : scenes.findIndex(isFault));
}
const doing = {
  fit: () => { view.scale = 0; view.left = 0; draw(); },
  violation: () => pick(scenes.length - 1),
  fault: nextFault,
  in: () => zoom(1.5),
  out: () => zoom(1 / 1.5),
};
for (const button of document.querySelectorAll('[data-do]')) button.addEventListener('click', doing[button.dataset.do]);
svg.addEventListener('wheel', (event) => {
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    view.left += event.deltaX || event.deltaY;
    draw();
  } else {
    zoom(Math.exp(-event.deltaY / 400), event.clientX - svg.getBoundingClientRect().left);
  }
}, { passive: false });
svg.addEventListener('pointerdown', (down) => {
  const left = view.left;
  view.dragged = false;
  const move = (event) => {
    if (Math.abs(event.clientX - down.clientX) > 4) view.dragged = true;
    if (view.dragged) { view.left = left - (event.clientX - down.clientX); draw(); }
  };
  const up = () => { window.removeEventListener('pointermove', move); window.removeEventListener('pointerup', up); };
  window.addEventListener('pointermove', move);
  window.addEventListener('pointerup', up);
});
const keys = {
  ArrowLeft: () => { view.left -= 120; draw(); }, ArrowRight: () => { view.left += 120; draw(); },
  '+': doing.in, '=': doing.in, '-': doing.out, 0: doing.fit, v: doing.violation, f: nextFault,
  n: () => pick(view.picked + 1), p: () => pick(view.picked - 1),
  Escape: () => { showLife(-1); draw(); },
};
document.addEventListener('keydown', (event) => {
  if (['INPUT', 'SELECT'].includes(event.target.tagName) || event.ctrlKey || event.metaKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
window.addEventListener('resize', draw);
showLife(view.life);
view.scale = Math.max((stageWidth() - GUTTER - MARGIN) / WIDTH, 0.6);
view.left = WIDTH * view.scale;
pick(scenes.length - 1);
