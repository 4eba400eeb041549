#!/bin/sh
# SPDX-License-Identifier: MIT
# ruby: strings, hashes, threads, forks, compaction, C extensions (json, zlib, openssl, psych).
. "$(dirname "$0")/common.sh"
packages='ruby'
about='strings, hashes, threads, ractors, forks, GC.compact, json, zlib, openssl, yaml'

work() {
    cat > job.rb << 'END'
require 'json'; require 'zlib'; require 'openssl'; require 'yaml'; require 'bigdecimal'; require 'digest'
File.write('maps', File.read('/proc/self/maps'))
r = Random.new(42)
words = Array.new(20000) { |i| ('a'..'z').to_a.sample(1 + r.rand(12), random: r).join + i.to_s }
h = Hash.new { |m, k| m[k] = [] }
words.each { |w| h[w[0]] << w * (1 + w.size % 5) }
puts h.sort.map { |k, v| [k, v.size, v.sum(&:size)] }.inspect
text = JSON.generate(h)
puts JSON.parse(text) == h, Digest::SHA256.hexdigest(text)
puts Zlib.crc32(Zlib::Inflate.inflate(Zlib::Deflate.deflate(text, 9)))
puts YAML.load(words.first(2000).to_yaml) == words.first(2000)
cipher = OpenSSL::Cipher.new('aes-256-cbc').encrypt
cipher.key = 'k' * 32; cipher.iv = 'i' * 16
puts((cipher.update(text) + cipher.final).sum)
puts Array.new(8) { |t|
  Thread.new { (1..2000).sum { |i| (words[i] * t).gsub(/[aeiou]/, '#').count('#') } }
}.map(&:value).inspect
$VERBOSE = nil
puts Array.new(4) { |n|
  Ractor.new(n) { |k| Array.new(20000) { |i| 'x' * (i % 90 + k) }.sum(&:size) }
}.map(&:take).inspect
GC.compact
GC.stress = true
puts words.first(20).map(&:reverse).join
GC.stress = false
puts 10.times.map { |n|
  rd, wr = IO.pipe
  pid = fork { rd.close; GC.start; wr.write words.map { |w| w * n }.join.sum; exit!(0) }
  wr.close
  Process.wait pid
  [rd.read, $?.exitstatus]
}.inspect
puts BigDecimal('2').sqrt(400).to_s.sum, (2**20000).to_s.sum
puts `echo from a shell`, words.grep(/(.)\1\1/).size
END
    under ruby job.rb > out.log
    mapped_text maps
    cat out.log >> result
}
suite "$@"
