# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# The library is replaced while programs run, taken out, and removed.

# Programs are started all the time: how many, how many failed, how many complained of the loader.
write_starter() {
    cat > "$tree/root/starter.sh" << 'END'
started=0 failed=0
while [ ! -e /root/stop ]; do
    /bin/true || failed=$((failed + 1))
    perl -e 'exit 0' || failed=$((failed + 1))
    started=$((started + 2))
done 2> "/root/complaints-$1"
echo "$started $failed" > "/root/started-$1"
END
}

# Programs that allocate all the time, and say so.
write_workers() {
    cat > "$tree/root/worker.pl" << 'END'
my @kept;
for (my $i = 0; ; $i++) {
    push @kept, "x" x rand 5000;
    shift @kept if @kept > 2000;
    next if $i % 1000;
    open my $file, ">", "/root/beat-perl" or die;
    print $file $i;
    select undef, undef, undef, 0.01;
}
END
    cat > "$tree/root/worker.py" << 'END'
import threading, time
def work(n):
    kept = {}
    i = 0
    while True:
        kept[i % 3000] = [str(i)] * (i % 200)
        i += 1
        if i % 1000 == 0:
            with open("/root/beat-python%d" % n, "w") as f: f.write(str(i))
            time.sleep(0.01)
for n in range(3): threading.Thread(target=work, args=(n,)).start()
END
}

start_work() {
    write_starter
    write_workers
    rm -f "$tree/root/stop" "$tree"/root/beat-*
    start_in_tree worker-perl perl /root/worker.pl
    start_in_tree worker-python env PYTHONMALLOC=malloc python3 /root/worker.py
    start_in_tree starter-1 sh /root/starter.sh 1
    start_in_tree starter-2 bash /root/starter.sh 2
    await test -s "$tree/root/beat-perl" -a -s "$tree/root/beat-python2"
    sleep 2
}

starters_are_done() {
    ! is_alive starter-1 && ! is_alive starter-2
}

# Those that were running still run, on the file they began with.
old_programs_go_on() {
    for name in worker-perl worker-python sleep; do
        is_alive $name || fail "$name is dead"
        grep '/libhakmem.*(deleted)' "/proc/$(pid_of $name)/maps" > /dev/null ||
            fail "$name: not the old library"
    done
    rm -f "$tree"/root/beat-*
    await test -s "$tree/root/beat-perl" -a -s "$tree/root/beat-python2"
}

new_program_has() {
    start_in_tree fresh sleep 600
    await has_library "$(pid_of fresh)"
    inode=$(sed -n '/libhakmem/s/.*:[0-9a-f]* \([0-9]*\) .*/\1/p' "/proc/$(pid_of fresh)/maps" | head -n 1)
    [ "$inode" = "$(stat -L -c %i "$1")" ] || fail "a new program has inode $inode"
    ! grep 'libhakmem.*(deleted)' "/proc/$(pid_of fresh)/maps" || fail "an old file"
    end fresh
}

# upgrade VERSION ...: one after the other, while programs run and start
upgrade() {
    start_work
    for version; do
        install_package "$version"
        new_program_has "$tree/usr/lib/$multiarch/libhakmem.so.1"
        old_programs_go_on
        sleep 1
    done
    touch "$tree/root/stop"
    await starters_are_done
    cat "$tree"/root/complaints-* | sort | uniq -c
    cat "$tree"/root/started-1 "$tree"/root/started-2 > "$work/started"
    started_all=$(awk '{ n += $1 } END { print n }' "$work/started")
    failed_all=$(awk '{ n += $2 } END { print n }' "$work/started")
    complained=$(cat "$tree"/root/complaints-* | wc -l)
    note "$started_all programs started meanwhile, $failed_all failed, $complained without the library"
    [ "$started_all" -gt 100 ]
    [ "$failed_all" -eq 0 ]
    [ "$complained" -eq 0 ] || [ -n "$complaints_allowed" ]
    end worker-perl worker-python
    expect_status 0
}

# The file goes without a word to anybody: everything runs on, and complains.
lose_library() {
    in_tree dpkg -r hakmem
    [ ! -e "$tree/usr/lib/$multiarch/libhakmem.so.1" ]
    in_tree true
    [ "$(in_tree su - guest -c 'id -un' 2> "$work/lost.err")" = guest ]
    grep 'cannot be preloaded' "$work/lost.err"
    install_package 1.2
    expect_status 0
    in_tree true 2> "$work/lost.err"
    [ ! -s "$work/lost.err" ]
}

disable() {
    before=$(cat "$tree/etc/ld.so.preload")
    in_tree hakmem preload disable
    [ ! -s "$tree/etc/ld.so.preload" ] || fail "left: $(cat "$tree/etc/ld.so.preload") of $before"
    expect_status 1
    in_tree hakmem preload disable
    start_in_tree fresh sleep 600
    sleep 0.3
    ! has_library "$(pid_of fresh)" || fail "still in new programs"
    end fresh
    # those of before keep what they have
    has_library "$(pid_of sleep)"
}

remove() {
    in_tree dpkg -P hakmem
    rm -f "$tree"/usr/lib32/libhakmem*
    [ -z "$(find "$tree/usr" "$tree/etc" "$tree/var" -xdev -name '*hakmem*' ! -path '*/src/*' -print)" ]
    is_alive sleep
    end sleep cron
    [ ! -e "$work/sshd.pid" ] || end sshd
    sleep 0.3
    none_has_library
    in_tree su - lodger -c 'sudo -n id -u'
}

upgrade_library() {
    step "upgrade by dpkg, the same file names, while programs run" upgrade 1.1
    # dpkg renames a link before the file that it names: some programs start without the library
    complaints_allowed=yes
    step "upgrade by dpkg to other file names, and back" upgrade 1.2 1.1 1.2
    step "the package is removed while enabled, and comes back" lose_library
    complaints_allowed=''
}

remove_library() {
    step "hakmem preload disable" disable
    step "the package is purged; nothing has the library" remove
    step "programs write the same as before" compare_programs after
}
