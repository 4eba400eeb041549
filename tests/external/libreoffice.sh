#!/bin/sh
# SPDX-License-Identifier: MIT
# LibreOffice: documents converted without a screen.
. "$(dirname "$0")/common.sh"
packages='libreoffice-writer-nogui poppler-utils unzip'
about='a document of 60 chapters from html to odt, docx, pdf and text; text compared'
limit=300

convert() {
    under soffice --headless --norestore --nologo "-env:UserInstallation=file://$work/profile" \
        --convert-to "$1" --outdir "$work/out" "$2" >> convert.log 2>&1
}
work() {
    mkdir out
    own out
    awk 'BEGIN {
        print "<html><head><title>A document</title></head><body>"
        for (i = 1; i <= 60; i++) {
            print "<h1>Chapter " i "</h1><p>The <b>text</b> of it with <i>words</i> &auml;&ouml;&uuml; " i * 7919 ".</p>"
            print "<table border=1>"; for (r = 0; r < 12; r++) print "<tr><td>" r "</td><td>" r * i "</td></tr>"; print "</table><ul>"
            for (r = 0; r < 8; r++) print "<li>item " r " of " i "</li>"; print "</ul>"
        }
        print "</body></html>"
    }' > document.html
    convert odt:writer8 document.html &
    conversion=$!
    await 60 pgrep -x soffice.bin
    # shellcheck disable=SC2046
    mapped $(pgrep -x soffice.bin)
    wait "$conversion"
    convert 'docx:MS Word 2007 XML' out/document.odt
    convert pdf:writer_pdf_Export out/document.docx
    convert txt:Text out/document.odt
    for kind in odt docx pdf txt; do [ -s "out/document.$kind" ] || result "no $kind"; done
    result "odt $(unzip -p out/document.odt content.xml | wc -c)"
    result "text $(cksum < out/document.txt)"
    result "pdf $(pdftotext -layout out/document.pdf - | cksum), $(pdfinfo out/document.pdf | grep Pages)"
    result "docx $(unzip -p out/document.docx word/document.xml | cksum)"
}
suite "$@"
