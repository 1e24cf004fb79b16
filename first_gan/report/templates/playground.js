"use strict";
// The arithmetic of the playground: G, D and the judge as chains of layers, for one image at a time, and the gradient of D's
// logit at its input. Numbers lie as in torch: images by channel, row and column; weights by output, input, row and column, but
// for a deconv's, by input and output. Batch normalization was folded into the weights before (first_gan/drawing/layers.py).

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// A half-precision number: 1 bit of sign, 5 of exponent, 10 of fraction.
function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

// How many bytes a number takes, and the one at i.
const TYPES = {
  int8: [1, (view, i) => view.getInt8(i)],
  int12: [1.5, twelve],
  float16: [2, (view, i) => half(view.getUint16(2 * i, true))],
  float32: [4, (view, i) => view.getFloat32(4 * i, true)],
};

// A whole number of 12 bits, two of which are in three bytes, the lowest bits first.
function twelve(view, i) {
  const at = 3 * (i >> 1);
  const bits = i % 2 ? (view.getUint8(at + 1) >> 4) | (view.getUint8(at + 2) << 4) : view.getUint8(at) | (view.getUint8(at + 1) << 8);
  return (bits << 20) >> 20; // the sign is the highest of the 12 bits
}

// Numbers from base64, the lowest byte first; whole ones times the scale of their row.
function numbers(base64, type, scales = []) {
  const view = new DataView(bytesOf(base64).buffer), [size, read] = TYPES[type];
  const values = new Float32Array(Math.floor(view.byteLength / size));
  const row = values.length / scales.length;
  for (let i = 0; i < values.length; i++) values[i] = read(view, i) * (scales.length ? scales[Math.floor(i / row)] : 1);
  return values;
}

// A chain as it lies in the page, with its weights as numbers.
function readChain(layers) {
  return layers.map((stored) => {
    const scales = numbers(stored.scales, "float32"), weight = numbers(stored.weight, stored.type, scales);
    const layer = { ...stored, weight, bias: numbers(stored.bias, "float32") };
    return layer.kind.endsWith("conv") ? { ...layer, places: placesOf(layer) } : layer;
  });
}

const count = ([channels, height, width]) => channels * height * width;

// What a chain makes of one input: the outputs of all its layers, whose last is the answer.
function forward(chain, input) {
  const outputs = [];
  for (const layer of chain) outputs.push(activated(layer, LAYERS[layer.kind](layer, outputs.at(-1) ?? input)));
  return outputs;
}

const LAYERS = { linear, conv, deconv, pool, norm: layerNorm, centered: withoutMean };

function activated({ tanh, slope }, values) {
  for (let i = 0; i < values.length; i++) {
    if (tanh) values[i] = Math.tanh(values[i]);
    else if (values[i] < 0) values[i] *= slope;
  }
  return values;
}

function linear({ weight, bias }, x) {
  return bias.map((start, row) => start + dot(weight, row * x.length, x));
}

// The sum of the products of x with the weights from `at` on. Four sums at once, since an addition waits for the one before it.
function dot(weight, at, x) {
  let a = 0, b = 0, c = 0, d = 0, i = 0;
  for (; i + 3 < x.length; i += 4) {
    a += weight[at + i] * x[i];
    b += weight[at + i + 1] * x[i + 1];
    c += weight[at + i + 2] * x[i + 2];
    d += weight[at + i + 3] * x[i + 3];
  }
  for (; i < x.length; i++) a += weight[at + i] * x[i];
  return a + b + c + d;
}

// Adds the weights from `at` on, times a factor, to x.
function addTimes(x, weight, at, factor) {
  for (let i = 0; i < x.length; i++) x[i] += weight[at + i] * factor;
}

// A convolution is a linear layer at each pixel of the smaller image, of a patch of the larger one: for each of its channels the
// square of pixels that the kernel covers. Where in the larger image the numbers of all patches lie, patch by patch; what lies
// outside of it has the place after the last.
function placesOf({ kind, before, after, weight, stride, padding }) {
  const [small, large] = kind === "conv" ? [after, before] : [before, after];
  const [, rows, columns] = small, [channels, height, width] = large;
  const size = Math.round(Math.sqrt(weight.length / (small[0] * channels)));
  const places = new Int32Array(rows * columns * channels * size * size);
  let at = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        for (let ky = 0; ky < size; ky++) {
          for (let kx = 0; kx < size; kx++) {
            const down = y * stride + ky - padding, right = x * stride + kx - padding;
            const inside = down >= 0 && down < height && right >= 0 && right < width;
            places[at++] = inside ? (c * height + down) * width + right : count(large);
          }
        }
      }
    }
  }
  return places;
}

