// One map: its plot, the labels over the points, the note beside an item, its buttons.

const MOST_LABELS = 4000; // items tried as labels; the first are the most frequent

/** @param {Coloring} coloring */
function plotTheme(coloring) {
  return {
    backgroundColor: styleValue('--card'), lassoColor: styleValue('--ink'),
    pointColor: coloring.palette, pointColorActive: coloring.palette, pointColorHover: styleValue('--ink'),
  };
}

/** Milliseconds of a movement; none for readers who asked for less of it. @param {number} usual */
function movement(usual) {
  const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  return { transition: !still, transitionDuration: usual };
}

/** @param {Pane} pane @param {object} renderer @param {Coloring} coloring */
async function startPlot(pane, renderer, coloring) {
  // The page must stay scrollable with the pointer over a map: only Ctrl or ⌘ (and a pinch, which says Ctrl) zooms.
  pane.figure.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  }, { capture: true, passive: true });
  pane.plot = createScatterplot.default({
    renderer, canvas: pane.canvas, ...plotTheme(coloring), colorBy: 'valueA',
    pointSize: Math.max(2, Math.min(6, 150 / Math.sqrt(pane.items.length))), pointSizeSelected: 3, pointOutlineWidth: 1,
    opacity: pane.items.length > 10000 ? 0.5 : 0.75, opacityInactiveMax: 0.3, opacityInactiveScale: 0.35,
    actionKeyMap: { lasso: 'shift' }, spatialIndexUseWorker: false,
  });
  await drawPoints(pane, coloring, false);
  pane.figure.classList.add('live'); // hides the static picture
}

/** Draw the points where and as they are wanted now. The plot takes one drawing at a time: of several that are asked
 * for meanwhile, only the last is drawn.
 * @param {Pane} pane @param {Coloring} coloring @param {boolean} moved whether points go to other places
 * @returns {Promise<void>} when nothing is left to draw */
function drawPoints(pane, coloring, moved) {
  pane.next = { coloring, moved };
  pane.drawing = pane.drawing || drawNext(pane);
  return pane.drawing;
}

/** @param {Pane} pane */
async function drawNext(pane) {
  while (pane.next) {
    const { coloring, moved } = pane.next;
    pane.next = null;
    const points = { x: pane.shown.x, y: pane.shown.y, valueA: coloring.codes(pane) };
    pane.plot.set(plotTheme(coloring));
    await pane.plot.draw(points, { zDataType: 'categorical', ...(moved ? movement(700) : {}) });
  }
  pane.drawing = null;
}

/** @param {Pane} pane */
function startButtons(pane) {
  const zoom = (/** @type {number} */ factor) => {
    const distance = pane.plot.get('cameraDistance') * factor;
    pane.plot.zoomToLocation(Array.from(pane.plot.get('cameraTarget')).slice(0, 2), distance, movement(200));
  };
  byId('map-in-' + pane.place).addEventListener('click', () => zoom(0.6));
  byId('map-out-' + pane.place).addEventListener('click', () => zoom(1 / 0.6));
  byId('map-reset-' + pane.place).addEventListener('click', () => pane.plot.reset());
  const lasso = byId('map-lasso-' + pane.place);
  lasso.addEventListener('click', () => {
    const on = lasso.getAttribute('aria-pressed') !== 'true';
    lasso.setAttribute('aria-pressed', String(on));
    pane.plot.set({ mouseMode: on ? 'lasso' : 'panZoom' });
  });
  byId('map-buttons-' + pane.place).hidden = false;
}

/** Draw labels in the next frame, once however often it is asked for. @param {Pane} pane @param {string[]} names */
function labelSoon(pane, names) {
  if (pane.waiting) return;
  pane.waiting = true;
  requestAnimationFrame(() => { pane.waiting = false; drawLabels(pane, names); });
}

/** As many labels as fit without overlap, the most frequent first. @param {Pane} pane @param {string[]} names */
function drawLabels(pane, names) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = pane.figure;
  pane.labels.width = width * ratio;
  pane.labels.height = height * ratio;
  const pen = /** @type {CanvasRenderingContext2D} */ (pane.labels.getContext('2d'));
  pen.scale(ratio, ratio);
  Object.assign(pen, { font: '11px system-ui, sans-serif', textBaseline: 'middle', lineJoin: 'round', lineWidth: 3 });
  pen.strokeStyle = styleValue('--card');
  pen.fillStyle = styleValue('--ink');
  const order = pane.highlighted; // points; null: all, as they stand
  const count = order || pane.named ? Math.min(order ? order.length : pane.items.length, MOST_LABELS) : 0;
  const placed = [[width - 190, 0, width, 38]]; // where the buttons are
  for (let i = 0; i < count; i++) {
    const point = order ? order[i] : i;
    const at = pane.plot.getScreenPosition(point);
    if (!at || at[0] < 0 || at[1] < 8 || at[0] > width || at[1] > height - 8) continue;
    const text = shortened(names[pane.items[point]], 24);
    const wide = pen.measureText(text).width;
    const left = at[0] + 6 + wide > width ? at[0] - 6 - wide : at[0] + 6; // beside the point, on the side with room
    const box = [left - 1, at[1] - 8, left + wide + 4, at[1] + 8];
    if (box[0] < 0 || placed.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) continue;
    placed.push(box);
    pen.strokeText(text, left, at[1]);
    pen.fillText(text, left, at[1]);
  }
}

/** Put the note about a point beside it; `fill` writes it. @param {Pane} pane @param {number} point
 * @param {(tip: HTMLElement) => void} fill */
function showTip(pane, point, fill) {
  pane.plot.hover(point < 0 ? undefined : point, { preventEvent: true });
  pane.tip.hidden = point < 0;
  if (point < 0) return;
  pane.tip.replaceChildren();
  fill(pane.tip);
  const [x, y] = pane.plot.getScreenPosition(point) || [0, 0];
  const { clientWidth: width, clientHeight: height } = pane.figure;
  pane.tip.style.left = Math.max(4, Math.min(x + 12, width - pane.tip.offsetWidth - 4)) + 'px';
  const below = y + 14 + pane.tip.offsetHeight < height;
  pane.tip.style.top = Math.max(4, below ? y + 14 : y - pane.tip.offsetHeight - 10) + 'px';
}

/** The next frame that the plot draws: positions on the screen are known only then. @param {Pane} pane */
function nextFrame(pane) {
  return new Promise((resolve) => { pane.plot.subscribe('draw', resolve, 1); pane.plot.redraw(); });
}
