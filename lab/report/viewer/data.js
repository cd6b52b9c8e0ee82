// The maps' data (<script id="map-data">, written by lab/report/map_data.py; types.d.ts says what it holds), decoded.

const MISSING = 65535;

/** @param {string} base64 */
function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

/** @param {LayoutData} layout @returns {Layout} */
function layoutOf(layout) {
  /** @param {string} steps */
  const coordinates = (steps) => Float32Array.from(new Uint16Array(bytesOf(steps)), (step) => step / 32767.5 - 1);
  return { name: layout.name, x: coordinates(layout.x), y: coordinates(layout.y) };
}

/** @param {Column} column @returns {Values} */
function valuesOf(column) {
  const { name, kind } = column;
  if (kind === 'number') {
    const numbers = new Float32Array(bytesOf(column.values));
    const text = (/** @type {number} */ i) => (Number.isNaN(numbers[i] ?? NaN) ? null : numberText(numbers[i]));
    return { name, kind, text, number: (i) => numbers[i] ?? NaN };
  }
  if (kind === 'category') {
    const codes = new Uint16Array(bytesOf(column.codes));
    return { name, kind, text: (i) => column.values[codes[i] ?? MISSING] ?? null, number: () => NaN };
  }
  return { name, kind, text: (i) => column.values[i] ?? null, number: () => NaN };
}

/** Whole numbers whole, others with four digits. @param {number} value */
function numberText(value) {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

/** @param {MapData} data @param {PaneData} pane @param {number} place @returns {Pane} */
function paneOf(data, pane, place) {
  const ItemArray = data.wide ? Uint32Array : Uint16Array;
  const items = new ItemArray(bytesOf(pane.items));
  const pointOf = new Int32Array(data.labels.length).fill(-1);
  items.forEach((item, point) => { pointOf[item] = point; });
  const layouts = pane.layouts.map(layoutOf);
  const scores = pane.scores;
  const step = scores ? (scores.high - scores.low) / MISSING : 0;
  return {
    place, items, pointOf, layouts,
    second: pane.second && layoutOf(pane.second),
    shown: layouts[layouts.length - 1],
    neighbors: pane.neighbors ? new ItemArray(bytesOf(pane.neighbors)) : null,
    scores: scores && Float32Array.from(new Uint16Array(bytesOf(scores.steps)), (code) => scores.low + code * step),
    score: pane.score, k: pane.k, named: pane.named,
    measured: pane.measured.map(valuesOf),
    highlighted: null,
    figure: byId('map-' + place), canvas: byId('map-canvas-' + place), labels: byId('map-labels-' + place),
    tip: byId('map-tip-' + place),
    plot: /** @type {any} */ (null),
    waiting: false, drawing: null, next: null,
  };
}

/** The nearest items of a point in the original space, with what the space says of each.
 * @param {Pane} pane @param {number} point @param {number} items
 * @returns {{ item: number, score: number }[]} */
function neighborsOf(pane, point, items) {
  const found = [];
  for (let i = point * pane.k; pane.neighbors && i < (point + 1) * pane.k; i++) {
    if (pane.neighbors[i] < items) found.push({ item: pane.neighbors[i], score: pane.scores ? pane.scores[i] : NaN });
  }
  return found;
}

/** A little picture of an item, or null: sheets of pictures become part of the style sheet when one is first shown.
 * @param {MapData} data @returns {(item: number) => HTMLElement | null} */
function pictureMaker(data) {
  const pictures = data.pictures;
  if (!pictures) return () => null;
  const placeOf = new Map(pictures.items.map((item, place) => [item, place]));
  const { size, across } = pictures;
  /** @type {Set<number>} */
  const ready = new Set();
  return (item) => {
    const place = placeOf.get(item);
    if (place === undefined) return null;
    const sheet = Math.floor(place / across ** 2);
    if (!ready.has(sheet)) {
      const rule = '.sheet-' + sheet + '{background-image:url(' + pictures.sheets[sheet] + ')}';
      addLine(document.head, 'style', rule);
      ready.add(sheet);
    }
    const picture = document.createElement('i');
    picture.className = 'thumbnail sheet-' + sheet;
    const [column, row] = [place % across, Math.floor((place % across ** 2) / across)];
    picture.style.cssText = `width:${size}px;height:${size}px;background-position:${-column * size}px ${-row * size}px`;
    return picture;
  };
}
