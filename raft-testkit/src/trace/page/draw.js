// The picture. Only what is in view is in the document: a long trace scrolls like a short one.
const stage = document.getElementById("stage");
const sheet = document.getElementById("sheet");
const picture = document.getElementById("picture");
const heads = document.getElementById("heads");
const row = 26;
const headingHeight = 42;
const gutter = 50;
const laneHalf = 6;
const cellSize = 19;
const folded = new Set();
let details = false;
let chosen = 0;

// Where everything is: made anew when a section folds or the window changes.
let plan = null;

function makePlan() {
  const room = stage.clientWidth;
  const edge = nodes.length > 4 ? 120 : 195;
  const wish = (room - gutter - 2 * edge) / Math.max(1, nodes.length - 1);
  const step = Math.min(270, Math.max(150, wish));
  const x = nodes.map((_, column) => gutter + edge + column * step);
  const heights = new Float64Array(count + 2);
  const lines = [];
  const headings = [];
  const foots = [];
  let y = 10;
  parts.forEach((part, place) => {
    const from = y;
    if (part.number) {
      headings.push({ place, y });
      y += headingHeight;
    }
    const hidden = part.number && folded.has(place);
    for (let at = part.first; at <= part.last; at += 1) {
      const shown = !hidden && (details || records[at].op !== "d");
      heights[at] = hidden ? from + headingHeight / 2 : y + row / 2;
      if (!shown) continue;
      lines.push(at);
      y += row;
    }
    if (hidden) return;
    const cells = strips[place];
    foots.push({ place, y: y + row * 0.7 });
    y += cells.some((column) => column.length) ? row * 1.6 : row * 0.5;
  });
  const width = Math.max(room, x.at(-1) + edge);
  plan = { x, heights, lines, headings, foots, width, height: y + 30, step };
  plan.ys = lines.map((at) => heights[at]);
  plan.isLine = new Uint8Array(count + 2);
  for (const at of lines) plan.isLine[at] = 1;
  plan.lanes = nodes.map((_, column) => laneOf(column));
  plan.arrows = arrowBuckets();
  sheet.style.height = `${plan.height}px`;
  sheet.style.width = `${width}px`;
  heads.style.width = `${width}px`;
  picture.setAttribute("width", width);
  picture.setAttribute("height", plan.height);
}

// A lane as stretches in which the node looks the same.
function laneOf(column) {
  const stretches = [];
  let look = null;
  for (const at of told[column]) {
    const [liveness, , role] = records[at].state;
    const y = plan.heights[at];
    if (look && look.liveness === liveness && look.role === role) continue;
    if (look) look.to = y;
    look = { liveness, role, from: look ? y : 0, to: plan.height };
    stretches.push(look);
  }
  return stretches.length ? stretches
    : [{ liveness: "up", role: "follower", from: 0, to: plan.height }];
}

const bucketHeight = 500;

// Arrows by the stretch of height that they cross.
function arrowBuckets() {
  const buckets = new Map();
  for (const id of Object.keys(messages)) {
    const message = messageOf({ message: id });
    if (!message.sent) continue;
    const y1 = plan.heights[message.sent];
    const end = message.handled || message.lost;
    const y2 = end ? plan.heights[end] : y1 + row * 0.6;
    if (y1 === y2) continue;
    const arrow = { ...message, y1, y2 };
    const last = Math.floor(Math.max(y1, y2) / bucketHeight);
    for (let at = Math.floor(Math.min(y1, y2) / bucketHeight); at <= last; at += 1) {
      if (buckets.has(at)) buckets.get(at).push(arrow); else buckets.set(at, [arrow]);
    }
  }
  return buckets;
}

const laneClass = (role) => `lane-${role.replace("-", "")}`;
const fixed = (number) => number.toFixed(1);
const clip = (text, letters) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

function beside(x, right, gap) {
  return right ? `x="${fixed(x + gap)}"` : `text-anchor="end" x="${fixed(x - gap)}"`;
}

