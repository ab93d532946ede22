// The trace, and what can be asked of it. Records are numbered from 1, as everywhere.
const trace = JSON.parse(document.getElementById("trace").textContent);
const { nodes, parts, messages } = trace;
const count = trace.records.length;
const keys = ["class", "column", "time", "cause", "words", "op", "message", "state", "log"];
const records = [null, ...trace.records.map((values) =>
  Object.fromEntries(keys.map((key, at) => [key, values[at]])))];
const fields = ["liveness", "minority", "role", "term", "vote", "leader", "base", "last", "lastTerm",
  "durable", "commit", "applied", "failed"];

const escape = (text) => String(text).replace(/[&<>"]/g, (letter) =>
  ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
const messageOf = (record) => {
  const values = messages[record.message];
  if (!values) return null;
  const [from, to, tone, short, long, sent, handled, lost, entries] = values;
  return { from, to, tone, short, long, sent, handled, lost, entries };
};
const termColour = (term) => trace.terms[term % trace.terms.length];

// A record in a line, without its node.
function sentence(sequence) {
  const record = records[sequence];
  const message = messageOf(record);
  if (record.op === "s" && !record.words) return `sends to ${nodes[message.to]}: ${message.long}`;
  if (record.op === "h") return `handles from ${nodes[message.from]}: ${message.long}`;
  if (record.op === "l")
    return `${nodes[message.from]} to ${nodes[message.to]} lost (${record.words}): ${message.short}`;
  return record.words;
}

// Each node's records that tell its state, ascending, for a binary search.
const told = nodes.map(() => []);
const effects = new Map();
for (let sequence = 1; sequence <= count; sequence += 1) {
  const { column, state, cause } = records[sequence];
  if (state && column >= 0) told[column].push(sequence);
  if (!cause) continue;
  if (effects.has(cause)) effects.get(cause).push(sequence); else effects.set(cause, [sequence]);
}

// How many of an ascending list are at most the limit.
function upTo(list, limit) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] <= limit) low = middle + 1; else high = middle;
  }
  return low;
}

function stateAt(column, sequence) {
  const at = upTo(told[column], sequence);
  if (at === 0) return null;
  const values = records[told[column][at - 1]].state;
  return Object.fromEntries(fields.map((field, place) => [field, values[place]]));
}

// Logs, rebuilt from what the nodes handed to their disks; a crash leaves what was durable.
class Logs {
  constructor() {
    this.logs = nodes.map(() => ({ memory: [], durable: [], pending: [] }));
  }

  take(record) {
    if (!record.log || record.column < 0) return;
    const log = this.logs[record.column];
    const [kind, number, from, entries] = record.log;
    const make = (held, change) => {
      while (change.from && held.length && held.at(-1)[0] >= change.from) held.pop();
      for (const entry of change.entries) held.push(entry);
    };
    if (kind === "w") {
      const change = { number, from, entries };
      make(log.memory, change);
      log.pending.push(change);
    } else if (kind === "t") {
      while (log.memory.length && log.memory.at(-1)[0] >= number) log.memory.pop();
    } else if (kind === "d") {
      while (log.pending.length && log.pending[0].number <= number)
        make(log.durable, log.pending.shift());
    } else if (kind === "c") {
      for (const change of log.pending.splice(0, number)) make(log.durable, change);
      log.pending = [];
      log.memory = [...log.durable];
    }
  }

  of(column) {
    return this.logs[column].memory;
  }
}

function logsAt(sequence) {
  const logs = new Logs();
  for (let at = 1; at <= sequence; at += 1) logs.take(records[at]);
  return logs;
}

// What each section leaves in the logs, and what truncations take from them.
const cellsMax = 9;
const strips = [];
const gone = new Map();
{
  const logs = new Logs();
  const shown = nodes.map(() => "");
  let at = 1;
  for (const part of parts) {
    for (; at <= part.last; at += 1) {
      const record = records[at];
      if (record.op === "t") {
        const [, from, last] = record.log;
        gone.set(at, logs.of(record.column).filter(([index]) => index >= from && index <= last));
      }
      logs.take(record);
    }
    strips.push(nodes.map((_, column) => {
      const commit = stateAt(column, part.last)?.commit ?? 0;
      const cells = logs.of(column).slice(-cellsMax)
        .map(([index, term, text]) => ({ index, term, text, kept: index <= commit }));
      const now = JSON.stringify(cells);
      const changed = cells.length > 0 && now !== shown[column];
      shown[column] = now;
      return changed ? cells : [];
    }));
  }
}

// What changed at a record's node since its state was told before.
function changes(sequence) {
  const { column, state } = records[sequence];
  if (!state || column < 0) return [];
  const before = stateAt(column, sequence - 1);
  const after = stateAt(column, sequence);
  if (!before) return [];
  const said = [];
  if (before.term !== after.term) said.push(`term ${after.term}`);
  if (before.vote !== after.vote && after.vote) said.push(`votes n${after.vote}`);
  if (before.last !== after.last || before.lastTerm !== after.lastTerm)
    said.push(`log ${after.last}@t${after.lastTerm}`);
  if (before.commit !== after.commit) said.push(`commit ${after.commit}`);
  return said;
}
