#!/bin/sh
# SPDX-License-Identifier: MIT
# php-fpm: extensions opened with RTLD_DEEPBIND, requests over FastCGI; once with PHP's allocator
# on top of malloc and once without it.
. "$(dirname "$0")/common.sh"
packages='php8.2-fpm php8.2-opcache php8.2-intl php8.2-gd php8.2-mbstring php8.2-xml php8.2-curl
php8.2-sqlite3 php8.2-bcmath php8.2-gmp libfcgi-bin'
about='php-fpm with opcache, intl, gd, mbstring, xml, xsl, curl, sqlite3, gmp, ffi; FastCGI requests'

script() {
    cat << 'END'
<?php
header('Content-Type: text/plain');
$n = (int)($_GET['n'] ?? 1);
mt_srand($n);
foreach (['Zend OPcache', 'intl', 'gd', 'mbstring', 'dom', 'xsl', 'curl', 'sqlite3', 'gmp', 'FFI'] as $e)
    if (!extension_loaded($e)) echo "without $e\n";
function small($x) { return substr(hash('sha256', $x), 0, 12); }
$words = [];
for ($i = 0; $i < 4000; $i++) $words[] = str_repeat(chr(97 + mt_rand(0, 25)), mt_rand(1, 30)) . $i;
sort($words);
echo 'array ', small(json_encode($words)), ' ', count(array_unique(array_map('strlen', $words))), "\n";
echo 'mb ', small(mb_convert_encoding(mb_strtoupper(str_repeat('straße çà ', 300)), 'UTF-16')), "\n";
$c = new Collator('de_DE');
$s = ['Zebra', 'Äpfel', 'apfel', 'Öl', 'oben']; $c->sort($s);
echo 'intl ', implode(' ', $s), ' ', (new NumberFormatter('de_DE', NumberFormatter::SPELLOUT))->format(4711 + $n), ' ',
    MessageFormatter::formatMessage('en', '{0,plural,one{# file}other{# files}}', [$n]), ' ',
    transliterator_transliterate('Any-Latin; Latin-ASCII', 'Москва'), "\n";
$g = imagecreatetruecolor(300, 200);
for ($i = 0; $i < 60; $i++) imagefilledellipse($g, mt_rand(0, 300), mt_rand(0, 200), 40, 30, mt_rand(0, 0xffffff));
ob_start(); imagepng($g); $png = ob_get_clean();
ob_start(); imagejpeg(imagescale(imagecreatefromstring($png), 99), null, 60); $jpeg = ob_get_clean();
echo 'gd ', small($png), ' ', small($jpeg), "\n";
$d = new DOMDocument; $r = $d->appendChild($d->createElement('r'));
foreach (array_slice($words, 0, 800) as $w) $r->appendChild($d->createElement('w', $w))->setAttribute('n', strlen($w));
$x = new DOMXPath($d);
$sheet = new DOMDocument;
$sheet->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template
 match="/"><o><xsl:for-each select="//w"><xsl:sort select="."/><xsl:value-of select="@n"/>,</xsl:for-each></o></xsl:template></xsl:stylesheet>');
$p = new XSLTProcessor; $p->importStylesheet($sheet);
echo 'xml ', $x->query('//w[@n>20]')->length, ' ', small($p->transformToXML($d)), ' ',
    count(simplexml_load_string($d->saveXML())->w), "\n";
$q = new SQLite3(':memory:'); $q->exec('create table t(a, b)');
$q->createFunction('rev', 'strrev');
$i = $q->prepare('insert into t values(?, ?)');
foreach ($words as $k => $w) { $i->bindValue(1, $k); $i->bindValue(2, $w); $i->execute(); $i->reset(); }
echo 'sqlite ', $q->querySingle('select group_concat(rev(b)) from (select b from t order by a desc limit 5)'), "\n";
echo 'gmp ', small(gmp_strval(gmp_pow(3, 5000 + $n))), ' ', small(bcpow('1.01', '900', 200)), "\n";
$f = FFI::cdef('char *strdup(const char *); void free(void *); int asprintf(char **, const char *, ...);');
for ($i = 0; $i < 200; $i++) { $t = $f->strdup(str_repeat('z', $i)); $f->free($t); }
$out = $f->new('char *'); $f->asprintf(FFI::addr($out), '%d files', 7);
echo 'ffi ', FFI::string($out), "\n"; $f->free($out);
echo 'curl ', curl_escape(curl_init(), 'a b/ç'), ' ', curl_getinfo(curl_init('file:///dev/null'))['http_code'], "\n";
echo 'zlib ', small(gzuncompress(gzcompress(implode($words), 9))), ' ', preg_match_all('/(.)\1{3,}/', implode(' ', $words)), "\n";
echo 'other malloc ', getenv('USE_ZEND_ALLOC') === '0' ? 'yes' : 'no', "\n";
END
}
configuration() {
    cat << END
[global]
error_log = $work/fpm.log
daemonize = no
[site]
listen = $work/run/socket
pm = static
pm.max_children = 3
pm.max_requests = 40
clear_env = no
catch_workers_output = yes
php_admin_value[ffi.enable] = true
END
}
request() {
    env REQUEST_METHOD=GET SCRIPT_FILENAME="$work/page.php" SCRIPT_NAME=/page.php QUERY_STRING="n=$1" \
        cgi-fcgi -bind -connect "$work/run/socket"
}
serve() {
    start "$1" env "USE_ZEND_ALLOC=$2" php-fpm8.2 --nodaemonize --fpm-config "$work/fpm.conf"
    await 20 test -S "$work/run/socket"
    # shellcheck disable=SC2046
    mapped "$server" $(children "$server")
    for n in 1 2 3; do result "$(request "$n")"; done
    requests=
    for client in 1 2 3 4; do
        (for n in $(seq 1 25); do request "$n"; done > "answers.$client") &
        requests="$requests $!"
    done
    # shellcheck disable=SC2086
    wait $requests
    for client in 1 2 3 4; do result "$(cksum < "answers.$client")"; done
    ! grep -i 'signal' "$1" fpm.log || result 'a worker crashed'
    stop
}
work() {
    script > page.php
    configuration > fpm.conf
    touch fpm.log
    own fpm.log
    serve with.log 1
    serve without.log 0
    note '206 requests, workers replaced after 40'
}
suite "$@"
