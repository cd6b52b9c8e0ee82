// What the colours of the maps show: as the page was made, or any column or measure that the reader chooses.

const MOST_KINDS = 12; // colours of the style sheet, --c0 …
const SCALE_ENDS = { light: [0, 54], dark: [12, 64] }; // steps of the scale that stand out from the ground

/** The scale for numbers, without the steps that vanish on the page's ground. @param {MapData} data */
function scaleOf(data) {
  const ends = window.matchMedia('(prefers-color-scheme: dark)').matches ? SCALE_ENDS.dark : SCALE_ENDS.light;
  return data.scale.slice(...ends);
}

/** @param {number} count */
function kindColors(count) {
  return Array.from({ length: count }, (_, i) => styleValue('--c' + i)).concat(styleValue('--faint'));
}

/** The colours that the page was made with; their legend is in the page.
 * @param {MapData} data @returns {Coloring} */
function firstColoring(data) {
  const codes = new Uint8Array(bytesOf(data.colors));
  return {
    name: data.what, legend: null, palette: data.palette || kindColors(data.colorCount),
    codes: (pane) => Float32Array.from(pane.items, (item) => codes[item]),
  };
}

/** Colours by a value of each point. `at(pane)`: the values of a map and, for a point, their place among these.
 * @param {MapData} data @param {string} name @param {Pane[]} panes
 * @param {(pane: Pane) => { values: Values, index: (point: number) => number } | null} at @returns {Coloring} */
function coloringBy(data, name, panes, at) {
  const numbers = [];
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @type {Set<number>} */
  const seen = new Set(); // an item on several maps counts once, unless each map has its own value
  for (const pane of panes) {
    const found = at(pane);
    for (let point = 0; found && point < pane.items.length; point++) {
      const index = found.index(point);
      if (index !== point && seen.has(index)) continue;
      if (index !== point) seen.add(index);
      const text = found.values.text(index);
      if (text === null) continue;
      if (found.values.kind === 'number') numbers.push(found.values.number(index));
      if (counts.size <= MOST_KINDS || found.values.kind !== 'number') counts.set(text, (counts.get(text) || 0) + 1);
    }
  }
  const kinds = counts.size <= MOST_KINDS && numbers.every(Number.isInteger); // few whole numbers are names of kinds
  return numbers.length && !kinds ? byScale(data, name, numbers, at) : byKind(name, counts, at);
}

/** @param {MapData} data @param {string} name @param {number[]} numbers
 * @param {(pane: Pane) => { values: Values, index: (point: number) => number } | null} at @returns {Coloring} */
function byScale(data, name, numbers, at) {
  const scale = scaleOf(data);
  const sorted = Float64Array.from(numbers).sort();
  const last = sorted.length - 1;
  /** @param {number} value */
  const step = (value) => { // by rank, so that outliers do not use up the colours
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return Math.min(scale.length - 1, Math.floor((low / Math.max(1, last)) * scale.length));
  };
  const marks = [[0, 'lowest'], [last >> 1, 'median'], [last, 'highest']];
  const legend = marks.map(([place, word]) => {
    const value = sorted[/** @type {number} */ (place)];
    return { color: scale[step(value)], label: numberText(value) + ' (' + word + ')', code: -1 };
  });
  return {
    name, legend, palette: [...scale, styleValue('--faint')],
    codes: (pane) => codesOf(pane, at, (values, i) => {
      const value = values.number(i);
      return Number.isNaN(value) ? scale.length : step(value);
    }, scale.length),
  };
}

/** @param {string} name @param {Map<string, number>} counts
 * @param {(pane: Pane) => { values: Values, index: (point: number) => number } | null} at @returns {Coloring} */
function byKind(name, counts, at) {
  const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_KINDS).map(([text]) => text);
  common.sort((a, b) => Number(a) - Number(b) || a.localeCompare(b, 'en', { numeric: true }));
  const code = new Map(common.map((text, place) => [text, place]));
  const legend = common.map((text, place) => ({ color: `var(--c${place})`, label: shortened(text, 60), code: place }));
  legend.push({ color: 'var(--faint)', label: 'other or unknown', code: common.length });
  return {
    name, legend, palette: kindColors(common.length),
    codes: (pane) => codesOf(pane, at, (values, i) => code.get(values.text(i) ?? '') ?? common.length, common.length),
  };
}

/** @param {Pane} pane
 * @param {(pane: Pane) => { values: Values, index: (point: number) => number } | null} at
 * @param {(values: Values, index: number) => number} codeOf @param {number} unknown */
function codesOf(pane, at, codeOf, unknown) {
  const found = at(pane);
  return Float32Array.from(pane.items, (_, point) => (found ? codeOf(found.values, found.index(point)) : unknown));
}

/** Every way to colour the maps, by name; a column in which no value comes again says nothing by its colours.
 * @param {MapData} data @param {Values[]} columns @param {Pane[]} panes @returns {Map<string, () => Coloring>} */
function coloringsOf(data, columns, panes) {
  const found = new Map([[data.what, () => firstColoring(data)]]);
  for (const values of columns) {
    if (values.kind === 'text' || found.has(values.name)) continue;
    found.set(values.name, () => coloringBy(data, values.name, panes, (pane) => (
      { values, index: (point) => pane.items[point] })));
  }
  for (const name of new Set(panes.flatMap((pane) => pane.measured.map((values) => values.name)))) {
    found.set(name, () => coloringBy(data, name, panes, (pane) => {
      const values = pane.measured.find((one) => one.name === name);
      return values ? { values, index: (point) => point } : null;
    }));
  }
  return found;
}

/** Write a legend whose entries pick out the items of their colour.
 * @param {Element} list @param {LegendEntry[]} entries @param {(code: number, label: string) => void} pick */
function fillLegend(list, entries, pick) {
  list.replaceChildren();
  for (const entry of entries) {
    const line = addLine(list, 'li', '');
    const parent = entry.code < 0 ? line : addButton(line, '', () => pick(entry.code, entry.label));
    addLine(parent, 'i', '', 'key').style.background = entry.color;
    addLine(parent, 'bdi', entry.label);
  }
}
