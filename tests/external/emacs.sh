#!/bin/sh
# SPDX-License-Identifier: MIT
# Emacs: its portable dump, the byte compiler, large buffers, processes.
. "$(dirname "$0")/common.sh"
packages='emacs-nox'
about='batch: byte compilation, org to html, undo in a large buffer, processes, garbage collection'

work() {
    cat > job.el << 'END'
(require 'org)
(require 'ox-html)
(call-process "cp" nil nil nil (format "/proc/%d/maps" (emacs-pid)) "maps")
(defun say (&rest words) (princ (format "%s\n" words)))
(setq gc-cons-threshold 200000)
(with-temp-buffer
  (buffer-enable-undo)
  (dotimes (i 20000) (insert (format "line %d of text ä %c\n" i (+ 97 (mod i 26)))))
  (say 'buffer (buffer-size) (md5 (buffer-string)))
  (undo-boundary)
  (goto-char (point-min))
  (while (re-search-forward "line \\([0-9]+\\)" nil t) (replace-match "\\1 row"))
  (say 'replaced (md5 (buffer-string)))
  (sort-numeric-fields -1 (point-min) (min (point-max) 40000))
  (reverse-region (point-min) (point-max))
  (say 'reversed (md5 (buffer-string)))
  (primitive-undo 1 buffer-undo-list)
  (say 'undone (buffer-size)))
(with-temp-buffer
  (dotimes (i 200) (insert (format "* Head %d\n- item *bold*\n| a | %d |\n" i i)))
  (org-mode)
  (say 'org (length (org-export-as 'html nil nil t))))
(let ((table (make-hash-table :test 'equal)))
  (dotimes (i 50000) (puthash (format "key%d" (% (* i 7919) 30011)) (make-vector (% i 30) i) table))
  (say 'table (hash-table-count table)))
(with-temp-file "compiled.el"
  (insert ";;; -*- lexical-binding: t -*-\n")
  (dotimes (i 400) (prin1 `(defun work-fn (x) (let ((y (* x ,i))) (if (> y 3) (cons y x) y))) (current-buffer))))
(say 'compiled (byte-compile-file "compiled.el"))
(dotimes (i 6) (say 'process (call-process "sh" nil nil nil "-c" (format "exit %d" i))))
(say 'shell (shell-command-to-string "seq 5000 | sort -r | head -3"))
(garbage-collect)
END
    own "$work"
    under emacs -Q --batch -l job.el > out.log 2> errors.log
    mapped_text maps
    cat out.log >> result
}
suite "$@"
