// The diagram. The document contains only the visible part, so that long traces scroll fast.
const viewport = document.getElementById("viewport");
const sheet = document.getElementById("sheet");
const picture = document.getElementById("picture");
const heads = document.getElementById("heads");
const row = 26;
const headingHeight = 42;
const gutter = 50;
const lifelineHalf = 6;
const cellSize = 19;
const folded = new Set();
let details = false;
let chosen = 0;

// The places of all elements; computed again when a section folds or the window changes.
let layout = null;

function makeLayout() {
  const room = viewport.clientWidth;
  const edge = nodes.length > 4 ? 120 : 195;
  const stepWanted = (room - gutter - 2 * edge) / Math.max(1, nodes.length - 1);
  const step = Math.min(270, Math.max(150, stepWanted));
  const x = nodes.map((_, column) => gutter + edge + column * step);
  const heights = new Float64Array(count + 2);
  const lines = [];
  const headings = [];
  const footers = [];
  let y = 10;
  sections.forEach((section, place) => {
    const from = y;
    if (section.number) {
      headings.push({ place, y });
      y += headingHeight;
    }
    const hidden = section.number && folded.has(place);
    for (let at = section.first; at <= section.last; at += 1) {
      const shown = !hidden && (details || records[at].op !== "d");
      heights[at] = hidden ? from + headingHeight / 2 : y + row / 2;
      if (!shown) continue;
      lines.push(at);
      y += row;
    }
    if (hidden) return;
    const cells = sectionLogs[place];
    footers.push({ place, y: y + row * 0.7 });
    y += cells.some((column) => column.length) ? row * 1.6 : row * 0.5;
  });
  const width = Math.max(room, x.at(-1) + edge);
  layout = { x, heights, lines, headings, footers, width, height: y + 30, step };
  layout.ys = lines.map((at) => heights[at]);
  layout.isLine = new Uint8Array(count + 2);
  for (const at of lines) layout.isLine[at] = 1;
  layout.lifelines = nodes.map((_, column) => lifelineOf(column));
  layout.arrows = arrowBuckets();
  sheet.style.height = `${layout.height}px`;
  sheet.style.width = `${width}px`;
  heads.style.width = `${width}px`;
  picture.setAttribute("width", width);
  picture.setAttribute("height", layout.height);
}

// A lifeline as segments in which the role and the liveness of the node are the same.
function lifelineOf(column) {
  const segments = [];
  let segment = null;
  for (const at of stateRecords[column]) {
    const [liveness, , role] = records[at].state;
    const y = layout.heights[at];
    if (segment && segment.liveness === liveness && segment.role === role) continue;
    if (segment) segment.to = y;
    segment = { liveness, role, from: segment ? y : 0, to: layout.height };
    segments.push(segment);
  }
  return segments.length ? segments
    : [{ liveness: "up", role: "follower", from: 0, to: layout.height }];
}

const bucketHeight = 500;

// Arrows by the range of heights that they cross.
function arrowBuckets() {
  const buckets = new Map();
  for (const id of Object.keys(messages)) {
    const message = messageOf({ message: id });
    if (!message.sent) continue;
    const y1 = layout.heights[message.sent];
    const end = message.handled || message.lost;
    const y2 = end ? layout.heights[end] : y1 + row * 0.6;
    if (y1 === y2) continue;
    const arrow = { ...message, y1, y2 };
    const last = Math.floor(Math.max(y1, y2) / bucketHeight);
    for (let at = Math.floor(Math.min(y1, y2) / bucketHeight); at <= last; at += 1) {
      if (buckets.has(at)) buckets.get(at).push(arrow); else buckets.set(at, [arrow]);
    }
  }
  return buckets;
}

const roleClass = (role) => `role-${role.replace("-", "")}`;
const fixed = (number) => number.toFixed(1);
const clip = (text, characters) => (text.length > characters ? `${text.slice(0, characters - 1)}…` : text);

function beside(x, right, gap) {
  return right ? `x="${fixed(x + gap)}"` : `text-anchor="end" x="${fixed(x - gap)}"`;
}

