"use strict";
const failures = [];
window.addEventListener("error", (event) => failures.push(String(event.message)));

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const blob = (id, Kind) => {
  const element = byId("blob-" + id);
  if (!element) return null;
  const parts = element.textContent.trim().split("\n").map(atob);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) for (let i = 0; i < part.length; i++) bytes[at++] = part.charCodeAt(i);
  return new Kind(bytes.buffer);
};
const poses = blob("poses", Int16Array);      // x right, y forward, z up, relative to the root
const roots = blob("roots", Float32Array);    // metres
const keypoints = blob("keypoints", Int16Array);
const states = blob("states", Uint8Array);    // 0 detected, 1 bridged, 2 guessed
const truth = blob("truth", Int16Array);
const J = data.joints.length;
const COLOURS = { left: "#0072b2", right: "#d55e00", middle: "#3f4652", truth: "#6e7582" };

const view = { turn: 0.6, tilt: 0.2, zoom: 1 };
let frame = 0, playing = false, last = 0, drawn = 0;

function rowsAt(number) {
  const rows = [];
  for (const span of data.spans) {
    const place = number - span.first;
    if (place >= 0 && place < span.count) rows.push({ row: span.start + place, id: span.id });
  }
  return rows;
}

function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function line(context, from, to, colour, width, alpha, dash) {
  context.globalAlpha = alpha;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = "round";
  context.setLineDash(dash || []);
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function drawSeen(rows) {
  const { context, width, height } = prepared(byId("seen"));
  const [w, h] = data.imageSize;
  const scale = Math.min(width / w, height / h) * 0.98;
  const left = (width - w * scale) / 2, top = (height - h * scale) / 2;
  context.fillStyle = "#fff";
  context.fillRect(left, top, w * scale, h * scale);
  for (const { row, id } of rows) {
    const at = (joint) => {
      const place = 2 * (row * J + joint);
      return [left + keypoints[place] * data.pixelScale * scale, top + keypoints[place + 1] * data.pixelScale * scale];
    };
    let highest = [0, Infinity];
    data.bones.forEach(([parent, child], bone) => {
      const doubt = Math.max(states[row * J + parent], states[row * J + child]);
      line(context, at(parent), at(child), COLOURS[data.sides[bone]], 2.5, [1, 0.6, 0.25][doubt]);
      if (at(child)[1] < highest[1]) highest = at(child);
    });
    label(context, id, highest);
  }
}

function label(context, id, place) {
  if (data.people.length < 2) return;
  context.fillStyle = "#24292f";
  context.font = "bold 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(String(id), place[0], place[1] - 8);
}

function drawSpace(rows) {
  const { context, width, height } = prepared(byId("space"));
  const cosine = Math.cos(view.turn), sine = Math.sin(view.turn);
  const up = Math.cos(view.tilt), over = Math.sin(view.tilt);
  const scale = (0.46 * Math.min(width, height) / data.radius) * view.zoom;
  const [cx, cy, cz] = data.centre;
  const project = (x, y, z) => {
    const a = (x - cx) * cosine + (y - cy) * sine, b = -(x - cx) * sine + (y - cy) * cosine;
    return [width / 2 + scale * a, height / 2 - scale * ((z - cz) * up + b * over), b * up - (z - cz) * over];
  };
  const reach = Math.ceil(data.radius * 1.2);
  for (let tick = -reach; tick <= reach; tick++) {
    line(context, project(cx + tick, cy - reach, data.floor), project(cx + tick, cy + reach, data.floor), "#dde1e6", 1, 1);
    line(context, project(cx - reach, cy + tick, data.floor), project(cx + reach, cy + tick, data.floor), "#dde1e6", 1, 1);
  }
  const strokes = [];
  const labels = [];
  for (const { row, id } of rows) {
    const at = (source, joint) => {
      const place = 3 * (row * J + joint);
      return project(...[0, 1, 2].map((axis) => roots[3 * row + axis] + source[place + axis] * data.scale));
    };
    let highest = [0, Infinity];
    data.bones.forEach(([parent, child], bone) => {
      if (truth && truth[3 * row * J] !== -32768) {
        const from = at(truth, parent), to = at(truth, child);
        strokes.push({ depth: from[2] + to[2], from, to, colour: COLOURS.truth, width: 1.6, alpha: 1, dash: [4, 3] });
      }
      const from = at(poses, parent), to = at(poses, child);
      const doubt = Math.max(states[row * J + parent], states[row * J + child]);
      strokes.push({ depth: from[2] + to[2], from, to, colour: COLOURS[data.sides[bone]], width: 3.5, alpha: [1, 0.7, 0.3][doubt] });
      if (to[1] < highest[1]) highest = to;
    });
    labels.push([id, highest]);
  }
  strokes.sort((one, other) => other.depth - one.depth);
  for (const each of strokes) line(context, each.from, each.to, each.colour, each.width, each.alpha, each.dash);
  for (const [id, place] of labels) label(context, id, place);
}

function boneLength(row, bone) {
  const [parent, child] = data.bones[bone];
  const from = 3 * (row * J + parent), to = 3 * (row * J + child);
  return Math.hypot(poses[from] - poses[to], poses[from + 1] - poses[to + 1], poses[from + 2] - poses[to + 2]) * data.scale;
}

let curves = null;
function measured() {
  const bone = Number(byId("bone").value);
  if (curves && curves.bone === bone) return curves;
  curves = { bone, low: Infinity, high: 0, spans: [] };
  for (const span of data.spans) {
    const step = Math.max(1, Math.floor(span.count / 1500)), points = [];
    for (let place = 0; place < span.count; place += step) {
      const length = boneLength(span.start + place, bone);
      curves.low = Math.min(curves.low, length);
      curves.high = Math.max(curves.high, length);
      points.push([span.first + place, length]);
    }
    curves.spans.push({ id: span.id, points });
  }
  const spare = Math.max(0.005, 0.15 * (curves.high - curves.low));
  curves.low -= spare;
  curves.high += spare;
  return curves;
}

function drawPlot() {
  const { context, width, height } = prepared(byId("plot"));
  const found = measured();
  const x = (number) => 4 + (width - 8) * number / Math.max(1, data.frames - 1);
  const y = (length) => height - 4 - (height - 8) * (length - found.low) / (found.high - found.low);
  found.spans.forEach((span) => {
    context.strokeStyle = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"][data.people.indexOf(span.id) % 6];
    context.lineWidth = 1.5;
    context.beginPath();
    span.points.forEach(([number, length], index) => (index ? context.lineTo(x(number), y(length)) : context.moveTo(x(number), y(length))));
    context.stroke();
  });
  line(context, [x(frame), 0], [x(frame), height], "#24292f", 1, 0.7);
  const now = rowsAt(frame).map(({ row, id }) => (data.people.length > 1 ? `${id}: ` : "") + `${(1000 * boneLength(row, found.bone)).toFixed(0)} mm`);
  byId("plotted").textContent = `Length of the bone to ${data.joints[data.bones[found.bone][1]]}, ${(1000 * found.low).toFixed(0)} to ${(1000 * found.high).toFixed(0)} mm. Now ${now.join(", ") || "nobody"}.`;
}

function draw() {
  const rows = rowsAt(frame);
  drawSeen(rows);
  drawSpace(rows);
  drawPlot();
  byId("frame").value = String(frame);
  byId("time").textContent = `${(frame / data.fps).toFixed(2)} s, frame ${frame}`;
  drawn++;
  document.documentElement.dataset.drawn = String(drawn);
}

function play(on) {
  playing = on;
  byId("play").textContent = on ? "\u275a\u275a" : "\u25b6";
  last = performance.now();
  if (on) requestAnimationFrame(advance);
}

let position = 0;
function advance(now) {
  if (!playing) return;
  position += Math.max(0, now - last) / 1000 * data.fps * Number(byId("speed").value);
  last = now;
  if (position >= data.frames) position = 0;
  if (Math.floor(position) !== frame) {
    frame = Math.floor(position);
    draw();
  }
  requestAnimationFrame(advance);
}

function seek(number) {
  frame = Math.min(data.frames - 1, Math.max(0, Math.round(number)));
  position = frame;
  draw();
}

function listen() {
  byId("play").addEventListener("click", () => play(!playing));
  byId("frame").addEventListener("input", (event) => seek(Number(event.target.value)));
  byId("bone").addEventListener("change", draw);
  window.addEventListener("resize", draw);
  document.addEventListener("keydown", (event) => {
    if (["SELECT", "INPUT", "BUTTON"].includes(event.target.tagName)) return;
    if (event.key === " ") { event.preventDefault(); play(!playing); }
    if (event.key === "ArrowRight") seek(frame + 1);
    if (event.key === "ArrowLeft") seek(frame - 1);
  });
  const plot = byId("plot");
  plot.addEventListener("pointerdown", (event) => seek((event.offsetX - 4) / (plot.clientWidth - 8) * (data.frames - 1)));
  const space = byId("space"), fingers = new Map();
  let spread = 0;
  const apart = () => {
    const [one, other] = [...fingers.values()];
    return Math.hypot(one[0] - other[0], one[1] - other[1]);
  };
  space.addEventListener("pointerdown", (event) => {
    space.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 2) spread = apart();
  });
  space.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 1) {
      view.turn -= (event.clientX - before[0]) * 0.01;
      view.tilt = Math.min(1.57, Math.max(-1.57, view.tilt + (event.clientY - before[1]) * 0.01));
    } else if (fingers.size === 2 && spread > 0) {
      view.zoom = Math.min(20, Math.max(0.1, view.zoom * apart() / spread));
      spread = apart();
    }
    draw();
  });
  for (const kind of ["pointerup", "pointercancel"]) space.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  space.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom = Math.min(20, Math.max(0.1, view.zoom * Math.exp(-event.deltaY * 0.001)));
    draw();
  }, { passive: false });
  space.addEventListener("dblclick", () => { Object.assign(view, { turn: 0.6, tilt: 0.2, zoom: 1 }); draw(); });
}