function arrowSvg({ from, to, tone, handled, lost, y1, y2 }) {
  const sign = from < to ? 1 : -1;
  const x1 = plan.x[from] + sign * laneHalf;
  const whole = plan.x[to] - sign * (laneHalf + 1);
  const x2 = handled ? whole : x1 + (whole - x1) * (lost ? 0.62 : 0.35);
  const open = handled || lost ? "" : " open";
  const line = `<path class="arrow ${tone}${open}" d="M${fixed(x1)} ${y1}L${fixed(x2)} ${y2}"/>`;
  if (!handled) return line;
  const angle = Math.atan2(y2 - y1, x2 - x1) * 180 / Math.PI;
  return `${line}<path class="tip ${tone}" d="M0 0L-9 -3.8L-9 3.8Z" `
    + `transform="translate(${fixed(x2)} ${y2}) rotate(${fixed(angle)})"/>`;
}

function laneSvg(column, top, bottom) {
  const x = plan.x[column];
  let bands = "";
  let bars = "";
  for (const [first, last] of trace.apart[column]) {
    const from = plan.heights[first];
    const to = last ? plan.heights[last] : plan.height;
    if (to < top || from > bottom || to <= from) continue;
    const left = fixed(x - plan.step * 0.47);
    const width = fixed(plan.step * 0.94);
    bands += `<rect class="band" x="${left}" y="${from}" width="${width}" height="${fixed(to - from)}"/>`
      + `<path class="band-line" d="M${left} ${from}h${width}M${left} ${to}h${width}"/>`;
  }
  for (const { liveness, role, from, to } of plan.lanes[column]) {
    if (to < top || from > bottom || to <= from) continue;
    const height = fixed(to - from);
    if (liveness === "down" || liveness === "halted") {
      bars += `<line class="down" x1="${x}" x2="${x}" y1="${from + 4}" y2="${to - 4}"/>`;
      continue;
    }
    const bar = `x="${x - laneHalf}" y="${from}" width="${2 * laneHalf}" height="${height}" rx="3"`;
    bars += `<rect class="${laneClass(role)}" ${bar}/>`;
    if (liveness === "blocked") bars += `<rect class="held" ${bar}/>`;
  }
  return [bands, bars];
}

function cellsSvg(cells, x, y, struck) {
  return cells.map(({ index, term, text, kept }, place) => {
    const left = x + place * (cellSize + 2);
    const top = y - cellSize / 2;
    const colour = termColour(term);
    const fill = kept ? colour : "var(--ground)";
    return `<g><title>entry ${index} of term ${term}: ${escape(text)}</title><rect class="cell" `
      + `x="${fixed(left)}" y="${top}" width="${cellSize}" height="${cellSize}" rx="3.5" `
      + `style="fill:${fill};stroke:${colour}"/><text class="in${kept ? " in-kept" : ""}" `
      + `x="${fixed(left + cellSize / 2)}" y="${y}">${index}</text>`
      + (struck ? `<path class="gone" d="M${fixed(left)} ${top + cellSize}l${cellSize} -${cellSize}"/>` : "")
      + "</g>";
  }).join("");
}

function pillSvg(record, at, y) {
  const x = plan.x[record.column];
  const text = clip(record.words, 40);
  const width = text.length * (record.op === "r" ? 6.5 : 5.9) + 20;
  const name = record.op === "r" ? "role" : record.class;
  const lane = record.op === "r" ? ` ${laneClass(record.state[2])}` : "";
  const cells = gone.get(at) ?? [];
  const struck = cells.slice(0, 6).map(([index, term, words]) => ({ index, term, text: words }));
  return `<rect class="pill pill-${name}${lane}" x="${fixed(x - width / 2)}" y="${y - 9}" `
    + `width="${fixed(width)}" height="18" rx="9"/><text class="on on-${name}" x="${x}" y="${y}">`
    + `${escape(text)}</text>${cellsSvg(struck, x + width / 2 + 6, y, true)}`;
}

