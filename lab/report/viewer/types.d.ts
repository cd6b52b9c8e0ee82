// What the viewer's files read and call, for the type checker alone (`tsc --noEmit --checkJs`); no part of a page.

/** Numbers or texts of the items: what a map can be coloured by, and what is said of an item. */
type Column =
  | { name: string; kind: 'number'; values: string } // base64 of float32, NaN where unknown
  | { name: string; kind: 'category'; values: string[]; codes: string } // base64 of uint16, 65535 where unknown
  | { name: string; kind: 'text'; values: (string | null)[] };

/** Base64 of uint16: a coordinate from -1 to 1 in 65,535 steps. */
interface LayoutData { name: string; x: string; y: string }

interface PaneData {
  items: string; // base64: point → item
  layouts: LayoutData[]; // the last is shown first
  second: LayoutData | null; // from another seed
  neighbors: string | null; // base64: `k` items a point
  scores: { low: number; high: number; steps: string } | null; // base64 of uint16, as many as neighbours
  score: 'similarity' | 'distance';
  k: number;
  named: boolean; // whether labels are written on the map
  measured: Column[]; // one value a point
}

interface MapData {
  labels: string[]; // of all items; those on a map come first
  wide: boolean; // whether item numbers have four bytes instead of two
  columns: Column[]; // one value an item on a map
  colors: string; // base64 of uint8: an item's colour as the page was made, `colorCount` where it has none
  colorCount: number;
  palette: string[] | null; // null: the style sheet's --c0, --c1 …
  what: string; // what these colours show
  scale: string[]; // colours for numbers, from low to high
  pictures: { size: number; across: number; items: number[]; sheets: string[] } | null;
  panes: PaneData[];
}

interface Layout { name: string; x: Float32Array; y: Float32Array }

/** A column ready for use: `text(i)` as it is said of item (or point) i, `number(i)` NaN where there is none. */
interface Values {
  name: string;
  kind: 'number' | 'category' | 'text';
  text(i: number): string | null;
  number(i: number): number;
}

interface Pane {
  place: number;
  items: ArrayLike<number>;
  pointOf: Int32Array; // item → point, -1 where it is not on this map
  layouts: Layout[];
  second: Layout | null;
  shown: Layout;
  neighbors: ArrayLike<number> | null;
  scores: Float32Array | null;
  score: string;
  k: number;
  named: boolean;
  measured: Values[];
  highlighted: number[] | null; // points, in the order in which they get labels; null: none
  figure: HTMLElement;
  canvas: HTMLCanvasElement;
  labels: HTMLCanvasElement;
  tip: HTMLElement;
  plot: Scatterplot;
  waiting: boolean; // for a frame, to draw labels in
  drawing: Promise<void> | null; // while points are being drawn
  next: { coloring: Coloring; moved: boolean } | null; // what is drawn after that
}

interface LegendEntry { color: string; label: string; code: number }

/** Colours of all maps: `codes(pane)` one a point, places in `palette`. */
interface Coloring { name: string; codes(pane: Pane): Float32Array; palette: string[]; legend: LegendEntry[] | null }

interface Quiet { preventEvent: boolean }

/** The part of regl-scatterplot that is used. */
interface Scatterplot {
  draw(points: { x: Float32Array; y: Float32Array; valueA: Float32Array }, options?: object): Promise<void>;
  set(properties: object): void;
  get(name: string): any;
  select(points: number[], options?: Quiet): void;
  deselect(options?: Quiet): void;
  hover(point: number | undefined, options?: Quiet): void;
  getScreenPosition(point: number): [number, number] | undefined;
  zoomToLocation(target: number[], distance: number, options?: object): void;
  reset(): void;
  redraw(): void;
  subscribe(event: string, handler: (value: any) => void, times?: number): void;
}

declare const createScatterplot: { default(properties: object): Scatterplot; createRenderer(): object };
