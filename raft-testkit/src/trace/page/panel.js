// The panel beside the diagram, the slider below it, and all controls.
const panel = document.getElementById("panel");
const time = document.getElementById("time");
const where = document.getElementById("where");
const play = document.getElementById("play");

const link = (at, text) => `<a href="#e${at}">${text ?? `#${at}`}</a>`;
const nodeName = (number) => (number ? `n${number}` : "-");
const at = (column) => (column >= 0 ? nodes[column] : "");

function timeText(nanos) {
  if (nanos === 0) return "0";
  return nanos < 1e6 ? `${nanos / 1e3} µs` : `${(nanos / 1e6).toFixed(3)} ms`;
}

function messageHtml(message) {
  const path = [
    message.sent ? `sent ${link(message.sent)}` : "",
    message.handled ? `handled ${link(message.handled)}` : "",
    message.lost ? `lost ${link(message.lost)}` : "",
  ].filter(Boolean).join(", ");
  const rows = message.entries.map(([index, term, text]) =>
    `<tr><td><i style="background:${termColour(term)}"></i>${index}</td><td>t${term}</td>`
    + `<td class="text">${escape(text)}</td></tr>`).join("");
  const table = rows && `<table class="entries"><tr><th>entry</th><th>term</th><th>payload</th></tr>${rows}</table>`;
  return `<h3>message</h3><p class="message ${message.category}"><b>${nodes[message.from]} &rarr; `
    + `${nodes[message.to]}</b> ${escape(message.description)}</p><p class="faint">${path}</p>${table}`;
}

function causesHtml(sequence) {
  const chain = [];
  for (let next = records[sequence].cause; next && chain.length < 200; next = records[next].cause)
    chain.push(next);
  const item = (one) =>
    `<li>${link(one)} <b>${at(records[one].column)}</b> ${escape(describe(one))}</li>`;
  const shown = chain.slice(0, 6).map(item).join("");
  const more = chain.length > 6
    ? `<details><summary>${chain.length - 6} more causes</summary><ol>${chain.slice(6).map(item).join("")}</ol></details>`
    : "";
  const caused = effects.get(sequence) ?? [];
  return (chain.length ? `<h3>causes</h3><ol>${shown}</ol>${more}` : "")
    + (caused.length ? `<h3>effects</h3><ol>${caused.slice(0, 8).map(item).join("")}</ol>` : "");
}

function nodesHtml(sequence) {
  const rows = nodes.map((name, column) => {
    const state = stateAt(column, sequence);
    if (!state) return `<tr><td><b>${name}</b></td><td class="faint" colspan="7">no record yet</td></tr>`;
    const up = state.liveness === "up";
    const role = up ? state.role : state.liveness;
    const chip = up ? roleClass(state.role) : "role-down";
    const mine = records[sequence]?.column === column ? " class=\"mine\"" : "";
    const failed = state.failed ? ` <span class="bad" title="the state machine failed at this entry">!${state.failed}</span>` : "";
    return `<tr${mine}><td><b>${name}</b></td><td><i class="${chip}"></i>${role}`
      + `${state.minority ? " <span class=\"bad\">minority</span>" : ""}</td><td>${state.term}</td>`
      + `<td>${nodeName(state.vote)}</td><td>${nodeName(state.leader)}</td>`
      + `<td>${state.last ? `${state.last}@t${state.lastTerm}` : "-"}</td><td>${state.durable}</td>`
      + `<td>${state.commit}</td><td>${state.applied}${failed}</td></tr>`;
  }).join("");
  return `<h3>nodes at ${sequence ? `#${sequence}` : "the start"}</h3><div class="wide"><table><tr><th></th>`
    + "<th>role</th><th>term</th><th>vote</th><th>leader</th><th>last</th><th>durable</th>"
    + `<th>commit</th><th>applied</th></tr>${rows}</table></div>`;
}

function logsHtml(sequence) {
  const logs = logsAt(sequence);
  const rows = nodes.map((name, column) => {
    const state = stateAt(column, sequence);
    const log = logs.entries(column);
    const cells = log.slice(-24).map(([index, term, text]) => {
      const committed = state && index <= state.commit;
      const notDurable = state && index > state.durable ? " not-durable" : "";
      const colour = termColour(term);
      return `<span class="entry${notDurable}" title="entry ${index} of term ${term}: ${escape(text)}" `
        + `style="border-color:${colour};${committed ? `background:${colour};color:#fff` : ""}">${index}</span>`;
    }).join("");
    const before = log.length > 24 ? `<span class="faint">${log.length - 24} earlier</span>` : "";
    return `<div class="log"><b>${name}</b><span>${before}${cells || "<span class=\"faint\">empty</span>"}</span></div>`;
  }).join("");
  return `<h3>logs</h3>${rows}<p class="faint">colour: term; filled: committed; dashed: not durable</p>`;
}

function sectionHtml(sequence) {
  const section = sections.find(({ first, last }) => sequence <= last && sequence >= first - 1) ?? sections[0];
  if (!section?.number) return "";
  const list = (title, features) => (features.length
    ? `<p class="faint">${title} ${features.map(([path, name]) =>
      `<span class="feature" title="${escape(path)}">${escape(name)}</span>`).join(" ")}</p>` : "");
  const more = section.description ? `<p>${escape(section.description)}</p>` : "";
  return `<p class="where">section ${section.number}: ${escape(section.title)}</p>${more}`
    + `${list("uses", section.uses)}${list("tests", section.tests)}`;
}

