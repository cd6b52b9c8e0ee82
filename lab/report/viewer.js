// The maps of a report: hover, search and click over one scatter plot per row of the study.
// Reads <script id="map-data"> (written by lab/report/maps.py); needs createScatterplot from vendor/. Text from the data
// reaches the page through textContent and canvas.fillText only. Where WebGL is missing, the static pictures stay.
(function () {
  'use strict';

  const holder = document.getElementById('map-data');
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const $ = (id) => document.getElementById(id);
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const MOST_LABELS = 4000; // items tried as labels; the first are the most frequent
  const MOST_CHIPS = 12; // matches listed under the search box

  // ---- data -------------------------------------------------------------------------------------------------------
  function decode(base64, ArrayType) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new ArrayType(bytes.buffer);
  }

  const colors = decode(data.colors, Uint8Array); // one per item
  const lowered = data.labels.map((label) => label.toLowerCase());
  const panes = data.panes.map((pane, k) => {
    const items = decode(pane.items, Uint32Array); // point → item
    const pointOf = new Map();
    items.forEach((item, point) => pointOf.set(item, point));
    return {
      items, pointOf, highlighted: null,
      x: decode(pane.x, Float32Array), y: decode(pane.y, Float32Array),
      neighbors: pane.neighbors ? decode(pane.neighbors, Uint32Array) : null, // items, `k` a point
      k: pane.k, named: pane.named,
      figure: $('map-' + k), canvas: $('map-canvas-' + k), labels: $('map-labels-' + k), tip: $('map-tip-' + k),
    };
  });

  // ---- colours (from the style sheet, so that light and dark agree with it) ----------------------------------------
  function cssColor(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }
  function palette() {
    return data.palette || Array.from({ length: data.colorCount }, (_, i) => cssColor('--c' + i)).concat(cssColor('--faint'));
  }
  function theme() {
    return {
      backgroundColor: cssColor('--card'), pointColor: palette(),
      pointColorActive: palette(), pointColorHover: cssColor('--ink'),
    };
  }

  // ---- text over the points: as many labels as fit without overlap, the most frequent first --------------------------
  function drawLabels(pane) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = pane.figure;
    pane.labels.width = width * ratio;
    pane.labels.height = height * ratio;
    const pen = pane.labels.getContext('2d');
    pen.scale(ratio, ratio);
    pen.font = '11px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    pen.lineJoin = 'round';
    pen.lineWidth = 3;
    pen.strokeStyle = cssColor('--card');
    pen.fillStyle = cssColor('--ink');
    const order = pane.highlighted; // points; null: all, as they stand
    const count = order || pane.named ? Math.min(order ? order.length : pane.items.length, MOST_LABELS) : 0;
    const placed = [[width - 140, 0, width, 38]]; // where the buttons are
    for (let i = 0; i < count; i++) {
      const point = order ? order[i] : i;
      const at = pane.plot.getScreenPosition(point);
      if (!at || at[0] < 0 || at[1] < 8 || at[0] > width || at[1] > height - 8) continue;
      const text = short(data.labels[pane.items[point]], 24);
      const wide = pen.measureText(text).width;
      const left = at[0] + 6 + wide > width ? at[0] - 6 - wide : at[0] + 6; // beside the point, on the side with room
      const box = [left - 1, at[1] - 8, left + wide + 4, at[1] + 8];
      if (box[0] < 0) continue;
      if (placed.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) continue;
      placed.push(box);
      pen.strokeText(text, left, at[1]);
      pen.fillText(text, left, at[1]);
    }
  }
  function drawAllLabels() {
    panes.forEach((pane) => pane.plot && drawLabels(pane));
  }
  function short(text, length) {
    const characters = Array.from(text);
    return characters.length > length ? characters.slice(0, length - 1).join('') + '…' : text;
  }

  // ---- the note beside an item, shown in every map that has it -------------------------------------------------------
  function line(parent, tag, text, className) {
    const element = document.createElement(tag);
    element.textContent = text;
    if (className) element.className = className;
    parent.append(element);
  }
  function neighborsOf(pane, point) {
    if (!pane.neighbors) return [];
    return Array.from(pane.neighbors.slice(point * pane.k, (point + 1) * pane.k)).filter((item) => item < data.labels.length);
  }
  function fillTip(pane, item) {
    pane.tip.replaceChildren();
    line(pane.tip, 'strong', short(data.labels[item], 120));
    for (const column of data.columns) {
      const value = column.values[item];
      if (value !== null && value !== '') line(pane.tip, 'span', column.name + ': ' + short(String(value), 160));
    }
    const nearest = neighborsOf(pane, pane.pointOf.get(item)).map((other) => short(data.labels[other], 30));
    if (nearest.length) line(pane.tip, 'span', 'nearest: ' + nearest.join(', '), 'nearest');
  }
  function showItem(item) {
    for (const pane of panes) {
      const point = pane.pointOf.get(item);
      pane.plot.hover(point, { preventEvent: true });
      pane.tip.hidden = point === undefined;
      if (point === undefined) continue;
      fillTip(pane, item);
      const [x, y] = pane.plot.getScreenPosition(point) || [0, 0];
      const { clientWidth: width, clientHeight: height } = pane.figure;
      pane.tip.style.left = Math.max(4, Math.min(x + 12, width - pane.tip.offsetWidth - 4)) + 'px';
      const below = y + 14 + pane.tip.offsetHeight < height;
      pane.tip.style.top = Math.max(4, below ? y + 14 : y - pane.tip.offsetHeight - 10) + 'px';
    }
  }
  function hideItem() {
    for (const pane of panes) {
      pane.plot.hover(undefined, { preventEvent: true });
      pane.tip.hidden = true;
    }
  }

  // ---- highlighting: what is searched for, or a clicked item with its nearest neighbours -----------------------------
  function highlight(itemsOf) { // itemsOf(pane): items in the order in which they get labels; null: none
    for (const pane of panes) {
      pane.highlighted = itemsOf && itemsOf(pane).map((item) => pane.pointOf.get(item)).filter((point) => point !== undefined);
      if (pane.highlighted && pane.highlighted.length) pane.plot.select(pane.highlighted, { preventEvent: true });
      else pane.plot.deselect({ preventEvent: true });
    }
    drawAllLabels();
  }
  function say(text) {
    $('map-status').textContent = text;
  }
  function pin(item) {
    highlight((pane) => (pane.pointOf.has(item) ? [item, ...neighborsOf(pane, pane.pointOf.get(item))] : []));
    hideItem(); // the note would hide the neighbours; they have their labels
    say(short(data.labels[item], 60) + ' and its nearest neighbours in each original space.');
  }
  function clear() {
    $('map-search').value = '';
    $('map-matches').replaceChildren();
    hideItem();
    highlight(null);
    say('');
  }
  function search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return clear();
    const matches = [];
    lowered.forEach((label, item) => label.includes(wanted) && onSomeMap(item) && matches.push(item));
    matches.sort((a, b) => rank(a, wanted) - rank(b, wanted) || a - b);
    hideItem();
    highlight(() => matches);
    listMatches(matches);
    say(matches.length === 0 ? 'Nothing on the maps contains “' + short(text.trim(), 40) + '”.'
      : matches.length + (matches.length === 1 ? ' item matches.' : ' items match.'));
    if (matches.length && lowered[matches[0]] === wanted) showItem(matches[0]);
  }
  function onSomeMap(item) {
    return panes.some((pane) => pane.pointOf.has(item));
  }
  function rank(item, wanted) { // the word itself, then words that begin so, then the rest
    return lowered[item] === wanted ? 0 : lowered[item].startsWith(wanted) ? 1 : 2;
  }
  function listMatches(matches) {
    $('map-matches').replaceChildren();
    for (const item of matches.slice(0, MOST_CHIPS)) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = short(data.labels[item], 40);
      button.addEventListener('click', () => pin(item));
      button.addEventListener('focus', () => showItem(item));
      $('map-matches').append(button);
    }
  }

  // ---- one plot per pane, all drawn by one WebGL context --------------------------------------------------------------
  function buttons(pane, k) {
    const zoom = (factor) => {
      const [x, y] = pane.plot.get('cameraTarget');
      pane.plot.zoomToLocation([x, y], pane.plot.get('cameraDistance') * factor, { transition: true, transitionDuration: 200 });
    };
    $('map-in-' + k).addEventListener('click', () => zoom(0.6));
    $('map-out-' + k).addEventListener('click', () => zoom(1 / 0.6));
    $('map-reset-' + k).addEventListener('click', () => pane.plot.reset());
    $('map-buttons-' + k).hidden = false;
  }
  async function start(pane, renderer) {
    // The page must stay scrollable with the pointer over a map: only Ctrl or ⌘ (and a pinch, which says Ctrl) zooms.
    pane.figure.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    }, { capture: true, passive: true });
    const size = Math.max(2, Math.min(6, 150 / Math.sqrt(pane.items.length)));
    pane.plot = createScatterplot.default({
      renderer, canvas: pane.canvas, ...theme(), colorBy: 'valueA', pointSize: size, pointSizeSelected: 3, pointOutlineWidth: 1,
      opacity: pane.items.length > 10000 ? 0.5 : 0.75, opacityInactiveMax: 0.3, opacityInactiveScale: 0.35,
      actionKeyMap: {}, spatialIndexUseWorker: false,
    });
    await pane.plot.draw(
      { x: pane.x, y: pane.y, valueA: Float32Array.from(pane.items, (item) => colors[item]) },
      { zDataType: 'categorical' });
    pane.figure.classList.add('live'); // hides the static picture
  }
  function listen(pane, k) {
    pane.plot.subscribe('pointover', (point) => showItem(pane.items[point]));
    pane.plot.subscribe('pointout', hideItem);
    pane.plot.subscribe('select', ({ points }) => points.length === 1 && pin(pane.items[points[0]]));
    pane.plot.subscribe('deselect', clear);
    pane.plot.subscribe('view', () => { hideItem(); drawLabels(pane); });
    buttons(pane, k);
  }
  function nextFrame(pane) {
    return new Promise((resolve) => { pane.plot.subscribe('draw', resolve, 1); pane.plot.redraw(); });
  }
  async function startAll() {
    const renderer = createScatterplot.createRenderer();
    for (const pane of panes) await start(pane, renderer);
    panes.forEach(listen); // only now, as what happens on one map shows on all
    $('map-tools').hidden = false;
    $('map-search').addEventListener('input', (event) => search(event.target.value));
    $('map-search').addEventListener('keydown', (event) => event.key === 'Escape' && clear());
    window.addEventListener('resize', () => requestAnimationFrame(drawAllLabels));
    dark.addEventListener('change', () => { panes.forEach((pane) => pane.plot.set(theme())); drawAllLabels(); });
    await Promise.all(panes.map(nextFrame)); // positions on the screen are known only once a frame was drawn
    drawAllLabels();
    document.documentElement.dataset.maps = 'ready';
  }
  function withoutWebGL() {
    $('map-status').textContent = 'This browser shows no WebGL, so the maps are still pictures: no hover, no search.';
    panes.forEach((pane) => pane.figure.classList.remove('live'));
    document.documentElement.dataset.maps = 'static';
  }
  const probe = document.createElement('canvas');
  if (!probe.getContext('webgl')) withoutWebGL();
  else startAll().catch((error) => { console.warn(error); withoutWebGL(); });
})();
