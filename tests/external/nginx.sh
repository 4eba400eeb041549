#!/bin/sh
# SPDX-License-Identifier: MIT
# nginx: workers, compression, files of several sizes, a proxy in front of itself, a reload.
. "$(dirname "$0")/common.sh"
packages='nginx curl'
about='static files, gzip, proxy with cache, redirects, 4 clients at once, reload; checksums'

configuration() {
    cat << END
daemon off;
worker_processes 2;
pid $work/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $work/tmp/body;
    proxy_temp_path $work/tmp/proxy;
    fastcgi_temp_path $work/tmp/fastcgi;
    uwsgi_temp_path $work/tmp/uwsgi;
    scgi_temp_path $work/tmp/scgi;
    proxy_cache_path $work/tmp/cache keys_zone=kept:1m;
    types { text/html html; text/plain txt; }
    gzip on; gzip_types text/plain; gzip_min_length 100;
    server {
        listen 127.0.0.1:$port;
        root $work/site;
        location / { autoindex on; }
        location /again/ { proxy_pass http://127.0.0.1:$port/; proxy_cache kept; proxy_cache_valid 1m; }
        location /old/ { rewrite ^/old/(.*)\$ /\$1 permanent; }
        location /sub/ {
            sub_filter 'line' 'LINE'; sub_filter_types *; sub_filter_once off; alias $work/site/;
        }
    }
}
END
}
fetch() { curl -s --max-time 60 "$@"; }
work() {
    mkdir site
    for size in 0 1 100 5000 70000 900000; do
        awk -v n="$size" 'BEGIN {
            for (i = 0; done < n; i++) { s = "line " i " of " n; done += length(s) + 1; print s }
        }' > "site/$size.txt"
    done
    port=$(free_port)
    configuration > nginx.conf
    start server.log nginx -c "$work/nginx.conf" -e stderr
    at=http://127.0.0.1:$port
    await 20 fetch -f "$at/0.txt"
    # shellcheck disable=SC2046
    mapped "$server" $(children "$server")
    for size in 0 1 100 5000 70000 900000; do
        for place in '' again/ again/ old/ sub/; do
            result "$size $place $(fetch -L "$at/$place$size.txt" | cksum)" \
                "$(fetch -L --compressed -o /dev/null -w '%{http_code}' "$at/$place$size.txt")"
        done
    done
    result "$(fetch "$at/" | grep -c txt) $(fetch -o /dev/null -w '%{http_code}' "$at/none")"
    old=$(children "$server" | head -1)
    kill -HUP "$server"
    await 20 sh -c "! kill -0 $old"
    loads=
    for client in 1 2 3 4; do
        fetch -Z --parallel-max 8 "$at/sub/5000.txt?[1-300]" "$at/again/5000.txt?[1-200]" > "many.$client" 2> /dev/null &
        loads="$loads $!"
    done
    # shellcheck disable=SC2086
    wait $loads
    result "$(cat many.* | wc -c)"
    # shellcheck disable=SC2046
    mapped $(children "$server" | head -2)
    note '2,000 requests from 4 at once'
}
suite "$@"