function showPanel() {
  const record = records[chosen];
  const message = record && messageOf(record);
  const what = record
    ? `<h2><a href="#e${chosen}">#${chosen}</a> <b>${at(record.column)}</b> ${escape(describe(chosen))}</h2>`
      + `<p class="faint">at ${timeText(record.time)}${changes(chosen).length
        ? `; changed: ${escape(changes(chosen).join(", "))}` : ""}</p>`
    : `<h2>Before the first record</h2><p class="faint">Click a record or move the slider.</p>`;
  panel.innerHTML = `${sectionHtml(Math.max(1, chosen))}${what}${message ? messageHtml(message) : ""}`
    + `${nodesHtml(chosen)}${logsHtml(chosen)}${record ? causesHtml(chosen) : ""}`;
}

function showHeads() {
  heads.innerHTML = nodes.map((name, column) => {
    const state = stateAt(column, chosen || 1);
    const up = !state || state.liveness === "up";
    const role = up ? state?.role ?? "follower" : state.liveness;
    return `<div class="node" style="left:${layout.x[column]}px"><b>${name}</b>`
      + `<span class="${up ? roleClass(role) : "role-down"}">${role}${state ? ` t${state.term}` : ""}</span></div>`;
  }).join("");
}

// Selects a record: 0 is before the first.
function choose(sequence, { scroll = true, hash = true } = {}) {
  chosen = Math.max(0, Math.min(count, sequence));
  const place = sections.findIndex(({ first, last }) => chosen >= first && chosen <= last);
  if (folded.delete(place)) makeLayout();
  if (chosen && records[chosen].op === "d" && !details) setDetails(true);
  time.value = chosen;
  where.textContent = `${chosen} / ${count}`;
  if (scroll && chosen) {
    const y = layout.heights[chosen];
    const { scrollTop, clientHeight } = viewport;
    if (y < scrollTop + 70 || y > scrollTop + clientHeight - 70)
      viewport.scrollTop = y - clientHeight / 2;
  }
  if (hash) history.replaceState(null, "", chosen ? `#e${chosen}` : location.pathname + location.search);
  showHeads();
  draw();
  showPanel();
}

// Selects the next record that has a line.
function step(by) {
  let next = chosen + by;
  while (next > 0 && next <= count && !layout.isLine[next]) next += by;
  if (next >= 0 && next <= count) choose(next);
  return next < count;
}

function setDetails(on) {
  details = on;
  document.getElementById("details").checked = on;
  makeLayout();
}

function toggle(place) {
  if (!folded.delete(place)) folded.add(place);
  makeLayout();
  draw();
}

let playing = 0;
function pause() {
  clearInterval(playing);
  playing = 0;
  play.textContent = "play";
}

function playOrPause() {
  if (playing) return pause();
  if (chosen >= count) choose(0);
  play.textContent = "pause";
  playing = setInterval(() => { if (!step(1)) pause(); }, 350);
}

function fromHash() {
  const target = /^#e(\d+)$/.exec(location.hash);
  if (target && Number(target[1]) !== chosen) choose(Number(target[1]), { hash: false });
}

document.getElementById("title").textContent = trace.title || trace.scenario;
document.getElementById("about").textContent = trace.description;
time.max = count;
time.addEventListener("input", () => choose(Number(time.value)));
document.getElementById("first").addEventListener("click", () => choose(1));
document.getElementById("last").addEventListener("click", () => choose(count));
document.getElementById("back").addEventListener("click", () => step(-1));
document.getElementById("next").addEventListener("click", () => step(1));
play.addEventListener("click", playOrPause);
document.getElementById("details").addEventListener("change", ({ target }) => {
  setDetails(target.checked);
  draw();
});
document.getElementById("fold").addEventListener("click", ({ target }) => {
  const open = sections.some(({ number }, place) => number && !folded.has(place));
  folded.clear();
  if (open) sections.forEach((_, place) => folded.add(place));
  target.textContent = open ? "unfold all" : "fold all";
  makeLayout();
  draw();
});
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
picture.addEventListener("click", ({ target }) => {
  const heading = target.closest(".heading");
  const line = target.closest(".line");
  if (heading) toggle(Number(heading.dataset.place));
  else if (line) choose(Number(line.dataset.at), { scroll: false });
});
const steps = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 };
addEventListener("keydown", (event) => {
  const heading = document.activeElement?.closest?.(".heading");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (heading && (event.key === "Enter" || event.key === " ")) toggle(Number(heading.dataset.place));
  else if (document.activeElement?.matches?.("input, button")) return;
  else if (steps[event.key]) step(steps[event.key]);
  else if (event.key === "Home") choose(1);
  else if (event.key === "End") choose(count);
  else if (event.key === " ") playOrPause();
  else return;
  event.preventDefault();
});
let waiting = false;
viewport.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
});
addEventListener("resize", () => { makeLayout(); choose(chosen, { hash: false }); });
addEventListener("hashchange", fromHash);

makeLayout();
choose(0, { hash: false });
fromHash();
document.documentElement.dataset.drawn = performance.now().toFixed(0);
