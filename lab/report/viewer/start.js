// Starts the page: tables at once, the maps where there are any and the browser has WebGL. Else still pictures stay.

/** @typedef {ReturnType<typeof linkMaps>} Maps */

/** @param {Maps} maps @param {Pane} pane */
function listenToPlot(maps, pane) {
  pane.plot.subscribe('pointover', (point) => maps.showItem(pane.items[point]));
  pane.plot.subscribe('pointout', maps.hideItem);
  pane.plot.subscribe('select', ({ points }) => {
    if (points.length === 1) maps.pin(pane.items[points[0]]);
    else maps.lasso(pane, points);
  });
  pane.plot.subscribe('deselect', maps.clear);
  pane.plot.subscribe('view', () => { maps.hideItem(); labelSoon(pane, maps.names); });
  byId('map-csv-' + pane.place).addEventListener('click', () => saveMap(maps, pane));
  startButtons(pane);
}

/** A slider through the stages of a map; maps with the same stages move together. @param {Maps} maps */
function startSliders(maps) {
  /** @param {Pane} pane */
  const stagesOf = (pane) => pane.layouts.map((layout) => layout.name).join('\n');
  for (const pane of maps.panes) {
    const slider = byId('map-stage-' + pane.place);
    if (!slider) continue;
    slider.addEventListener('input', () => {
      const stage = Number(slider.value);
      for (const other of maps.panes) {
        if (stagesOf(other) !== stagesOf(pane)) continue;
        const name = other.layouts[stage].name;
        const own = byId('map-stage-' + other.place);
        own.value = String(stage);
        own.setAttribute('aria-valuetext', name);
        byId('map-stage-name-' + other.place).textContent = name;
        maps.move(other, other.layouts[stage]);
      }
    });
    byId('map-stages-' + pane.place).hidden = false;
  }
}

/** The button that shows the maps as another seed draws them. @param {Maps} maps */
function startRedraw(maps) {
  const button = byId('map-again');
  button?.addEventListener('click', () => {
    const again = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(again));
    const both = maps.panes.filter((pane) => pane.second);
    for (const pane of both) maps.move(pane, again && pane.second ? pane.second : pane.layouts[0]);
    const left = maps.panes.length - both.length;
    const some = left ? ' ' + counted(left, 'map') + ' of this page ' + (left === 1 ? 'has' : 'have') + ' only one.' : '';
    maps.say(again ? 'Another seed: what moved is accident, who stayed together is in the data.' + some : '');
  });
}

/** Names, what is known of them, and where they are on one map. @param {Maps} maps @param {Pane} pane */
function saveMap(maps, pane) {
  const head = ['id', 'x', 'y', ...maps.columns.map((values) => values.name), ...pane.measured.map((values) => values.name)];
  const rows = Array.from(pane.items, (item, point) => [
    maps.names[item], numberText(pane.shown.x[point]), numberText(pane.shown.y[point]),
    ...maps.columns.map((values) => values.text(item)), ...pane.measured.map((values) => values.text(point)),
  ]);
  saveCsv('map ' + (byId('map-title-' + pane.place).textContent || pane.place) + ' ' + pane.shown.name, [head, ...rows]);
}

/** @param {Maps} maps */
function saveMarked(maps) {
  const rows = maps.marked().map((item) => [maps.names[item], ...maps.columns.map((values) => values.text(item))]);
  saveCsv('marked items', [['id', ...maps.columns.map((values) => values.name)], ...rows]);
}

/** @param {Maps} maps */
function startTools(maps) {
  const search = byId('map-search');
  search.addEventListener('input', () => maps.search(search.value));
  const choice = byId('map-color');
  for (const name of maps.colorings.keys()) choice.append(new Option(shortened(name, 60), name));
  choice.addEventListener('change', maps.recolor);
  byId('map-save').addEventListener('click', () => saveMarked(maps));
  for (const tools of [byId('map-tools'), ...maps.panes.map((pane) => pane.figure)]) {
    tools.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && maps.clear());
  }
  window.addEventListener('resize', maps.relabel);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', maps.recolor);
  byId('map-tools').hidden = false;
}

/** @param {Maps} maps */
async function startMaps(maps) {
  const renderer = createScatterplot.createRenderer(); // one WebGL context draws them all
  for (const pane of maps.panes) await startPlot(pane, renderer, maps.coloring());
  maps.panes.forEach((pane) => listenToPlot(maps, pane)); // only now, as what happens on one map shows on all
  startTools(maps);
  startSliders(maps);
  startRedraw(maps);
  await maps.recolor(); // makes the legend one of buttons
  await Promise.all(maps.panes.map(nextFrame));
  maps.relabel();
  requestAnimationFrame(() => { document.documentElement.dataset.maps = 'ready'; });
}

/** @param {unknown} [error] */
function keepStill(error) {
  if (error) console.warn(error);
  byId('map-status').textContent = 'This browser shows no WebGL, so the maps are still pictures: no hover, no search.';
  document.querySelectorAll('.map').forEach((map) => map.classList.remove('live'));
  document.documentElement.dataset.maps = 'static';
}

startTables();
if (byId('map-data')) {
  if (!document.createElement('canvas').getContext('webgl')) keepStill();
  else startMaps(linkMaps(JSON.parse(byId('map-data').textContent))).catch(keepStill);
}
