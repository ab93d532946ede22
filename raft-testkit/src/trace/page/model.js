// The trace and its lookups. Records are numbered from 1.
const trace = JSON.parse(document.getElementById("trace").textContent);
const { nodes, sections, messages } = trace;
const count = trace.records.length;
const keys = ["category", "column", "time", "cause", "text", "op", "message", "state", "log"];
const records = [null, ...trace.records.map((values) =>
  Object.fromEntries(keys.map((key, at) => [key, values[at]])))];
const fields = ["liveness", "minority", "role", "term", "vote", "leader", "base", "last", "lastTerm",
  "durable", "commit", "applied", "failed"];

const escape = (text) => String(text).replace(/[&<>"]/g, (letter) =>
  ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
const messageOf = (record) => {
  const values = messages[record.message];
  if (!values) return null;
  const [from, to, category, label, description, sent, handled, lost, entries] = values;
  return { from, to, category, label, description, sent, handled, lost, entries };
};
const termColour = (term) => trace.terms[term % trace.terms.length];

// A record in a line, without its node.
function describe(sequence) {
  const record = records[sequence];
  const message = messageOf(record);
  if (record.op === "s" && !record.text) return `sends to ${nodes[message.to]}: ${message.description}`;
  if (record.op === "h") return `handles from ${nodes[message.from]}: ${message.description}`;
  if (record.op === "l")
    return `message ${nodes[message.from]} to ${nodes[message.to]} lost (${record.text}): ${message.label}`;
  return record.text;
}

// The records of each node that have its state, ascending, for binary search.
const stateRecords = nodes.map(() => []);
const effects = new Map();
for (let sequence = 1; sequence <= count; sequence += 1) {
  const { column, state, cause } = records[sequence];
  if (state && column >= 0) stateRecords[column].push(sequence);
  if (!cause) continue;
  if (effects.has(cause)) effects.get(cause).push(sequence); else effects.set(cause, [sequence]);
}

// The number of elements of an ascending list that are at most the limit.
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
  const at = upTo(stateRecords[column], sequence);
  if (at === 0) return null;
  const values = records[stateRecords[column][at - 1]].state;
  return Object.fromEntries(fields.map((field, place) => [field, values[place]]));
}

// The logs, rebuilt from the writes to the disks; a crash leaves the durable entries.
class LogReplay {
  constructor() {
    this.logs = nodes.map(() => ({ memory: [], durable: [], pending: [] }));
  }

  apply(record) {
    if (!record.log || record.column < 0) return;
    const log = this.logs[record.column];
    const [kind, number, from, entries, base, keeps] = record.log;
    const write = (held, change) => {
      if (change.base) held.splice(0, held.length, ...held.filter(([index]) => change.keeps && index > change.base));
      while (change.from && held.length && held.at(-1)[0] >= change.from) held.pop();
      for (const entry of change.entries) held.push(entry);
    };
    if (kind === "w") {
      const change = { number, from, entries, base, keeps };
      write(log.memory, change);
      log.pending.push(change);
    } else if (kind === "b") {
      log.memory = log.memory.filter(([index]) => index > number);
      log.durable = log.durable.filter(([index]) => index > number);
    } else if (kind === "t") {
      while (log.memory.length && log.memory.at(-1)[0] >= number) log.memory.pop();
    } else if (kind === "d") {
      while (log.pending.length && log.pending[0].number <= number)
        write(log.durable, log.pending.shift());
    } else if (kind === "c") {
      for (const change of log.pending.splice(0, number)) write(log.durable, change);
      log.pending = [];
      log.memory = [...log.durable];
    }
  }

  entries(column) {
    return this.logs[column].memory;
  }
}

function logsAt(sequence) {
  const logs = new LogReplay();
  for (let at = 1; at <= sequence; at += 1) logs.apply(records[at]);
  return logs;
}

// The logs that each section changed, and the entries that truncations remove.
const cellsMax = 9;
const sectionLogs = [];
const removed = new Map();
{
  const logs = new LogReplay();
  const shown = nodes.map(() => "");
  let at = 1;
  for (const section of sections) {
    for (; at <= section.last; at += 1) {
      const record = records[at];
      if (record.op === "t") {
        const [, from, last] = record.log;
        removed.set(at, logs.entries(record.column).filter(([index]) => index >= from && index <= last));
      }
      logs.apply(record);
    }
    sectionLogs.push(nodes.map((_, column) => {
      const commit = stateAt(column, section.last)?.commit ?? 0;
      const cells = logs.entries(column).slice(-cellsMax)
        .map(([index, term, text]) => ({ index, term, text, committed: index <= commit }));
      const now = JSON.stringify(cells);
      const changed = cells.length > 0 && now !== shown[column];
      shown[column] = now;
      return changed ? cells : [];
    }));
  }
}

// What changed at the node of a record since the record before with its state.
function changes(sequence) {
  const { column, state } = records[sequence];
  if (!state || column < 0) return [];
  const before = stateAt(column, sequence - 1);
  const after = stateAt(column, sequence);
  if (!before) return [];
  const texts = [];
  if (before.term !== after.term) texts.push(`term ${after.term}`);
  if (before.vote !== after.vote && after.vote) texts.push(`vote for n${after.vote}`);
  if (before.last !== after.last || before.lastTerm !== after.lastTerm)
    texts.push(`log ${after.last}@t${after.lastTerm}`);
  if (before.commit !== after.commit) texts.push(`commit ${after.commit}`);
  return texts;
}
