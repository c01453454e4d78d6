use super::*;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

/// Text that a sink has taken.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<u8>>>);

impl Taken {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic while it is held").clone()).expect("text")
    }
}

impl Write for Taken {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while it is held").write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that fails as long as it is told to.
struct Failing {
    fails: Receiver<bool>,
    is_full: bool,
    taken: Taken,
}

impl Write for Failing {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.is_full = self.fails.try_iter().last().unwrap_or(self.is_full);
        if self.is_full { Err(io::ErrorKind::StorageFull.into()) } else { self.taken.write(line) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that takes nothing until it is let go, as a pipe whose reader sleeps.
struct Stuck(Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Once the other end is gone it takes everything.
        let _free = self.0.recv();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn queue(sink: impl Write + Send + 'static) -> Queue {
    Queue::start(Sink::Test(Box::new(sink)), Floods::default()).expect("a thread")
}

fn flushed(queue: &Queue) {
    let (done, written) = sync_channel(1);
    queue.messages.send(Message::Flush(done)).expect("it runs");
    written.recv().expect("it answers");
}

#[test]
fn lines_that_a_failing_sink_does_not_take_are_counted_and_the_next_ones_come() {
    let (tell, fails) = channel();
    let taken = Taken::default();
    let mut queue = queue(Failing { fails, is_full: true, taken: taken.clone() });
    let before = DROPPED.total();
    for line in ["one\n", "two\n"] {
        assert_eq!(queue.write(line.as_bytes()).expect("never fails"), 4);
    }
    flushed(&queue);
    assert!(DROPPED.total() >= before + 2);
    tell.send(false).expect("it listens");
    queue.write_all(b"three\n").expect("never fails");
    flushed(&queue);
    assert_eq!(taken.text(), "three\n");
}

#[test]
fn whoever_logs_goes_on_while_the_sink_is_stuck() {
    let (free, waiting) = channel();
    let mut queue = queue(Stuck(waiting));
    let before = DROPPED.total();
    // One is in the sink's hands, the queue holds as many as it may.
    for _ in 0..QUEUE_LINES_MAX + 10 {
        queue.write_all(b"line\n").expect("never fails, never waits");
    }
    assert!(DROPPED.total() >= before + 9);
    drop(free);
    flushed(&queue);
}

#[test]
fn a_log_goes_on_where_it_ended_and_belongs_to_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let mut first = LogFile::open(&path).expect("made");
    first.write_all(b"one\n").expect("written");
    assert!(matches!(LogFile::open(&path), Err(LogFileError::Taken)));
    drop(first);
    let mut second = LogFile::open(&path).expect("free again");
    second.write_all(b"two\n").expect("written");
    second.written = LOG_FILE_BYTES_MAX + 1;
    assert_eq!(std::fs::read(&path).expect("readable"), b"one\ntwo\n");
    second.write_all(b"three\n").expect("written");
    assert_eq!(std::fs::read(&path).expect("readable"), b"three\n", "it was full");
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    let mut sink = Sink::File(LogFile::open(&path).expect("made"));
    sink.write_all(b"one\n").expect("written");
    sink.reopen().expect("it is where it was");
    std::fs::rename(&path, &moved).expect("moved");
    sink.reopen().expect("opened anew");
    sink.write_all(b"two\n").expect("written");
    assert_eq!(std::fs::read(&moved).expect("readable"), b"one\n");
    assert_eq!(std::fs::read(&path).expect("readable"), b"two\n");
}
