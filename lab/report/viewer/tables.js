// Tables: each heading sorts its column, a box filters the rows of a long table, a button saves it.

const ROWS_TO_SORT = 3; // fewer rows need no sorting
const ROWS_TO_FILTER = 9;
const UNITS = { s: 1, min: 60, h: 3600, KB: 1e3, MB: 1e6, GB: 1e9, k: 1e3 }; // of a number in a cell

/** The number that a cell begins with, in seconds or bytes where it says so; NaN for a text.
 * @param {string} text */
function numberIn(text) {
  const found = /^([+−-]?(?:\d[\d,]*)?\.?\d+(?:e[+-]?\d+)?)\s*([a-zA-Z]*)/.exec(text.trim());
  if (!found) return NaN;
  const unit = /** @type {Record<string, number>} */ (UNITS)[found[2]] || 1;
  return Number(found[1].replaceAll(',', '').replace('−', '-')) * unit;
}

/** @param {HTMLTableRowElement} row @param {number} column */
function textOf(row, column) {
  const cell = row.cells[column];
  return cell ? (cell.textContent || '').replace(/\s+/g, ' ').trim() : '';
}

/** Negative where `a` comes first: numbers by size, texts by letter; empty cells last, whichever the direction.
 * @param {string} a @param {string} b @param {boolean} numeric @param {number} direction */
function compareCells(a, b, numeric, direction) {
  const [first, second] = [a, b].map((text) => (numeric ? Number.isNaN(numberIn(text)) : !text || text === '–'));
  if (first || second) return Number(first) - Number(second);
  return direction * (numeric ? numberIn(a) - numberIn(b) : a.localeCompare(b, 'en', { numeric: true }));
}

/** @param {HTMLTableElement} table */
function makeSortable(table) {
  const heads = Array.from(table.tHead ? table.tHead.rows[0].cells : []);
  const body = table.tBodies[0];
  const asWritten = Array.from(body.rows);
  heads.forEach((head, column) => {
    const name = (head.textContent || '').trim();
    if (!name) return;
    const texts = asWritten.map((row) => textOf(row, column)).filter((text) => text && text !== '–');
    const numeric = texts.length > 0 && texts.filter((text) => !Number.isNaN(numberIn(text))).length > 0.7 * texts.length;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'sort';
    button.append(...head.childNodes);
    head.append(button);
    // Numbers begin with the greatest, texts with the first letter; a third press brings back the order of the page.
    const directions = numeric ? ['descending', 'ascending', ''] : ['ascending', 'descending', ''];
    button.addEventListener('click', () => {
      const next = directions[(directions.indexOf(head.getAttribute('aria-sort') || '') + 1) % 3];
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      if (next) head.setAttribute('aria-sort', next);
      const direction = next === 'ascending' ? 1 : -1;
      const rows = asWritten.slice();
      if (next) rows.sort((a, b) => compareCells(textOf(a, column), textOf(b, column), numeric, direction));
      body.append(...rows);
    });
  });
}

/** @param {HTMLTableElement} table @param {Element} tools @param {string} label */
function makeFilterable(table, tools, label) {
  const box = document.createElement('input');
  box.type = 'search';
  box.placeholder = 'Filter rows';
  box.setAttribute('aria-label', 'Filter the rows of ' + label);
  tools.append(box);
  const status = addLine(tools, 'span', '', 'note');
  status.setAttribute('role', 'status');
  const rows = Array.from(table.tBodies[0].rows);
  box.addEventListener('input', () => {
    const wanted = box.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(row.textContent || '').toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    status.textContent = wanted ? shown + ' of ' + counted(rows.length, 'row') : '';
  });
}

/** @param {HTMLTableElement} table @param {string} label */
function saveTable(table, label) {
  saveCsv(label, Array.from(table.rows, (row) => Array.from(row.cells, (_, column) => textOf(row, column))));
}

function startTables() {
  for (const table of document.querySelectorAll('main .scroll > table')) {
    if (!(table instanceof HTMLTableElement) || !table.tBodies[0] || table.closest('.words, .cells')) continue;
    const rows = table.tBodies[0].rows.length;
    const scroll = /** @type {HTMLElement} */ (table.parentElement);
    const label = scroll.getAttribute('aria-label') || 'table';
    if (rows < ROWS_TO_SORT) continue;
    makeSortable(table);
    const tools = document.createElement('div');
    tools.className = 'table-tools';
    if (rows >= ROWS_TO_FILTER) makeFilterable(table, tools, label);
    addButton(tools, 'csv', () => saveTable(table, label), 'csv').setAttribute('aria-label', 'Save ' + label + ' as csv');
    scroll.before(tools);
  }
}
