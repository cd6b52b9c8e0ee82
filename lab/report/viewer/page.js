// What the other files share: elements, texts, files to save. Text from the data reaches the page through textContent
// and canvas.fillText only.

/** The element of this id, which the template has put into the page.
 * @param {string} id @returns {any} */
function byId(id) {
  return document.getElementById(id);
}

/** A new element with this text, put at the end of `parent`.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {Element} parent @param {T} tag @param {string} text @param {string} [className]
 * @returns {HTMLElementTagNameMap[T]} */
function addLine(parent, tag, text, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

/** A new button, put at the end of `parent`.
 * @param {Element} parent @param {string} text @param {() => void} act @param {string} [className] */
function addButton(parent, text, act, className) {
  const button = addLine(parent, 'button', text, className);
  button.type = 'button';
  button.addEventListener('click', act);
  return button;
}

/** At most `length` characters, an ellipsis for what is cut.
 * @param {string} text @param {number} length */
function shortened(text, length) {
  if (text.length <= length) return text;
  const characters = Array.from(text);
  return characters.length > length ? characters.slice(0, length - 1).join('') + '…' : text;
}

/** @param {number} count @param {string} thing */
function counted(count, thing) {
  return count.toLocaleString('en') + ' ' + thing + (count === 1 ? '' : 's');
}

/** A value of the page's style sheet, so that light and dark agree with it. @param {string} name */
function styleValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Rows as CSV (RFC 4180). @param {(string | number | null)[][]} rows */
function csvOf(rows) {
  /** @param {string | number | null} cell */
  const quoted = (cell) => {
    const text = cell === null ? '' : String(cell);
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return rows.map((row) => row.map(quoted).join(',')).join('\r\n') + '\r\n';
}

/** Let the reader keep rows as a file. @param {string} name @param {(string | number | null)[][]} rows */
function saveCsv(name, rows) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(['\ufeff', csvOf(rows)], { type: 'text/csv' }));
  link.download = fileName(name) + '.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {string} name */
function fileName(name) {
  return name.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 60).replace(/^-+|-+$/g, '') || 'data';
}
