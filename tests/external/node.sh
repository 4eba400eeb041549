#!/bin/sh
# SPDX-License-Identifier: MIT
# node: buffers, worker threads, child processes, compression, cryptography, an http server.
. "$(dirname "$0")/common.sh"
packages='nodejs'
about='buffers, 4 worker threads, child processes, zlib, crypto, wasm, http on loopback'

script() {
    cat << 'END'
const fs = require('fs'), zlib = require('zlib'), crypto = require('crypto'), http = require('http');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync, fork } = require('child_process');
const hash = (b) => crypto.createHash('sha256').update(b).digest('hex').slice(0, 16);
let seed = 42;
const random = (n) => (seed = (seed * 69069 + 1) & 0x7fffffff) % n;
function churn(rounds) {
  const kept = [];
  let sum = 0;
  for (let i = 0; i < rounds; i++) {
    const b = Buffer.allocUnsafeSlow(1 + random(40000)).fill(i & 255);
    kept[random(300)] = b;
    sum = (sum + b[b.length >> 1] + b.length) % 1000003;
  }
  return sum;
}
if (!isMainThread) {
  seed = workerData;
  parentPort.postMessage([workerData, churn(4000)]);
} else if (process.argv[2] === 'child') {
  process.send([process.argv[3], churn(2000)], () => process.disconnect());
} else main();
async function main() {
  fs.writeFileSync('maps', fs.readFileSync('/proc/self/maps'));
  console.log('churn', churn(20000));
  const text = Buffer.from(Array.from({ length: 40000 }, (_, i) => 'line ' + i * random(97)).join('\n'));
  const packers = [zlib.gzipSync, zlib.deflateRawSync, zlib.brotliCompressSync];
  console.log('zlib', packers.map((f) => hash(f(text).subarray(10))));
  console.log('pbkdf2', crypto.pbkdf2Sync('p', 's', 2000, 32, 'sha512').toString('hex'));
  const workers = [1, 2, 3, 4].map((n) =>
    new Promise((done) => new Worker(__filename, { workerData: n }).on('message', done)));
  console.log('workers', JSON.stringify((await Promise.all(workers)).sort()));
  const children = [1, 2, 3].map((n) =>
    new Promise((done) => fork(__filename, ['child', n]).on('message', done)));
  console.log('children', JSON.stringify((await Promise.all(children)).sort()));
  console.log('program', execFileSync('/bin/echo', ['from a program']).toString().trim());
  // a module that exports add, (a, b) => a + b
  const code = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0,
    7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
  console.log('wasm', (await WebAssembly.instantiate(code)).instance.exports.add(40, 2));
  const server = http.createServer((q, a) => {
    let n = 0;
    q.on('data', (d) => (n += d.length));
    q.on('end', () => a.end('got ' + n));
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const ask = (n) => new Promise((done) => {
    const to = { port: server.address().port, host: '127.0.0.1', method: 'POST' };
    const q = http.request(to, (a) => {
      let s = '';
      a.on('data', (d) => (s += d));
      a.on('end', () => done(s));
    });
    q.end(Buffer.alloc(n, 1));
  });
  const lengths = Array.from({ length: 200 }, (_, i) => i * 997);
  console.log('http', hash((await Promise.all(lengths.map(ask))).join()));
  server.close();
}
END
}
work() {
    script > job.js
    under node job.js > out.log
    mapped_text maps
    cat out.log >> result
}
suite "$@"