function arrowSvg({ from, to, category, handled, lost, y1, y2 }) {
  const sign = from < to ? 1 : -1;
  const x1 = layout.x[from] + sign * lifelineHalf;
  const whole = layout.x[to] - sign * (lifelineHalf + 1);
  const x2 = handled ? whole : x1 + (whole - x1) * (lost ? 0.62 : 0.35);
  const inFlight = handled || lost ? "" : " in-flight";
  const line = `<path class="arrow ${category}${inFlight}" d="M${fixed(x1)} ${y1}L${fixed(x2)} ${y2}"/>`;
  if (!handled) return line;
  const angle = Math.atan2(y2 - y1, x2 - x1) * 180 / Math.PI;
  return `${line}<path class="tip ${category}" d="M0 0L-9 -3.8L-9 3.8Z" `
    + `transform="translate(${fixed(x2)} ${y2}) rotate(${fixed(angle)})"/>`;
}

function lifelineSvg(column, top, bottom) {
  const x = layout.x[column];
  let bands = "";
  let bars = "";
  for (const [first, last] of trace.apart[column]) {
    const from = layout.heights[first];
    const to = last ? layout.heights[last] : layout.height;
    if (to < top || from > bottom || to <= from) continue;
    const left = fixed(x - layout.step * 0.47);
    const width = fixed(layout.step * 0.94);
    bands += `<rect class="band" x="${left}" y="${from}" width="${width}" height="${fixed(to - from)}"/>`
      + `<path class="band-line" d="M${left} ${from}h${width}M${left} ${to}h${width}"/>`;
  }
  for (const [place, name, text, first, end] of trace.spans[column]) {
    const from = layout.heights[first];
    const to = end ? layout.heights[end] : layout.height;
    if (to < top || from > bottom || to <= from) continue;
    bars += `<rect class="span span-${name}" x="${fixed(x + lifelineHalf + 2 + place * 5)}" y="${from}" `
      + `width="3.5" height="${fixed(to - from)}" rx="1.5"><title>${escape(text)}</title></rect>`;
  }
  for (const { liveness, role, from, to } of layout.lifelines[column]) {
    if (to < top || from > bottom || to <= from) continue;
    const height = fixed(to - from);
    if (liveness === "down" || liveness === "halted") {
      bars += `<line class="down" x1="${x}" x2="${x}" y1="${from + 4}" y2="${to - 4}"/>`;
      continue;
    }
    const bar = `x="${x - lifelineHalf}" y="${from}" width="${2 * lifelineHalf}" height="${height}" rx="3"`;
    bars += `<rect class="${roleClass(role)}" ${bar}/>`;
    if (liveness === "blocked") bars += `<rect class="blocked" ${bar}/>`;
  }
  return [bands, bars];
}

function cellsSvg(cells, x, y, struck) {
  return cells.map(({ index, term, text, committed }, place) => {
    const left = x + place * (cellSize + 2);
    const top = y - cellSize / 2;
    const colour = termColour(term);
    const fill = committed ? colour : "var(--ground)";
    return `<g><title>entry ${index} of term ${term}: ${escape(text)}</title><rect class="cell" `
      + `x="${fixed(left)}" y="${top}" width="${cellSize}" height="${cellSize}" rx="3.5" `
      + `style="fill:${fill};stroke:${colour}"/><text class="cell-text${committed ? " cell-text-committed" : ""}" `
      + `x="${fixed(left + cellSize / 2)}" y="${y}">${index}</text>`
      + (struck ? `<path class="removed" d="M${fixed(left)} ${top + cellSize}l${cellSize} -${cellSize}"/>` : "")
      + "</g>";
  }).join("");
}

function pillSvg(record, at, y) {
  const text = clip(record.text, 40);
  const width = text.length * (record.op === "r" ? 6.5 : 5.9) + 20;
  // A wide one on the first lifeline would cover the numbers of the records.
  const x = Math.max(layout.x[record.column], gutter + 4 + width / 2);
  const name = record.op === "r" ? "role" : record.category;
  const role = record.op === "r" ? ` ${roleClass(record.state[2])}` : "";
  const cells = removed.get(at) ?? [];
  const struck = cells.slice(0, 6).map(([index, term, text]) => ({ index, term, text }));
  return `<rect class="pill pill-${name}${role}" x="${fixed(x - width / 2)}" y="${y - 9}" `
    + `width="${fixed(width)}" height="18" rx="9"/><text class="pill-text pill-text-${name}" x="${x}" y="${y}">`
    + `${escape(text)}</text>${cellsSvg(struck, x + width / 2 + 6, y, true)}`;
}

