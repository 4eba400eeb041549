#!/bin/sh
# SPDX-License-Identifier: MIT
# What bash offers for hakmem(1); hands a line to the completion as readline does.
set -eu
command -v bash > /dev/null || { echo "no bash"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset HAKMEM_CONF
export HAKMEM_CONF_FILE=/no/such
cd "$work"
mkdir folder
: > library.so
cat > offered << 'END'
# shellcheck shell=bash
compopt() { :; }
source "$srcdir/tools/completion/hakmem"
line=$builddir/tools/$1
COMP_LINE=$line
COMP_POINT=${#line}
read -ra COMP_WORDS <<< "${line//=/ = }"
[[ $line == *[[:space:]=] ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
[[ ${2-} ]] && eval "$2"
_hakmem
echo "${COMPREPLY[*]}"
END
# offers LINE WORDS [CODE]: what stands after the bar is what is typed; trailing blanks count
offers() {
    got=$(bash offered "$1" "${3-}")
    [ "$got" = "$2" ] || { echo "'$1' offers '$got', not '$2'" >&2; exit 1; }
}
offers 'hakmem ' 'run stat top profile heap leaks snapshot map conf preload selftest bug-report --help --version'
offers 'hakmem r' 'run'
offers 'hakmem conf --d' '--debug'
offers 'hakmem run --de' '--debug'
offers 'hakmem run --har' '--hardened'
offers 'hakmem run --stats=' 'text json'
offers 'hakmem run --stats=j' 'json'
offers 'hakmem run --leaks=t' 'text'
offers 'hakmem run --suppressions lib' 'library.so'
offers 'hakmem run --bl' '--blocks'
offers 'hakmem run --rows lib' ''
offers 'hakmem run --debug --conf decay' 'decay_ms='
offers 'hakmem run --conf=decay' 'decay_ms='
offers 'hakmem run --conf decay_ms=5,tr' '5,trace='
offers 'hakmem run --conf=decay_ms=5,tr' '5,trace='
offers 'hakmem run -c decay_ms=5,stats=n' 'none'
offers 'hakmem run --conf decay_ms=' ''
offers 'hakmem run --library lib' 'library.so'
offers 'hakmem run --library=lib' 'library.so'
offers 'hakmem stat --th' '--threads'
offers 'hakmem top --o' '--once'
offers 'hakmem top --sort=gr' 'growth'
offers 'hakmem top -s ret' 'retained'
offers 'hakmem profile --d' '--diff'
offers 'hakmem profile --view=al' 'allocated'
offers 'hakmem profile --view al' 'allocated'
offers 'hakmem profile -o lib' 'library.so'
offers 'hakmem profile --diff lib' 'library.so'
offers 'hakmem leaks --b' '--blocks'
offers 'hakmem leaks --t' '--trace'
offers 'hakmem map --s' '--svg'
offers 'hakmem map -o lib' 'library.so'
offers 'hakmem map --regions=' 'summary'
sed -n 's/^HAK_OPTION([A-Z_]*, "\([a-z_0-9]*\)".*/\1/p' "$srcdir/lib/core/options.def" > options
while read -r option; do
    case " $(bash offered 'hakmem run --conf ') " in
    *" $option= "*) ;;
    *) echo "$option is not offered" >&2; exit 1 ;;
    esac
done < options
offers 'hakmem heap --no' '--no-stop'
offers 'hakmem heap --blocks ' ''
offers 'hakmem heap lib' 'library.so'
offers 'hakmem snapshot --c' '--contents'
offers 'hakmem snapshot -o lib' 'library.so'
offers 'hakmem preload ' 'status check enable disable --help'
offers 'hakmem preload enable --c' '--canary'
offers 'hakmem preload status --c' ''
offers 'hakmem preload disable --a' '--all'
offers 'hakmem preload disable lib' 'library.so'
offers 'hakmem preload check --root f' 'folder'
offers 'hakmem preload check --library lib' 'library.so'
# the command, and what is the command's affair: by itself, and with bash-completion
PATH=$work:$PATH
: > hakmem-test-program
chmod +x hakmem-test-program
offers 'hakmem run hakmem-test-pro' 'hakmem-test-program'
offers 'hakmem run --conf a=1,b=2 -- hakmem-test-pro' 'hakmem-test-program'
offers 'hakmem run cat lib' 'library.so'
# shellcheck disable=SC2016
offset='_command_offset() { COMPREPLY=("${COMP_WORDS[$1]}"); }'
offers 'hakmem run --conf a=1,b=2 --stats -- cat lib' 'cat' "$offset"
offers 'hakmem run --conf=a=1 cat --conf' 'cat' "$offset"
