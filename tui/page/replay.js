"use strict";
(() => {
  const page = JSON.parse(document.getElementById("replay").textContent);
  const { nodes, events, texts } = page;
  const last = events.length;
  const SNAPSHOT = 500; // events between the kept states, so that a jump applies no more than so many
  const LISTED = 200; // rows of a table
  const [V, N, SAMPLES, SCORE, KIND, ANSWER] = [0, 1, 2, 3, 4, 5];
  const SIGNS = ["○", "●", "◆", "✓", "✗"];
  const FINISHED = 2;
  const NEW = [0, 0, 0, null, 0, null];
  const COLORS = {
    "selected": "--accent", "expanded": "--soft", "extended": "--soft", "judged": "--mark", "scored": "--lines",
    "rolled-out": "--term", "backed-up": "--lines", "verified": "--good", "stopped": "--bad",
  };
  const WEIGHT = [ // what a cell of many events shows: the first of these
    "stopped", "verified", "rolled-out", "selected", "extended", "expanded", "judged", "backed-up", "scored",
  ];

  const id = (name) => document.getElementById(name);
  const number = (value) => value.toLocaleString("en");
  function figure(value, digits = 3) {
    if (value === null || value === undefined) return "-";
    const small = value !== 0 && Math.abs(value) < 10 ** -digits / 2;
    return small ? value.toExponential(0) : value.toFixed(digits);
  }

  function make(tag, style, ...parts) {
    const made = document.createElement(tag);
    if (style) made.className = style;
    made.append(...parts.map((part) => (typeof part === "number" ? String(part) : part)));
    return made;
  }

  function table(columns, rows) {
    const cells = (tag, values) => values.map((value, place) => make(tag, columns[place][1], value ?? "-"));
    const made = make("table", "", make("tr", "", ...cells("th", columns.map((column) => column[0]))));
    made.append(...rows.slice(0, LISTED).map(([style, ...values]) => make("tr", style, ...cells("td", values))));
    if (rows.length > LISTED) made.append(make("tr", "", make("td", "soft", `${number(rows.length - LISTED)} more`)));
    return made;
  }

  const name = (node) => (node ? `#${node}` : "the root");
  const textOf = (node) => (nodes[node][1] === null ? "problem" : texts[nodes[node][1]]);

  // What the tree was after any number of events.
  let position = -1;
  let state = [NEW];
  let before = new Map(); // the nodes that the last event changed, as they were
  const kept = [[NEW]];

  function apply(place) {
    const event = events[place];
    before = new Map();
    while (state.length < event.nodes) state.push(NEW);
    for (const [node, ...values] of event.changes) {
      before.set(node, state[node]);
      state[node] = state[node].map((value, field) => values[field] ?? value);
    }
    if ((place + 1) % SNAPSHOT === 0 && kept.length === (place + 1) / SNAPSHOT) kept.push(state.slice());
  }

  function moveTo(wanted) {
    if (wanted !== position + 1) {
      const from = Math.min(Math.floor(Math.max(wanted - 1, 0) / SNAPSHOT), kept.length - 1);
      state = kept[from].slice();
      before = new Map();
      for (let place = from * SNAPSHOT; place < wanted; place++) apply(place);
    } else if (wanted > 0) {
      apply(wanted - 1);
    }
    position = wanted;
  }

  // What holds at each position: the round, the answer so far and how answers stand, by the event that told it last.
  const rounds = [], solutions = [], changes = [], answerAt = [null], standingsAt = [null], selectedAt = [null];
  events.forEach((event, place) => {
    if (event.kind === "selected") rounds.push(place + 1);
    if (event.answer !== undefined && event.answer?.[0] !== answerAt[place]?.[0]) changes.push(place + 1);
    if (event.kind === "judged" && event.changes.some((change) => change[1 + KIND] >= FINISHED)) solutions.push(place + 1);
    answerAt.push(event.answer === undefined ? answerAt[place] : event.answer);
    standingsAt.push(event.standings === undefined ? standingsAt[place] : event.standings);
    selectedAt.push(event.kind === "selected" ? event.node : selectedAt[place]);
  });

  function ancestors(node) {
    const found = [];
    for (let at = node; at !== null; at = nodes[at][0]) found.push(at);
    return found;
  }

  // The tree: a row for each node, in the order in which a tree is read; nodes only join, so the order stays.
  const rows = [];
  const drawn = [];
  let chosen = 0;

  function buildTree() {
    const children = nodes.map(() => []);
    nodes.forEach((node, place) => { if (place) children[node[0]].push(place); });
    const waiting = [[0, 0]];
    const all = document.createDocumentFragment();
    while (waiting.length) {
      const [node, level] = waiting.pop();
      all.append(buildRow(node, level));
      const deeper = level + (children[node].length > 1 ? 1 : 0); // only branches are indented
      for (const child of children[node].reverse()) waiting.push([child, deeper]);
    }
    id("tree").append(all);
  }

  function buildRow(node, level) {
    const row = make("div", "row", make("span", "sign"), make("span", "meter", make("span")), make("span", "v"),
      make("span", "n"), make("span", "kind"), make("span", "text", `${node ? `#${node} ` : ""}${textOf(node).slice(0, 300)}`));
    row.children[4].style.marginInlineStart = `${Math.min(level, 30) * 0.8}em`;
    if (nodes[node][5] === 1 && node) row.append(make("span", "note good", "right way"));
    if (nodes[node][5] === 2) row.append(make("span", "note bad", "← left the right way"));
    row.setAttribute("role", "treeitem");
    row.setAttribute("aria-level", String(level + 1));
    row.addEventListener("click", () => choose(node));
    rows[node] = row;
    return row;
  }

  function drawRow(node, sign, onWay) {
    const now = state[node];
    const key = `${sign}${onWay}${node === chosen}`;
    if (drawn[node] && drawn[node][0] === now && drawn[node][1] === key) return;
    drawn[node] = [now, key];
    const row = rows[node];
    row.hidden = now === undefined;
    if (now === undefined) return;
    const [signs, meter, value, count, kind] = row.children;
    const known = now[SCORE] !== null || now[N] > 0;
    signs.textContent = sign;
    meter.firstChild.style.width = `${known ? 100 * Math.min(Math.max(now[V], 0), 1) : 0}%`;
    meter.firstChild.className = now[V] < 1 / 3 ? "low" : now[V] < 2 / 3 ? "middle" : "";
    value.textContent = known ? figure(now[V], 2) : "-";
    count.textContent = now[N] ? `N${now[N]}` : `s${now[SAMPLES]}`;
    kind.textContent = SIGNS[now[KIND]];
    kind.className = `kind ${["", "", "mark", "good", "bad"][now[KIND]]}`;
    row.classList.toggle("way", onWay);
    row.classList.toggle("chosen", node === chosen);
  }

  function drawTree() {
    const selected = selectedAt[position];
    const way = new Set(selected === null ? [] : ancestors(selected));
    for (let node = 0; node < nodes.length; node++) {
      drawRow(node, node === selected ? "►" : before.has(node) ? "•" : "", way.has(node));
    }
  }

  // Why: what belongs to the last event, then the vote, then the node under the cursor.
  function bar(value, style, scale) {
    const made = make("span", style);
    made.style.width = `${Math.min(100, Math.max(0, (100 * value) / scale))}%`;
    return made;
  }

  function level(found) {
    const posterior = page.terms === "posterior";
    const terms = page.terms === "exploration";
    const most = posterior ? 1 : Math.max(1e-9, ...found.rows.map((row) => row[4] ?? row[1]));
    const to = found.taken === null ? "a new step" : name(found.taken);
    const rows = found.rows.map(([node, value, visits, extra, total, gain]) => {
      const bars = make("span", "", bar(posterior ? extra : value, "", most), bar(posterior ? 0 : extra ?? 0, "extra", most));
      const closed = (found.closed ?? []).includes(node);
      const style = node === found.taken ? "taken" : closed ? "closed" : "";
      const sum = total === null ? (closed ? "closed" : "") : figure(total);
      return [style, `${node === found.taken ? "▸ " : ""}${name(node)}`, bars, figure(value), terms || posterior ? figure(extra) : "", figure(gain), sum, visits];
    });
    const [extras, sums] = posterior ? ["share", "share · gain"] : terms ? ["exploration", "sum"] : ["", ""];
    const gains = found.rows.some((row) => row[5] !== undefined);
    const columns = [["child", ""], ["", "bars"], ["V", "n"], [extras, "n"], ["gain", "n"], [sums, "n"], ["N", "n"]];
    if (!gains) for (const row of [columns, ...rows]) row.splice(row === columns ? 4 : 5, 1);
    const made = make("div", "", make("h2", "", `${name(found.parent)} → ${to}`), table(columns, rows));
    if (found.undrawn !== undefined) made.append(make("p", "soft", `share ${figure(found.undrawn)} for steps that were not drawn${found.here === undefined ? "" : `; gain of a step here ${figure(found.here)}`}`));
    if (found.margin !== undefined) made.append(make("p", "soft", `${found.margin < 0 ? "behind" : "ahead of"} ${name(found.before)} by ${figure(Math.abs(found.margin))}`));
    if (found.more) made.append(make("p", "soft", `${number(found.more)} more children`));
    return made;
  }

  function samples(why) {
    const rows = why.samples.map(([node, count, joined]) =>
      ["", name(node), textOf(node).slice(0, 200), count, joined ? "new" : "was there", figure(nodes[node][3], 2)]);
    return table([["node", ""], ["step", ""], ["samples", "n"], ["", ""], ["log-prob", "n"]], rows);
  }

  function backup() {
    const rows = [...before].reverse().map(([node, old]) => {
      const now = state[node];
      const moved = now[V] - old[V];
      return ["", name(node), `${old[N]} → ${now[N]}`, `${figure(old[V])} → ${figure(now[V])}`, `${moved < 0 ? "−" : "+"}${figure(Math.abs(moved))}`];
    });
    return table([["node", ""], ["N", "n"], ["V", "n"], ["", "n"]], rows);
  }

  function reasonOf(event) {
    const why = event.why ?? {};
    const parts = [];
    if (why.levels) {
      const words = { exploration: "level by level the child with the largest V + exploration", posterior: "down to the child with the largest share · gain, while that is more than a step here gains" }[page.terms];
      parts.push(make("p", "soft", words ?? "the method has not stored what it compared"));
      if (why.running) parts.push(make("p", "soft", `N counts the visits of ${why.running} running rounds`));
      parts.push(...why.levels.map(level));
      if (why.more) parts.push(make("p", "soft", `${why.more} deeper levels with a choice are left out here`));
      if (!why.levels.length) parts.push(make("p", "soft", "there was no choice on the way"));
    }
    if (why.samples) parts.push(samples(why));
    if (why.steps) {
      parts.push(make("p", "soft", `not in the tree; largest value ${figure(why.best)}`));
      parts.push(table([["value", "n"], ["step", ""]], why.steps.map(([text, value]) => ["", figure(value), make("pre", "", texts[text])])));
    }
    if (event.kind === "backed-up") parts.push(make("p", "soft", "from the leaf to the root: before → after"), backup());
    if (event.kind === "scored") parts.push(table([["node", ""], ["value", "n"], ["step", ""]], event.changes.map(([node]) => ["", name(node), figure(state[node][SCORE]), textOf(node).slice(0, 200)])));
    return parts;
  }

  function standingsTable(rows) {
    const percent = (share) => (share === null ? "-" : `${(100 * share).toFixed(1)} %`);
    const lines = rows.map(([answer, weight, share, count, node]) =>
      ["", answer === null ? "others" : texts[answer].slice(0, 100), figure(weight), percent(share), count, node === null ? "" : name(node)]);
    return make("div", "", make("h2", "", `answers by ${page.rule}`), table([["answer", ""], ["weight", "n"], ["share", "n"], ["solutions", "n"], ["heaviest", ""]], lines));
  }

  function drawReason() {
    const event = events[position - 1];
    const parts = event ? reasonOf(event) : [];
    const round = rounds.findLast((place) => place <= position);
    if (round && round < position) {
      parts.push(make("h2", "", `the selection before, event ${number(round)}: ${name(selectedAt[position])}`));
      parts.push(...reasonOf(events[round - 1]));
    }
    if (standingsAt[position]?.length) parts.push(standingsTable(standingsAt[position]));
    id("reason").replaceChildren(...parts);
  }

  function drawNode() {
    const now = state[chosen] ?? NEW;
    const [parent, , tokens, logprob, ended] = nodes[chosen];
    const facts = [["", "V", figure(now[V])], ["", "score before", figure(now[SCORE])], ["", "N", number(now[N])], ["", "samples", number(now[SAMPLES])]];
    if (parent !== null) facts.push(["", "tokens", number(tokens)], ["", "log-prob", figure(logprob, 2)]);
    if (now[ANSWER] !== null) facts.push(["", "answer", texts[now[ANSWER]].slice(0, 500)]);
    for (const [rule, values] of Object.entries(page.labels)) facts.push(["", `label ${rule}`, figure(values[chosen])]);
    const parts = [make("h2", "", parent === null ? "root" : `node ${chosen} below ${name(parent)}`), table([["", ""], ["", ""]], facts)];
    if (parent !== null) parts.push(make("pre", "", textOf(chosen)));
    if (ended) parts.push(make("p", "soft", "the policy ended its text here"));
    id("node").replaceChildren(...parts);
  }

  // The timeline.
  function drawLine() {
    const canvas = id("line");
    const width = canvas.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    const look = getComputedStyle(document.documentElement);
    const color = (variable) => look.getPropertyValue(variable);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(34 * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const cells = Math.max(1, Math.min(last, Math.floor(width / 3)));
    const best = new Array(cells).fill(WEIGHT.length);
    events.forEach((event, place) => {
      const cell = Math.floor((place * cells) / last);
      best[cell] = Math.min(best[cell], WEIGHT.indexOf(event.kind));
    });
    const step = width / cells;
    best.forEach((kind, cell) => {
      pen.fillStyle = color(COLORS[WEIGHT[kind]] ?? "--lines");
      pen.fillRect(cell * step, 4, Math.max(1, step - (step > 3 ? 1 : 0)), 9);
    });
    const at = (place) => ((place - 0.5) / Math.max(last, 1)) * width;
    pen.font = "12px sans-serif";
    pen.textAlign = "center";
    let edge = -9;
    for (const place of solutions) {
      if (at(place) - edge < 9) continue; // marks that would lie on each other
      edge = at(place);
      const kind = kept.final[events[place - 1].changes[0][0]][KIND];
      pen.fillStyle = color(kind === 3 ? "--good" : kind === 4 ? "--bad" : "--mark");
      pen.fillText(SIGNS[kind], edge, 29);
    }
    pen.fillStyle = color("--mark");
    for (const place of changes) pen.fillRect(at(place) - 1, 15, 2, 4);
    pen.fillStyle = color("--ink");
    pen.fillRect(Math.min(Math.max(at(position), 0), width - 2), 0, 2, 20);
  }

  function drawMoment() {
    const spent = position ? events[position - 1].tokens : 0;
    const round = rounds.filter((place) => place <= position).length;
    id("place").value = position;
    id("place").setAttribute("aria-valuetext", `event ${position} of ${last}`);
    id("where").textContent = `event ${number(position)} of ${number(last)}${rounds.length ? `, selection ${number(round)} of ${number(rounds.length)}` : ""}`;
    id("spent").textContent = `tokens ${number(spent)}${page.budget === null ? "" : ` of ${number(page.budget)}`}`;
    const answer = answerAt[position];
    const sure = answer && answer[2] !== null ? `, confidence ${figure(answer[2])}` : "";
    id("answer").textContent = answer ? `answer so far ${texts[answer[0]].slice(0, 60)} (${name(answer[1])}${sure})` : "no answer so far";
    id("says").textContent = position ? events[position - 1].says : "nothing has happened yet";
    id("play").textContent = playing ? "pause" : "play";
  }

  function show(wanted) {
    const target = Math.min(Math.max(wanted, 0), last);
    if (target !== position) moveTo(target);
    if (chosen >= state.length) chosen = 0;
    drawTree();
    drawReason();
    drawNode();
    drawMoment();
    drawLine();
  }

  function choose(node) {
    chosen = node;
    drawTree();
    drawNode();
    rows[node].scrollIntoView({ block: "nearest" });
  }

  function moveCursor(direction) {
    let row = rows[chosen];
    do row = direction > 0 ? row.nextElementSibling : row.previousElementSibling; while (row && row.hidden);
    if (row) choose(rows.indexOf(row));
  }

  const following = (places) => places.find((place) => place > position) ?? position;
  const preceding = (places) => places.findLast((place) => place < position) ?? position;

  let playing = 0;
  function play() {
    if (playing) {
      clearInterval(playing);
      playing = 0;
    } else {
      if (position === last) show(0);
      playing = setInterval(() => (position === last ? play() : show(position + 1)), 250);
    }
    drawMoment();
  }

  const KEYS = {
    "ArrowLeft": (event) => show(position - (event.shiftKey ? 10 : 1)),
    "ArrowRight": (event) => show(position + (event.shiftKey ? 10 : 1)),
    "Home": () => show(0), "End": () => show(last), " ": play,
    "[": () => show(preceding(rounds)), "]": () => show(following(rounds)),
    "(": () => show(preceding(solutions)), ")": () => show(following(solutions)),
    "a": () => show(following(changes)),
    "ArrowUp": () => moveCursor(-1), "ArrowDown": () => moveCursor(1),
  };

  function explainColors() {
    for (const [kind, variable] of Object.entries(COLORS)) {
      if (!events.some((event) => event.kind === kind)) continue;
      const square = make("i", "square", "■");
      square.style.color = `var(${variable})`;
      id("kinds").append(square, kind.replace("-", " "));
    }
  }

  function listen() {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
      if (event.key === " " && event.target.closest("button, summary")) return; // it presses what is focused
      event.preventDefault();
      KEYS[event.key](event);
    });
    id("place").max = last;
    id("place").addEventListener("input", () => show(Number(id("place").value)));
    id("line").addEventListener("click", (event) => show(Math.ceil((event.offsetX / id("line").clientWidth) * last)));
    const buttons = { start: () => show(0), back: () => show(position - 1), play, next: () => show(position + 1), end: () => show(last) };
    for (const [button, act] of Object.entries(buttons)) id(button).addEventListener("click", act);
    window.addEventListener("resize", drawLine);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLine);
    window.addEventListener("hashchange", fromAddress);
  }

  function fromAddress() {
    const wanted = Number.parseInt(location.hash.slice(1), 10);
    show(Number.isNaN(wanted) ? last : wanted);
  }

  moveTo(last);
  kept.final = state.slice();
  buildTree();
  explainColors();
  listen();
  if (nodes[0][5]) id("notes").append("; the right way leads to a right solution");
  if (page.answersEvery > 1) id("notes").append(`; the answer so far is looked at after one of ${page.answersEvery} events that may change it`);
  fromAddress();
})();