function conv({ before, after, weight, bias, places }, x) {
  const pixels = after[1] * after[2], patch = new Float32Array(places.length / pixels), y = new Float32Array(count(after));
  const padded = new Float32Array(count(before) + 1);
  padded.set(x);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let i = 0, at = pixel * patch.length; i < patch.length; i++) patch[i] = padded[places[at + i]];
    for (let o = 0; o < after[0]; o++) y[o * pixels + pixel] = bias[o] + dot(weight, o * patch.length, patch);
  }
  return y;
}

// The smaller image scattered into the larger one, patch by patch: a transposed convolution, and a convolution's gradient at its input.
function scattered({ weight, places }, x, small, large) {
  const pixels = small[1] * small[2], patch = new Float32Array(places.length / pixels);
  const padded = new Float32Array(count(large) + 1);
  for (let pixel = 0; pixel < pixels; pixel++) {
    patch.fill(0);
    for (let c = 0; c < small[0]; c++) {
      if (x[c * pixels + pixel]) addTimes(patch, weight, c * patch.length, x[c * pixels + pixel]);
    }
    for (let i = 0, at = pixel * patch.length; i < patch.length; i++) padded[places[at + i]] += patch[i];
  }
  return padded.subarray(0, -1);
}

function deconv(layer, x) {
  const y = scattered(layer, x, layer.before, layer.after), pixels = layer.after[1] * layer.after[2];
  for (let i = 0; i < y.length; i++) y[i] += layer.bias[Math.floor(i / pixels)];
  return y;
}

function pool({ before, after, stride }, x) {
  const [, height, width] = before, [, rows, columns] = after;
  const y = new Float32Array(count(after)).fill(-Infinity);
  for (let i = 0; i < y.length; i++) {
    const column = i % columns, row = Math.floor(i / columns) % rows, channel = Math.floor(i / columns / rows);
    for (let tap = 0; tap < stride * stride; tap++) {
      const down = row * stride + Math.floor(tap / stride), right = column * stride + (tap % stride);
      y[i] = Math.max(y[i], x[(channel * height + down) * width + right]);
    }
  }
  return y;
}

// An image without the mean of those that D was trained on.
function withoutMean({ bias }, x) {
  return x.map((value, i) => value - bias[i]);
}

// Layer normalization of a vector.
function layerNorm({ weight, bias }, x) {
  const mean = x.reduce((a, b) => a + b) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const scale = 1 / Math.sqrt(variance + 1e-5); // torch's
  return x.map((value, i) => (value - mean) * scale * weight[i] + bias[i]);
}

// The gradient of a chain's first output at its input (backpropagation), of what `forward` found there.
function gradient(chain, outputs) {
  let g = new Float32Array(outputs.at(-1).length);
  g[0] = 1;
  for (let at = chain.length - 1; at >= 0; at--) {
    const layer = chain[at], y = outputs[at];
    for (let i = 0; i < g.length; i++) g[i] *= layer.tanh ? 1 - y[i] * y[i] : y[i] > 0 ? 1 : layer.slope;
    if (layer.kind !== "centered") g = layer.kind === "linear" ? linearGradient(layer, g) : convGradient(layer, g);
  }
  return g;
}

function linearGradient({ weight, before }, g) {
  const inputs = count(before), x = new Float32Array(inputs);
  for (let row = 0; row < g.length; row++) {
    if (g[row]) addTimes(x, weight, row * inputs, g[row]);
  }
  return x;
}

function convGradient(layer, g) {
  if (layer.kind === "conv") return scattered(layer, g, layer.after, layer.before);
  throw new Error(`no gradient of ${layer.kind}`);
}

const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// Pixels 0 to 255 from numbers in [-1, 1], rounded to even as torch rounds.
function toPixels(image) {
  return Uint8ClampedArray.from(image, (value) => (value + 1) * 127.5); // which rounds halves to even, and clamps
}