function lineSvg(at) {
  const record = records[at];
  const message = messageOf(record);
  const y = layout.heights[at];
  let inner = "";
  if (message && record.op === "s") {
    inner = `<text class="label halo ${message.category}" y="${y - 7}" `
      + `${beside(layout.x[message.from], message.from < message.to, 13)}>${escape(message.label)}</text>`;
  } else if (message && record.op === "l") {
    const wasSent = message.sent > 0;
    const x = layout.x[message.from]
      + (layout.x[message.to] - layout.x[message.from]) * (wasSent ? 0.61 : 0.2);
    const text = wasSent ? record.text : `${record.text}: ${message.label}`;
    inner = `<path class="cross" d="M${fixed(x - 4.5)} ${y - 4.5}l9 9m0 -9l-9 9"/>`
      + `<text class="lost halo" y="${y}" ${beside(x, message.from < message.to, 11)}>${escape(text)}</text>`;
  } else if (message) {
    const x = layout.x[message.to];
    const texts = changes(at);
    if (!message.sent) texts.unshift(`${message.label} from ${nodes[message.from]}`);
    if (record.op !== "h") texts.unshift(record.text);
    inner = `<circle class="dot" cx="${x}" cy="${y}" r="3.4"/><text class="change halo" y="${y}" `
      + `${beside(x, message.from < message.to, 12)}>${escape(clip(texts.join(" · "), 36))}</text>`;
  } else if (record.column >= 0) {
    inner = pillSvg(record, at, y);
  } else {
    inner = `<text class="${record.category === "fault" ? "lost" : "sub"} halo" x="${gutter + 14}" y="${y}">${escape(clip(record.text, 120))}</text>`;
  }
  const mark = at === chosen ? " chosen" : "";
  return `<g class="line${mark}" data-at="${at}" id="e${at}"><rect class="hit" x="0" `
    + `y="${y - row / 2}" width="${layout.width}" height="${row}"/>`
    + `<text class="number" x="${gutter - 6}" y="${y}">${at}</text>${inner}</g>`;
}

function headingSvg({ place, y }) {
  const section = sections[place];
  const closed = folded.has(place);
  const middle = y + headingHeight / 2;
  const events = section.last - section.first + 1;
  const turn = closed ? "" : " rotate(90)";
  return `<g class="heading" data-place="${place}" role="button" tabindex="0" `
    + `aria-expanded="${!closed}"><rect class="heading-ground" x="0" y="${y + 4}" width="${layout.width}" `
    + `height="${headingHeight - 8}"/><line class="rule" x1="0" x2="${layout.width}" y1="${y + 3}" y2="${y + 3}"/>`
    + `<path class="turn" d="M-3 -4L3 0L-3 4Z" transform="translate(17 ${middle})${turn}"/>`
    + `<text class="section halo" x="30" y="${middle}">${section.number}&#160; ${escape(section.title)}`
    + `<tspan class="sub" dx="10">${closed ? `${events} records` : ""}</tspan></text></g>`;
}

// Puts the visible part into the document.
function draw() {
  const top = viewport.scrollTop - 300;
  const bottom = viewport.scrollTop + viewport.clientHeight + 300;
  const lifelines = nodes.map((_, column) => lifelineSvg(column, top, bottom));
  const arrows = new Set();
  for (let at = Math.floor(top / bucketHeight); at <= Math.floor(bottom / bucketHeight); at += 1)
    for (const arrow of layout.arrows.get(at) ?? []) arrows.add(arrow);
  const first = upTo(layout.ys, top);
  const last = upTo(layout.ys, bottom);
  const inView = ({ y }) => y > top - headingHeight && y < bottom;
  const footers = layout.footers.filter(inView).map(({ place, y }) =>
    sectionLogs[place].map((cells, column) =>
      cellsSvg(cells, layout.x[column] - cells.length * (cellSize + 2) / 2, y, false)).join(""));
  const now = chosen && layout.heights[chosen]
    ? `<line class="now" x1="0" x2="${layout.width}" y1="${layout.heights[chosen]}" y2="${layout.heights[chosen]}"/>`
    : "";
  picture.innerHTML = `<defs><pattern id="blocked" width="6" height="6" patternUnits="userSpaceOnUse" `
    + `patternTransform="rotate(45)"><rect width="2.4" height="6" fill="var(--ground)" `
    + `fill-opacity=".75"/></pattern></defs>`
    + `${lifelines.map(([bands]) => bands).join("")}${now}${lifelines.map(([, bars]) => bars).join("")}`
    + `${layout.headings.filter(inView).map(headingSvg).join("")}`
    + `<g class="arrows">${[...arrows].map(arrowSvg).join("")}</g>${footers.join("")}`
    + layout.lines.slice(first, last).map(lineSvg).join("");
}
