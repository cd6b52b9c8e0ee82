// All maps together: what is pointed at, clicked, drawn around, searched or coloured on one shows on every other.

const MOST_CHIPS = 12; // matches listed under the search box
const MOST_MARKED = 50000; // items marked at once on one map

/** @param {MapData} data */
function linkMaps(data) {
  const names = data.labels;
  const lowered = names.map((label) => label.toLowerCase());
  const columns = data.columns.map(valuesOf);
  const panes = data.panes.map((pane, place) => paneOf(data, pane, place));
  const colorings = coloringsOf(data, columns, panes);
  const pictureOf = pictureMaker(data);
  let coloring = firstColoring(data);
  /** @type {number[]} */
  let marked = []; // items, for the file of them

  /** @param {string} text */
  const say = (text) => { byId('map-status').textContent = text; };
  const relabel = () => panes.forEach((pane) => labelSoon(pane, names));

  // ---- the note beside an item, in every map that has it
  /** @param {Pane} pane @param {number} item @param {HTMLElement} tip */
  function fillTip(pane, item, tip) {
    const picture = pictureOf(item);
    if (picture) tip.append(picture);
    addLine(tip, 'strong', shortened(names[item], 120));
    const point = pane.pointOf[item];
    /** @param {string} name @param {string | null} text */
    const tell = (name, text) => text !== null && addLine(tip, 'span', name + ': ' + shortened(text, 160));
    columns.forEach((values) => tell(values.name, values.text(item)));
    pane.measured.forEach((values) => tell(values.name, values.text(point)));
    const nearest = neighborsOf(pane, point, names.length).map((one) => shortened(names[one.item], 30));
    if (nearest.length) addLine(tip, 'span', 'nearest: ' + nearest.join(', '), 'nearest');
  }
  /** @param {number} item */
  function showItem(item) {
    panes.forEach((pane) => showTip(pane, pane.pointOf[item] ?? -1, (tip) => fillTip(pane, item, tip)));
  }
  const hideItem = () => panes.forEach((pane) => showTip(pane, -1, () => {}));

  // ---- marking items; null takes the marks away
  /** @param {((pane: Pane) => number[]) | null} itemsOf items in the order in which they get labels */
  function mark(itemsOf) {
    const all = new Set();
    for (const pane of panes) {
      const items = itemsOf && itemsOf(pane);
      pane.highlighted = items && items.map((item) => pane.pointOf[item] ?? -1).filter((point) => point >= 0);
      pane.highlighted?.forEach((point) => all.add(pane.items[point]));
      showMarks(pane);
    }
    marked = [...all].sort((a, b) => a - b);
    byId('map-save').hidden = marked.length === 0;
    relabel();
  }
  /** @param {Pane} pane */
  function showMarks(pane) {
    if (pane.highlighted?.length) pane.plot.select(pane.highlighted.slice(0, MOST_MARKED), { preventEvent: true });
    else pane.plot.deselect({ preventEvent: true });
  }
  /** @param {number} item */
  function pin(item) {
    mark((pane) => {
      const point = pane.pointOf[item];
      return point >= 0 ? [item, ...neighborsOf(pane, point, names.length).map((one) => one.item)] : [];
    });
    hideItem(); // the note would hide the neighbours; they have their labels
    panes.forEach((pane) => listNeighbors(pane, item));
    say(shortened(names[item], 60) + ' and its nearest neighbours in each original space.');
  }
  /** @param {Pane} pane @param {number} item -1 for none */
  function listNeighbors(pane, item) {
    const holder = byId('map-nearest-' + pane.place);
    holder.replaceChildren();
    const point = item < 0 ? -1 : pane.pointOf[item];
    const found = point < 0 ? [] : neighborsOf(pane, point, names.length);
    if (!found.length) return;
    const head = addLine(holder, 'p', 'Nearest to ', 'note');
    addLine(head, 'bdi', shortened(names[item], 60));
    head.append(' in the original space, by ' + pane.score);
    const list = addLine(holder, 'ol', '');
    for (const one of found) {
      const button = addButton(addLine(list, 'li', ''), '', () => pin(one.item));
      const picture = pictureOf(one.item);
      if (picture) button.append(picture);
      addLine(button, 'bdi', shortened(names[one.item], 60));
      const score = one.score.toPrecision(3).replace(/^(-?)0\./, '$1.').replace('-', '−');
      if (!Number.isNaN(one.score)) addLine(button, 'small', ' ' + score);
      button.disabled = !panes.some((other) => other.pointOf[one.item] >= 0);
    }
  }
  /** @param {Pane} pane @param {number[]} points */
  function lasso(pane, points) {
    const items = points.map((point) => pane.items[point]).sort((a, b) => a - b);
    mark(() => items);
    panes.forEach((other) => listNeighbors(other, -1));
    listMatches(items);
    say(counted(items.length, 'item') + ' drawn around.');
  }
  function clear() {
    byId('map-search').value = '';
    byId('map-matches').replaceChildren();
    hideItem();
    mark(null);
    panes.forEach((pane) => listNeighbors(pane, -1));
    say('');
  }

  // ---- search, in names first, then in what is said of items
  /** @param {string} text */
  function search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return clear();
    /** @type {{ item: number, rank: number }[]} */
    const matches = [];
    const texts = columns.filter((values) => values.kind !== 'number');
    lowered.forEach((label, item) => {
      if (!panes.some((pane) => pane.pointOf[item] >= 0)) return;
      const said = () => texts.some((values) => (values.text(item) || '').toLowerCase().includes(wanted));
      // the word itself, then words that begin so, then the rest, then those of which it is said
      const rank = label === wanted ? 0 : label.startsWith(wanted) ? 1 : label.includes(wanted) ? 2 : said() ? 3 : -1;
      if (rank >= 0) matches.push({ item, rank });
    });
    const items = matches.sort((a, b) => a.rank - b.rank || a.item - b.item).map((match) => match.item);
    hideItem();
    mark(() => items);
    listMatches(items);
    const none = 'Nothing on the maps contains “' + shortened(text.trim(), 40) + '”.';
    say(items.length ? counted(items.length, 'item') + (items.length === 1 ? ' matches.' : ' match.') : none);
    if (items.length && lowered[items[0]] === wanted) showItem(items[0]);
  }
  /** @param {number[]} items */
  function listMatches(items) {
    const holder = byId('map-matches');
    holder.replaceChildren();
    for (const item of items.slice(0, MOST_CHIPS)) {
      const button = addButton(holder, '', () => pin(item));
      const picture = pictureOf(item);
      if (picture) button.append(picture);
      addLine(button, 'bdi', shortened(names[item], 40));
      button.addEventListener('focus', () => showItem(item));
    }
  }

  // ---- colours
  const legends = Array.from(document.querySelectorAll('ul.map-legend'));
  const firstEntries = legends.map((list) => Array.from(list.children, (line) => ({
    color: /** @type {HTMLElement} */ (line.querySelector('i')).style.background,
    label: line.textContent || '', code: Number(/** @type {HTMLElement} */ (line).dataset.code ?? -1),
  })));
  async function recolor() {
    const make = colorings.get(byId('map-color').value) || (() => firstColoring(data));
    coloring = make();
    legends.forEach((list, place) => fillLegend(list, coloring.legend || firstEntries[place], pickColor));
    await Promise.all(panes.map(async (pane) => {
      await drawPoints(pane, coloring, false);
      showMarks(pane);
    }));
    relabel();
  }
  /** @param {number} code @param {string} label */
  function pickColor(code, label) {
    mark((pane) => {
      const codes = coloring.codes(pane);
      return Array.from(pane.items).filter((_, point) => codes[point] === code);
    });
    say(counted(marked.length, 'item') + ' of “' + shortened(label, 40) + '”.');
  }

  // ---- other layouts of the same points
  /** @param {Pane} pane @param {Layout} layout */
  async function move(pane, layout) {
    hideItem();
    pane.shown = layout;
    await drawPoints(pane, coloring, true);
    showMarks(pane);
    await nextFrame(pane);
    labelSoon(pane, names);
  }

  return { data, names, columns, panes, colorings, coloring: () => coloring, marked: () => marked, say, relabel,
    showItem, hideItem, pin, lasso, clear, search, recolor, move };
}