function lineSvg(at) {
  const record = records[at];
  const message = messageOf(record);
  const y = plan.heights[at];
  let inner = "";
  if (message && record.op === "s") {
    inner = `<text class="label halo ${message.tone}" y="${y - 7}" `
      + `${beside(plan.x[message.from], message.from < message.to, 13)}>${escape(message.short)}</text>`;
  } else if (message && record.op === "l") {
    const begun = message.sent > 0;
    const x = plan.x[message.from]
      + (plan.x[message.to] - plan.x[message.from]) * (begun ? 0.61 : 0.2);
    const said = begun ? record.words : `${record.words}: ${message.short}`;
    inner = `<path class="cross" d="M${fixed(x - 4.5)} ${y - 4.5}l9 9m0 -9l-9 9"/>`
      + `<text class="lost halo" y="${y}" ${beside(x, message.from < message.to, 11)}>${escape(said)}</text>`;
  } else if (message) {
    const x = plan.x[message.to];
    const said = changes(at);
    if (!message.sent) said.unshift(`${message.short} from ${nodes[message.from]}`);
    if (record.op !== "h") said.unshift(record.words);
    inner = `<circle class="dot" cx="${x}" cy="${y}" r="3.4"/><text class="change halo" y="${y}" `
      + `${beside(x, message.from < message.to, 12)}>${escape(clip(said.join(" · "), 36))}</text>`;
  } else if (record.column >= 0) {
    inner = pillSvg(record, at, y);
  } else {
    inner = `<text class="${record.class === "fault" ? "lost" : "sub"} halo" x="${gutter + 14}" y="${y}">${escape(clip(record.words, 120))}</text>`;
  }
  const mark = at === chosen ? " chosen" : "";
  return `<g class="line${mark}" data-at="${at}" id="e${at}"><rect class="hit" x="0" `
    + `y="${y - row / 2}" width="${plan.width}" height="${row}"/>`
    + `<text class="number" x="${gutter - 6}" y="${y}">${at}</text>${inner}</g>`;
}

function headingSvg({ place, y }) {
  const part = parts[place];
  const closed = folded.has(place);
  const middle = y + headingHeight / 2;
  const events = part.last - part.first + 1;
  const turn = closed ? "" : " rotate(90)";
  return `<g class="heading" data-place="${place}" role="button" tabindex="0" `
    + `aria-expanded="${!closed}"><rect class="veil" x="0" y="${y + 4}" width="${plan.width}" `
    + `height="${headingHeight - 8}"/><line class="rule" x1="0" x2="${plan.width}" y1="${y + 3}" y2="${y + 3}"/>`
    + `<path class="turn" d="M-3 -4L3 0L-3 4Z" transform="translate(17 ${middle})${turn}"/>`
    + `<text class="section halo" x="30" y="${middle}">${part.number}&#160; ${escape(part.title)}`
    + `<tspan class="sub" dx="10">${closed ? `${events} records` : ""}</tspan></text></g>`;
}

// Puts what is in view into the document.
function draw() {
  const top = stage.scrollTop - 300;
  const bottom = stage.scrollTop + stage.clientHeight + 300;
  const lanes = nodes.map((_, column) => laneSvg(column, top, bottom));
  const arrows = new Set();
  for (let at = Math.floor(top / bucketHeight); at <= Math.floor(bottom / bucketHeight); at += 1)
    for (const arrow of plan.arrows.get(at) ?? []) arrows.add(arrow);
  const first = upTo(plan.ys, top);
  const last = upTo(plan.ys, bottom);
  const inView = ({ y }) => y > top - headingHeight && y < bottom;
  const foots = plan.foots.filter(inView).map(({ place, y }) =>
    strips[place].map((cells, column) =>
      cellsSvg(cells, plan.x[column] - cells.length * (cellSize + 2) / 2, y, false)).join(""));
  const now = chosen && plan.heights[chosen]
    ? `<line class="now" x1="0" x2="${plan.width}" y1="${plan.heights[chosen]}" y2="${plan.heights[chosen]}"/>`
    : "";
  picture.innerHTML = `<defs><pattern id="held" width="6" height="6" patternUnits="userSpaceOnUse" `
    + `patternTransform="rotate(45)"><rect width="2.4" height="6" fill="var(--ground)" `
    + `fill-opacity=".75"/></pattern></defs>`
    + `${lanes.map(([bands]) => bands).join("")}${now}${lanes.map(([, bars]) => bars).join("")}`
    + `${plan.headings.filter(inView).map(headingSvg).join("")}`
    + `<g class="arrows">${[...arrows].map(arrowSvg).join("")}</g>${foots.join("")}`
    + plan.lines.slice(first, last).map(lineSvg).join("");
}
