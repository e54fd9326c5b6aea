;; From WASI preview 1, which C, Go and Rust's wasm32-wasip1 import, to WASI 0.2, of which a plugin's host has what grants
;; nothing. Standard output and standard error, clocks, random numbers, sleeping and exit are handed on; there are no
;; arguments, no environment and no files.
;;
;; It has no memory of its own. Where a function of WASI 0.2 needs room for its answer, that is the
;; first 16 bytes of the plugin's memory, which get back what they had.
;;
;; Numbers of errors: 0 success, 8 badf, 28 inval, 58 notsup.
(module
  (import "env" "memory" (memory 0))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get-stderr (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop-pollable (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall-clock (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))

  ;; Go's collector reads the clocks, and its scheduler waits, while memory is made for an argument, when nothing may be
  ;; imported: then it gets the last times that there were, and what is waited for has passed.
  (global $paused (mut i32) (i32.const 0))
  (global $last (mut i64) (i64.const 0))
  (global $last-real (mut i64) (i64.const 0))
  (func (export "adapter_monotonic_clock_set_paused") (param $paused i32)
    (global.set $paused (local.get $paused)))
  ;; It never goes back, even where a wait was passed over.
  (func $now (result i64)
    (local $now i64)
    (if (i32.eqz (global.get $paused))
      (then
        (local.set $now (call $monotonic))
        (if (i64.gt_u (local.get $now) (global.get $last)) (then (global.set $last (local.get $now))))))
    (global.get $last))

  ;; One piece of at most 4,096 bytes.
  (func $write-piece (param $stream i32) (param $at i32) (param $length i32)
    (local $a i64) (local $b i64)
    (local.set $a (i64.load (i32.const 0)))
    (local.set $b (i64.load (i32.const 8)))
    (call $write (local.get $stream) (local.get $at) (local.get $length) (i32.const 0))
    (i64.store (i32.const 0) (local.get $a))
    (i64.store (i32.const 8) (local.get $b)))

  ;; Nanoseconds since 1970.
  (func $realtime (result i64)
    (local $a i64) (local $b i64)
    (if (global.get $paused) (then (return (global.get $last-real))))
    (local.set $a (i64.load (i32.const 0)))
    (local.set $b (i64.load (i32.const 8)))
    (call $wall-clock (i32.const 0))
    (global.set $last-real (i64.add
      (i64.mul (i64.load (i32.const 0)) (i64.const 1000000000))
      (i64.load32_u (i32.const 8))))
    (i64.store (i32.const 0) (local.get $a))
    (i64.store (i32.const 8) (local.get $b))
    (global.get $last-real))

  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $stream i32) (local $at i32) (local $left i32) (local $some i32) (local $sum i32)
    (if (i32.eq (local.get $fd) (i32.const 1))
      (then (local.set $stream (call $get-stdout)))
      (else
        (if (i32.ne (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
        (local.set $stream (call $get-stderr))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $at (i32.load (local.get $pieces)))
        (local.set $left (i32.load offset=4 (local.get $pieces)))
        (local.set $sum (i32.add (local.get $sum) (local.get $left)))
        (block $whole
          (loop $more
            (br_if $whole (i32.eqz (local.get $left)))
            (local.set $some (select (i32.const 4096) (local.get $left)
              (i32.gt_u (local.get $left) (i32.const 4096))))
            (call $write-piece (local.get $stream) (local.get $at) (local.get $some))
            (local.set $at (i32.add (local.get $at) (local.get $some)))
            (local.set $left (i32.sub (local.get $left) (local.get $some)))
            (br $more)))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (call $drop-stream (local.get $stream))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  ;; Standard input is at its end.
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  ;; The three streams are character devices, so that each line is written when it ends.
  (func (export "fd_fdstat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $out) (i64.const 2))
    (i64.store offset=8 (local.get $out)
      (select (i64.const 64) (i64.const 2) (local.get $fd)))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i32.const 0))

  (func (export "clock_time_get") (param $clock i32) (param i64) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $out)
      (if (result i64) (local.get $clock) (then (call $now)) (else (call $realtime))))
    (i32.const 0))

  (func (export "clock_res_get") (param $clock i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $out) (select (i64.const 1) (i64.const 1000000) (local.get $clock)))
    (i32.const 0))

  (func (export "random_get") (param $at i32) (param $count i32) (result i32)
    (block $done
      (loop $words
        (br_if $done (i32.lt_u (local.get $count) (i32.const 8)))
        (i64.store (local.get $at) (call $random))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 8)))
        (br $words)))
    (block $end
      (loop $bytes
        (br_if $end (i32.eqz (local.get $count)))
        (i32.store8 (local.get $at) (i32.wrap_i64 (call $random)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $bytes)))
    (i32.const 0))

  ;; One sleep, which is what `sleep` and `time.Sleep` come to. Nothing else can be waited for.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $time i64) (local $now i64) (local $pollable i32)
    (if (i32.or
          (i32.ne (local.get $count) (i32.const 1))
          (i32.load8_u offset=8 (local.get $in)))
      (then (return (i32.const 58))))
    (local.set $time (i64.load offset=24 (local.get $in)))
    ;; A point in time, not a duration.
    (if (i32.and (i32.load16_u offset=40 (local.get $in)) (i32.const 1))
      (then
        (local.set $now
          (if (result i64) (i32.load offset=16 (local.get $in)) (then (call $now)) (else (call $realtime))))
        (local.set $time (select
          (i64.sub (local.get $time) (local.get $now))
          (i64.const 0)
          (i64.gt_u (local.get $time) (local.get $now))))))
    (if (global.get $paused)
      (then (global.set $last (i64.add (global.get $last) (local.get $time))))
      (else
        (local.set $pollable (call $subscribe (local.get $time)))
        (call $block (local.get $pollable))
        (call $drop-pollable (local.get $pollable))))
    (i64.store (local.get $out) (i64.load (local.get $in)))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i64.store offset=24 (local.get $out) (i64.const 0))
    (i32.store (local.get $events) (i32.const 1))
    (i32.const 0))

  (func (export "proc_exit") (param $code i32)
    (call $exit (i32.ne (local.get $code) (i32.const 0)))
    unreachable)

  (func $none (param $count i32) (param $size i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $size) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $nothing (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing))
  (export "environ_get" (func $nothing))
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; There are no other files.
  (func $i (param i32) (result i32) (i32.const 8))
  (export "fd_close" (func $i))
  (export "fd_datasync" (func $i))
  (export "fd_sync" (func $i))
  (func $ii (param i32 i32) (result i32) (i32.const 8))
  (export "fd_fdstat_set_flags" (func $ii))
  (export "fd_filestat_get" (func $ii))
  (export "fd_prestat_get" (func $ii))
  (export "fd_renumber" (func $ii))
  (export "fd_tell" (func $ii))
  (export "sock_shutdown" (func $ii))
  (func $iii (param i32 i32 i32) (result i32) (i32.const 8))
  (export "fd_prestat_dir_name" (func $iii))
  (export "path_create_directory" (func $iii))
  (export "path_remove_directory" (func $iii))
  (export "path_unlink_file" (func $iii))
  (export "sock_accept" (func $iii))
  (func $iiiii (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (export "path_symlink" (func $iiiii))
  (export "sock_send" (func $iiiii))
  (func $iiiiii (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (export "path_rename" (func $iiiiii))
  (export "sock_recv" (func $iiiiii))
  (func $iiili (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (export "fd_pwrite" (func $iiili))
  (export "fd_readdir" (func $iiili))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 58)))