function ink(id) {
  const canvas = byId(id);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 128 && (pixels[i] < 200 || pixels[i + 2] < 200)) count++;
  return count;
}

// Opened with #check the page tries itself and puts what it found into its title.
function check() {
  const found = { seen: ink("seen"), space: ink("space"), plot: ink("plot") };
  const before = byId("space").toDataURL();
  view.turn += 1;
  draw();
  found.turned = byId("space").toDataURL() !== before;
  seek(data.frames - 1);
  found.end = frame;
  seek(0);
  byId("play").click();
  // The browser asks for pictures when it likes, so a headless one may not: this asks for that
  // of three and a half frames later.
  advance(last + 3500 / data.fps);
  found.played = frame;
  byId("play").click();
  found.failures = failures;
  document.title = "checked " + JSON.stringify(found);
}

byId("frame").max = String(data.frames - 1);
byId("about").textContent = data.about;
data.bones.forEach(([, child], bone) => byId("bone").add(new Option(data.joints[child], String(bone))));
byId("legend").innerHTML = '<span class="left">\u25cf left</span> <span class="right">\u25cf right</span> <span class="middle">\u25cf middle</span>'
  + (truth ? ' <span class="truth">\u25cf true pose</span>' : "") + " \u00b7 faint: bridged or guessed";
listen();
draw();
if (location.hash === "#check") check();
