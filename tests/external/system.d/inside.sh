# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# The beginning of a script that works in a Debian tree, as root, in namespaces of its own: reads
# the options, starts the script again inside, and sets
#     mirror  where packages come from      work  a folder that goes at the end
#     base    a tree made before, or empty  tree  where the tree shall be, below work
# options_more, set before, names further options: each sets the variable of its name, "name=" with
# a value, "name" to yes.
suite=bookworm
script=${0##*/}

usage() {
    sed -n "$usage_lines s/^# \\{0,1\\}//p" "$0"
}

missing() {
    echo "$script: $*" >&2
    exit 77
}

# The mirror that apt has for the suite, if this is a Debian system at all.
apt_mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null |
        sed -n 's/^deb  *\(\[[^]]*\]\)\{0,1\} *\([^ ]*\)  *\([^ ]*\).*/\3 \2/p' |
        awk -v suite="$suite" '$1 == suite && $2 ~ /^http/ { print $2; exit }'
    awk -v suite="$suite" '
        /^URIs:/ { uri = $2 }
        /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite && uri ~ /^http/) print uri }
        /^$/ { uri = "" }' /etc/apt/sources.list.d/*.sources 2> /dev/null
}

mirror=${HAK_TEST_MIRROR:-} base='' keep='' inside='' needs=''

# further OPTION [VALUE]: whether it is one of options_more; shifted is how many words it took
further() {
    word=${1#--}
    case " ${options_more:-} " in
    *" $word= "*)
        [ $# -gt 1 ] || return 1
        eval "$word=\$2"
        shifted=2
        ;;
    *" $word "*)
        eval "$word=yes"
        shifted=1
        ;;
    *) return 1 ;;
    esac
}

while [ $# -gt 0 ]; do
    shifted=2
    case $1 in
    --mirror) mirror=${2:?} ;;
    --tree) base=${2:?} ;;
    --inside) inside=${2:?} ;;
    --keep) keep=yes shifted=1 ;;
    --needs) needs=yes shifted=1 ;;
    -h | --help) usage && exit 0 ;;
    --*)
        further "$@" || { usage >&2 && exit 2; }
        ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift $shifted
done
[ -n "$mirror" ] || mirror=$(apt_mirror | head -n 1)
[ -n "$mirror" ] || mirror=http://deb.debian.org/debian

# Back to words: what the script inside gets.
set --
for option in ${options_more:-}; do
    name=${option%=}
    eval "value=\${$name:-}"
    case $option in
    *=) [ -z "$value" ] || set -- "$@" "--$name" "$value" ;;
    *) [ -z "$value" ] || set -- "$@" "--$name" ;;
    esac
done

if [ -z "$inside" ]; then
    [ "$(id -u)" -eq 0 ] || missing "needs root, for chroot and mount"
    [ -d "$base/etc" ] || tools_more=debootstrap
    absent=
    for tool in chroot unshare mount awk tar timeout ${tools_more:-}; do
        command -v $tool > /dev/null 2>&1 || absent="$absent $tool"
    done
    [ -z "$absent" ] || missing "needs$absent"
    [ "$needs" = '' ] || exit 0
    [ -x "$source/configure" ] || missing "needs $source/configure: run autoreconf -fi"
    [ "$(uname -m)" = x86_64 ] || missing "made for x86_64, this is $(uname -m)"
    unshare --mount --pid --ipc --fork true 2> /dev/null || missing "no namespaces here"
    work=$(mktemp -d)
    unshare --mount --propagation private --pid --mount-proc --ipc --fork --kill-child \
        "$0" --inside "$work" --mirror "$mirror" ${base:+--tree "$base"} "$@" &
    child=$!
    # with it end all processes in there and all mounts, and so nothing is mounted out here
    trap 'kill -9 $child; wait $child; exit 130' HUP INT TERM
    [ -n "$keep" ] || trap 'rm -rf --one-file-system "$work"' EXIT
    status=0
    wait $child || status=$?
    [ -z "$keep" ] || echo "kept: $work/tree and $work/log"
    exit $status
fi

work=$inside
tree=$work/tree
mkdir -p "$work/log"
