#!/bin/sh
# SPDX-License-Identifier: MIT
# OpenJDK: the compiler, direct buffers, inflaters, threads, three garbage collectors.
. "$(dirname "$0")/common.sh"
packages='openjdk-17-jdk-headless'
about='javac, jar, then with serial, parallel and G1: direct buffers, zip, 16 threads, processes'
limit=240

program() {
    cat << 'END'
import java.io.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public class Job {
    record Entry(String name, long sum) { }

    static long direct(int seed) {
        Random random = new Random(seed);
        ByteBuffer[] kept = new ByteBuffer[64];
        long sum = 0;
        for (int i = 0; i < 3000; i++) {
            ByteBuffer b = ByteBuffer.allocateDirect(1 + random.nextInt(50000));
            b.put(b.capacity() - 1, (byte) i);
            kept[random.nextInt(64)] = b;
            sum += b.get(b.capacity() - 1) + b.capacity() + b.get(0);
        }
        return sum;
    }

    static long zip(byte[] text) throws Exception {
        CRC32 crc = new CRC32();
        for (int level = 1; level <= 9; level++) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Deflater deflater = new Deflater(level);
            try (DeflaterOutputStream d = new DeflaterOutputStream(out, deflater)) { d.write(text); }
            deflater.end();
            crc.update(new InflaterInputStream(new ByteArrayInputStream(out.toByteArray())).readAllBytes());
        }
        return crc.getValue();
    }

    public static void main(String[] args) throws Exception {
        Files.copy(Path.of("/proc/self/maps"), Path.of(args[0]), StandardCopyOption.REPLACE_EXISTING);
        ExecutorService pool = Executors.newFixedThreadPool(16);
        List<Future<Entry>> jobs = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            int n = i;
            jobs.add(pool.submit(() -> new Entry("job" + n, direct(n))));
        }
        for (Future<Entry> job : jobs) System.out.println(job.get());
        pool.shutdown();
        String text = IntStream.range(0, 60000).mapToObj(i -> "line " + i * 31 % 997).collect(Collectors.joining("\n"));
        System.out.println("zip " + zip(text.getBytes()));
        Map<String, Integer> counts = new TreeMap<>();
        for (String line : text.split("\n")) counts.merge(line.substring(0, 6), 1, Integer::sum);
        System.out.println(counts);
        for (int i = 0; i < 5; i++) {
            Process p = new ProcessBuilder("sh", "-c", "seq " + i + "000 | tail -1").start();
            System.out.println("process " + new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor());
        }
        try { int[] none = null; System.out.println(none.length); } catch (NullPointerException e) { System.out.println("caught"); }
        try { deep(0); } catch (StackOverflowError e) { System.out.println("overflow caught"); }
    }
    static int deep(int n) { return deep(n + 1) + 1; }
}
END
}
work() {
    program > Job.java
    mkdir classes
    own classes
    under javac -Xlint:all -d classes Job.java > javac.log 2>&1
    result "$(find classes -name '*.class' | sort | xargs cat | cksum)"
    under jar -c -f classes/job.jar -e Job -C classes . > jar.log 2>&1
    result "$(under jar -t -f classes/job.jar | sort)"
    for collector in Serial Parallel G1; do
        under java "-XX:+Use${collector}GC" -XX:MaxDirectMemorySize=512m -Xmx256m -jar classes/job.jar "$work/maps.$collector" \
            > "$collector.log" 2>&1
        cat "$collector.log" >> result
        mapped_text "maps.$collector"
    done
}
suite "$@"
