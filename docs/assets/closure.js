// The closure formula with sliders: light = V · [ I · M(F) ] + L, F = cells + background cells + neuropil.
// Plain JavaScript on layers that were painted once (closure-layers.js): no server, no network.
"use strict";

const SLIDERS = [
  // name, text, least, most, step, start
  ["cells", "planted cells ×", 0, 10, 0.1, 1],
  ["background", "background cells ×", 0, 3, 0.1, 1],
  ["neuropil", "neuropil ×", 0, 3, 0.1, 1],
  ["motion", "motion ×", 0, 1, 0.05, 1],
  ["illumination", "illumination, power", 0, 4, 0.1, 1],
  ["vignette", "vignette, power", 0, 4, 0.1, 1],
  ["leakage", "leaked light ×", 0, 10, 0.1, 1],
  ["light", "photons ×", 0.02, 3, 0.02, 1],
  ["frame", "frame", 0, 39, 1, 0],
];

async function readLayer(layer) {
  const picture = new Image();
  picture.src = layer.url;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const codes = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const values = new Float32Array(layer.frames * layer.height * layer.width);
  for (let i = 0; i < values.length; i++) values[i] = (codes[4 * i] / 255) * layer.top;
  return { ...layer, values };
}

// A layer's value between its pixels; `row` and `column` in pixels of the canvas of `side` pixels.
function between(layer, frame, side, row, column) {
  const scale = layer.height / side;
  const y = Math.min(Math.max((row + 0.5) * scale - 0.5, 0), layer.height - 1.001);
  const x = Math.min(Math.max((column + 0.5) * scale - 0.5, 0), layer.width - 1.001);
  const top = Math.floor(y);
  const left = Math.floor(x);
  const at = (frame * layer.height + top) * layer.width + left;
  const v = layer.values;
  const upper = v[at] + (x - left) * (v[at + 1] - v[at]);
  const lower = v[at + layer.width] + (x - left) * (v[at + layer.width + 1] - v[at + layer.width]);
  return upper + (y - top) * (lower - upper);
}

// Normal numbers, drawn once: the noise stays the same while sliders move, and differs between frames.
function normals(n) {
  let state = 20261126;
  const uniform = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) + 0.5) / 4294967296;
  return Float32Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

function compose(layers, noise, by) {
  const { side, margin } = layers;
  const whole = layers.cells.height;
  const [dy, dx] = layers.shifts[by.frame].map((shift) => shift * by.motion);
  const codes = new Float32Array(side * side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const i = row * side + column;
      const from = [whole, row + margin - dy, column + margin - dx];
      const tissue =
        by.cells * between(layers.cells, by.frame, ...from) +
        by.background * between(layers.background, by.frame, ...from) +
        by.neuropil * between(layers.neuropil, by.frame, ...from);
      const lit = tissue * layers.illumination.values[i] ** by.illumination * layers.vignette.values[i] ** by.vignette;
      const electrons = by.light * layers.electrons * (lit + by.leakage * layers.leakage.values[i]);
      const spread = Math.sqrt(electrons + layers.read_noise_e ** 2);
      const code = Math.round((electrons + spread * noise[(i + 4099 * by.frame) % noise.length]) * layers.codes_per_electron + layers.black_level);
      codes[i] = Math.min(Math.max(code, 0), 255);
    }
  }
  return codes;
}

function show(canvas, codes, stretched) {
  let low = 0;
  let high = 255;
  if (stretched) {
    const sorted = Float32Array.from(codes).sort();
    low = sorted[Math.floor(0.005 * sorted.length)];
    high = Math.max(sorted[Math.floor(0.998 * sorted.length)], low + 1);
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  codes.forEach((code, i) => {
    image.data.fill(Math.max(0, Math.min(255, ((code - low) / (high - low)) * 255)), 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  });
  context.putImageData(image, 0, 0);
  return `black ${low}, white ${high}`;
}

async function closureFigure(place) {
  const layers = { ...CLOSURE_LAYERS };
  for (const name of ["cells", "background", "neuropil", "illumination", "vignette", "leakage"])
    layers[name] = await readLayer(layers[name]);
  const noise = normals(layers.side ** 2);

  place.innerHTML = `<div class="closure-picture"><canvas width="${layers.side}" height="${layers.side}" role="img"
    aria-label="one frame, made of the layers as the sliders say"></canvas><p class="closure-range"></p></div>
    <div class="closure-sliders"></div>`;
  const canvas = place.querySelector("canvas");
  const box = place.querySelector(".closure-sliders");
  const by = {};
  let stretched = true;
  const draw = () => {
    const began = performance.now();
    place.querySelector(".closure-range").textContent = show(canvas, compose(layers, noise, by), stretched);
    place.dataset.drawnInMs = (performance.now() - began).toFixed(1);
  };

  for (const [name, text, min, max, step, start] of SLIDERS) {
    const label = document.createElement("label");
    label.innerHTML = `<span>${text}</span><input type="range" name="${name}" min="${min}" max="${max}" step="${step}"
      value="${start}"><output>${start}</output>`;
    by[name] = start;
    label.querySelector("input").addEventListener("input", (event) => {
      by[name] = Number(event.target.value);
      label.querySelector("output").value = event.target.value;
      draw();
    });
    box.append(label);
  }

  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => act(made));
    box.append(made);
  };
  let playing = null;
  button("play", (made) => {
    if (playing === null) {
      const frame = box.querySelector("input[name=frame]");
      playing = setInterval(() => {
        frame.value = (Number(frame.value) + 1) % layers.shifts.length;
        frame.dispatchEvent(new Event("input"));
      }, 100);
    } else {
      clearInterval(playing);
      playing = null;
    }
    made.textContent = playing === null ? "play" : "stop";
  });
  button("contrast: stretched", (made) => {
    stretched = !stretched;
    made.textContent = stretched ? "contrast: stretched" : "contrast: all 256 codes";
    draw();
  });
  button("reset", () => {
    for (const [name, , , , , start] of SLIDERS) {
      const input = box.querySelector(`input[name=${name}]`);
      input.value = start;
      input.dispatchEvent(new Event("input"));
    }
  });
  draw();
}

document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("closure-figure");
  if (place !== null) closureFigure(place);
});
