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

// Numbers from base64, the lowest byte first; int8 ones times the scale of their row.
function numbers(base64, type, scales) {
  const view = new DataView(bytesOf(base64).buffer);
  const size = { int8: 1, float16: 2, float32: 4 }[type];
  const values = new Float32Array(view.byteLength / size);
  const row = scales ? values.length / scales.length : 0;
  for (let i = 0; i < values.length; i++) {
    if (type === "int8") values[i] = view.getInt8(i) * scales[Math.floor(i / row)];
    else values[i] = type === "float16" ? half(view.getUint16(2 * i, true)) : view.getFloat32(4 * i, true);
  }
  return values;
}

// A chain as it lies in the page, with its weights as numbers.
function readChain(layers) {
  return layers.map((layer) => ({
    ...layer,
    weight: numbers(layer.weight, layer.type, layer.scales && numbers(layer.scales, "float32")),
    bias: numbers(layer.bias, "float32"),
  }));
}

const count = ([channels, height, width]) => channels * height * width;

// What a chain makes of one input: the outputs of all its layers, whose last is the answer.
function forward(chain, input) {
  const outputs = [];
  for (const layer of chain) outputs.push(activated(layer, LAYERS[layer.kind](layer, outputs.at(-1) ?? input)));
  return outputs;
}

const LAYERS = { linear, conv, deconv, pool };

function activated({ tanh, slope }, values) {
  for (let i = 0; i < values.length; i++) {
    if (tanh) values[i] = Math.tanh(values[i]);
    else if (values[i] < 0) values[i] *= slope;
  }
  return values;
}

function linear({ weight, bias }, x) {
  const y = new Float32Array(bias.length);
  for (let row = 0, at = 0; row < y.length; row++) {
    let sum = bias[row];
    for (let i = 0; i < x.length; i++) sum += weight[at++] * x[i];
    y[row] = sum;
  }
  return y;
}

// Calls meet(small, large, from, to, tap) for each row of pixels of the smaller image and each tap of the kernel that meets the
// larger image: pixels from to to (exclusive) of that row lie at small, those that the tap leads to at large and every stride on.
function eachRow(small, large, size, stride, padding, meet) {
  const [, rows, columns] = small, [, height, width] = large;
  for (let ky = 0; ky < size; ky++) {
    for (let kx = 0; kx < size; kx++) {
      const from = Math.max(0, Math.ceil((padding - kx) / stride));
      const to = Math.min(columns, Math.floor((width - 1 + padding - kx) / stride) + 1);
      for (let y = 0; y < rows; y++) {
        const row = y * stride + ky - padding;
        if (row >= 0 && row < height) meet(y * columns, row * width + kx - padding, from, to, ky * size + kx);
      }
    }
  }
}

// Of a kernel with `taps` = size × size weights for each pair of channels.
function kernel({ weight, bias }, small, large) {
  const taps = weight.length / (small[0] * large[0]);
  return { taps, size: Math.round(Math.sqrt(taps)), small: small[1] * small[2], large: large[1] * large[2] };
}

function conv(layer, x) {
  const { before, after, weight, bias, stride, padding } = layer;
  const { taps, size, small, large } = kernel(layer, after, before);
  const y = new Float32Array(count(after));
  for (let o = 0; o < after[0]; o++) y.fill(bias[o], o * small, (o + 1) * small);
  eachRow(after, before, size, stride, padding, (there, here, from, to, tap) => {
    for (let o = 0; o < after[0]; o++) {
      for (let c = 0; c < before[0]; c++) {
        const w = weight[(o * before[0] + c) * taps + tap], out = o * small + there, at = c * large + here;
        for (let i = from; i < to; i++) y[out + i] += w * x[at + i * stride];
      }
    }
  });
  return y;
}

// The smaller image scattered into the larger one: a transposed convolution, and a convolution's gradient at its input.
function scattered(layer, x, small, large) {
  const { weight, stride, padding } = layer;
  const { taps, size, small: pixels, large: wide } = kernel(layer, small, large);
  const y = new Float32Array(count(large));
  eachRow(small, large, size, stride, padding, (there, here, from, to, tap) => {
    for (let c = 0; c < small[0]; c++) {
      for (let o = 0; o < large[0]; o++) {
        const w = weight[(c * large[0] + o) * taps + tap], at = c * pixels + there, out = o * wide + here;
        for (let i = from; i < to; i++) y[out + i * stride] += w * x[at + i];
      }
    }
  });
  return y;
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

// The gradient of a chain's first output at its input (backpropagation), of what `forward` found there.
function gradient(chain, outputs) {
  let g = new Float32Array(outputs.at(-1).length);
  g[0] = 1;
  for (let at = chain.length - 1; at >= 0; at--) {
    const layer = chain[at], y = outputs[at];
    for (let i = 0; i < g.length; i++) g[i] *= layer.tanh ? 1 - y[i] * y[i] : y[i] > 0 ? 1 : layer.slope;
    g = layer.kind === "linear" ? linearGradient(layer, g) : convGradient(layer, g);
  }
  return g;
}

function linearGradient({ weight, before }, g) {
  const inputs = count(before), x = new Float32Array(inputs);
  for (let row = 0; row < g.length; row++) {
    if (g[row]) for (let i = 0, at = row * inputs; i < inputs; i++) x[i] += weight[at++] * g[row];
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
