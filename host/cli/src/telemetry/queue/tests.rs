use parking_lot::Mutex;

use super::*;

/// What was written, and a reader who can be made to stop: a write waits while it is held.
#[derive(Clone, Default)]
struct Reader(Arc<Mutex<Vec<u8>>>);

impl Reader {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error without a reader.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_written_in_their_order() {
    let reader = Reader::default();
    let mut queue = LogQueue::start(reader.clone(), |_| {}).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        queue.write_all(line.as_bytes()).unwrap();
    }
    LogQueue::flush(&queue);
    assert_eq!(reader.text(), "one\ntwo\nthree\n");
    assert_eq!(queue.dropped().load(Ordering::Relaxed), 0);
}

#[test]
fn a_reader_that_stops_keeps_nobody_waiting_and_hears_later_how_much_was_dropped() {
    let reader = Reader::default();
    let (told, tellings) = mpsc::channel();
    let mut queue = LogQueue::start(reader.clone(), move |n| told.send(n).unwrap()).unwrap();
    let stopped = reader.0.lock();
    let line = [b'x'; 1000];
    let lines = 3 * MAX_BYTES / line.len();
    // Each of these would wait for ever.
    for _ in 0..lines {
        queue.write_all(&line).unwrap();
    }
    LogQueue::flush(&queue);
    let dropped = queue.dropped().load(Ordering::Relaxed);
    assert!(dropped > 0);
    drop(stopped);

    assert_eq!(tellings.recv_timeout(Duration::from_secs(30)), Ok(dropped));
    queue.write_all(b"the end").unwrap();
    LogQueue::flush(&queue);
    let text = reader.text();
    assert!(text.ends_with("xthe end"));
    let written = lines as u64 - dropped;
    assert_eq!(text.len() as u64, written * line.len() as u64 + 7);
}

#[test]
fn a_reader_that_has_gone_is_no_error_and_is_told_nothing() {
    let (told, tellings) = mpsc::channel();
    let mut queue = LogQueue::start(Closed, move |n| told.send(n).unwrap()).unwrap();
    for _ in 0..3 {
        queue.write_all(b"line").unwrap();
    }
    LogQueue::flush(&queue);
    assert_eq!(queue.dropped().load(Ordering::Relaxed), 3);
    assert!(tellings.try_recv().is_err());
}
