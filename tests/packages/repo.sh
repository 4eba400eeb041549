#!/bin/sh
# SPDX-License-Identifier: MIT
# What tools/dev/make-repo makes of packages is read by apt and dnf, signed and unsigned, and only
# if it is as it was signed.
set -eu
for tool in dpkg-deb apt-get apt-cache apt-ftparchive gzip xz rpmbuild dnf createrepo_c gpg; do
    command -v $tool > /dev/null 2>&1 || { echo "needs $tool"; exit 77; }
done
make_repo=${srcdir:?}/tools/dev/make-repo
work=$(mktemp -d)
GNUPGHOME=$work/gpg
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$work"' EXIT
mkdir -m 700 "$GNUPGHOME"
fail() { echo "$*"; cat "$work/out"; exit 1; }
says() { grep -q -- "$1" "$work/out" || fail "does not say '$1' but:"; }

# ---- two packages ----------------------------------------------------------
mkdir -p "$work/deb/DEBIAN" "$work/deb/usr/share/small"
cat > "$work/deb/DEBIAN/control" << 'END'
Package: small
Version: 1.5
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: a package with nothing in it
END
dpkg-deb --build --root-owner-group "$work/deb" "$work/small_1.5_all.deb" > "$work/out"
cat > "$work/small.spec" << 'END'
Name: small
Version: 2.5
Release: 1
Summary: a package with nothing in it
License: MIT
BuildArch: noarch
%description
Nothing.
%files
END
rpmbuild --nodeps -D "_topdir $work/rpmbuild" -bb "$work/small.spec" > "$work/out" 2>&1 ||
    fail "rpmbuild:"
rpm=$work/rpmbuild/RPMS/noarch/small-2.5-1.noarch.rpm
deb=$work/small_1.5_all.deb

# ---- what is wrong is said -------------------------------------------------
refuses() {
    expected=$1
    shift
    "$make_repo" "$@" > "$work/out" 2>&1 && code=0 || code=$?
    [ "$code" = "$expected" ] || fail "'$*' ends with $code, not $expected:"
}
refuses 2
refuses 2 "$work/none"
says 'no packages given'
refuses 2 --sign
refuses 2 --something "$work/none" "$deb"
refuses 1 "$work/none" "$work/small.spec"
says 'neither in .deb nor in .rpm'
refuses 1 "$work/none" "$work/other.deb"
says 'other.deb: no such file'
refuses 1 --sign nobody@localhost "$work/none" "$deb"
says 'no secret key nobody@localhost'
refuses 1 "$work/with blank" "$deb"
says 'without blanks'
mkdir "$work/bin"
for tool in sh sed; do ln -s "$(command -v $tool)" "$work/bin/$tool"; done
for package in "$deb:apt-ftparchive" "$rpm:createrepo_c"; do
    (PATH=$work/bin && refuses 1 "$work/none" "${package%:*}")
    says "needs ${package#*:}"
done
[ ! -e "$work/none" ] || fail "made a folder in vain"

# ---- the readers, with no state but their own -------------------------------
# apt_get list|sources: reads one form of what apt is told
apt_get() {
    form=$1
    rm -rf "$work/apt"
    mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/apt/parts" \
        "$work/apt/empty"
    cp "$work/repo/hakmem.$form" "$work/apt/parts/"
    : > "$work/apt/status"
    cat > "$work/apt/conf" << END
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/apt/parts";
Dir::Etc::trustedparts "$work/apt/empty";
Dir::Etc::preferencesparts "$work/apt/empty";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
END
    APT_CONFIG=$work/apt/conf apt-get update > "$work/out" 2>&1 &&
        APT_CONFIG=$work/apt/conf apt-get -qq --print-uris install small >> "$work/out" 2>&1
}
repoquery() {
    rm -rf "$work/dnf"
    mkdir "$work/dnf"
    dnf -q -y --setopt=reposdir="$work/repo" --setopt=cachedir="$work/dnf" \
        --setopt=persistdir="$work/dnf" --setopt=logdir="$work/dnf" \
        --setopt=pluginpath="$work/dnf" \
        --disablerepo='*' --enablerepo=hakmem repoquery small > "$work/out" 2>&1
}
are_read() {
    for form in list sources; do
        apt_get $form || fail "apt cannot read it by the $form:"
        says "/apt/./small_1.5_all.deb' small_1.5_all.deb"
    done
    repoquery || fail "dnf cannot read it:"
    says 'small-0:2.5-1.noarch'
}

"$make_repo" "$work/repo" "$deb" "$rpm" > "$work/said"
are_read
grep -q "^    deb \[trusted=yes\] file:$work/repo/apt ./$" "$work/said" || fail "no line for apt"
grep -q "^    baseurl=file://$work/repo/rpm$" "$work/said" || fail "nothing for dnf"
for format in Packages Packages.gz Packages.xz Release; do
    [ -s "$work/repo/apt/$format" ] || fail "no $format"
done

# ---- signed ----------------------------------------------------------------
gpg --batch --quiet --passphrase '' --quick-gen-key "Repository <repo@localhost>" rsa2048 sign \
    never > "$work/out" 2>&1 || fail "gpg makes no key:"
"$make_repo" --sign repo@localhost "$work/repo" "$deb" "$rpm" > "$work/said"
are_read
grep -q "signed-by=$work/repo/hakmem.asc" "$work/said" || fail "the key is not named"
if grep -rq trusted "$work/repo" --include='hakmem.*'; then fail "trusted, though signed"; fi

cp -R "$work/repo" "$work/kept"
sed -i 's/^Label: hakmem/Label: others/' "$work/repo/apt/InRelease" "$work/repo/apt/Release"
if apt_get list; then fail "apt takes what was changed:"; fi
sed -i 's/<revision>/<revision>1/' "$work/repo/rpm/repodata/repomd.xml"
if repoquery; then fail "dnf takes what was changed:"; fi

# without a key again nothing is signed, and both are read
"$make_repo" "$work/repo" "$deb" "$rpm" > "$work/said"
are_read
