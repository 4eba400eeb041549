#!/bin/sh
# SPDX-License-Identifier: MIT
# Chromium without a screen, with its sandbox on. It has an allocator of its own: that the library
# is in its processes, before and after their sandbox closes, is what this is about.
. "$(dirname "$0")/common.sh"
packages='chromium chromium-sandbox fonts-dejavu-core'
about='a local page with scripts, canvas, buffers and svg rendered in the sandbox; DOM and picture'
limit=240

browser="chromium --headless --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage"
# shellcheck disable=SC2086
browse() { under $browser --user-data-dir="$work/profile" "$@"; }
page() {
    cat << 'END'
<!DOCTYPE html><meta charset="utf-8"><title>page</title><body><h1>Heading</h1><canvas id="c" width="200" height="100"></canvas>
<div id="out">nothing yet</div><script>
const say = (...w) => document.getElementById('out').append(Object.assign(document.createElement('p'), { textContent: w.join(' ') }));
let x = 42; const random = (n) => (x = (Math.imul(x, 69069) + 1) >>> 0) % n;
const kept = []; let sum = 0;
for (let i = 0; i < 30000; i++) { const s = 'word'.repeat(random(60)) + i; kept[random(500)] = s; sum += s.length; }
say('strings', sum);
const list = document.createElement('ul');
for (let i = 0; i < 2000; i++) { const e = document.createElement('li'); e.textContent = 'item ' + i; list.append(e); if (random(3)) e.remove(); }
document.body.append(list); say('nodes', list.children.length, list.offsetHeight > 1000);
const g = document.getElementById('c').getContext('2d');
for (let i = 0; i < 200; i++) { g.fillStyle = `rgb(${random(256)},${random(256)},0)`; g.fillRect(random(200), random(100), 20, 10); }
say('canvas', g.getImageData(0, 0, 200, 100).data.reduce((a, b) => (a * 31 + b) % 1000003, 7));
const buffers = []; for (let i = 0; i < 300; i++) buffers[i % 20] = new Uint8Array(1 + random(400000)).fill(i);
say('buffers', buffers.map((b) => b.length).join());
say('sort', Array.from({ length: 20000 }, () => random(1e6)).sort((a, b) => a - b)[9999]);
</script><svg width="50" height="50"><circle cx="25" cy="25" r="20" fill="blue"/></svg></body>
END
}
work() {
    page > page.html
    browse --dump-dom "file://$work/page.html" > dom.log 2> dump.log
    cat dom.log >> result
    browse --window-size=600,400 --screenshot="$work/tmp/picture.png" "file://$work/page.html" > /dev/null 2> picture.log
    result "picture $(cksum < tmp/picture.png)"
    # one that stays, to look at its processes
    # shellcheck disable=SC2086
    start server.log $browser --user-data-dir="$work/other" --remote-debugging-port=0 "file://$work/page.html"
    await 60 pgrep -f 'type=renderer'
    sleep 1
    # not the helper of the sandbox, chrome-sandbox: it is set-user-ID, and LD_PRELOAD passes it by
    # shellcheck disable=SC2046
    mapped $(pgrep -f '^[^ ]*/chromium/chromium ')
    result "$(pgrep -f 'type=renderer' | while read -r pid; do grep -h '^Seccomp:' "/proc/$pid/status"; done | sort -u)"
    result "$(pgrep -f 'type=zygote' | grep -c . | sed 's/[2-9]/several/') zygotes"
    if grep -e 'without sandbox' -e 'Received signal' -e 'GPU process exited' server.log dump.log picture.log; then result 'a process failed'; fi
    note "$(wc -l < loaded) processes seen"
}
suite "$@"
