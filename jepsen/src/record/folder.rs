//! The folder of a run: where each file is, how it is written and read back.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EventRecord, RunRecord, SecondRecord, SegmentRecord};
use crate::recorder;
use quorate_checkers::history::{History, ReadError};

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// The folder of one segment.
#[derive(Clone, Debug)]
pub struct SegmentFolder {
    path: PathBuf,
}

/// A file of a run that cannot be written or read. What was judged before stays judged.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

impl Error {
    fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
        move |cause| Error { path: path.to_owned(), cause: cause.to_string() }
    }
}

impl RunFolder {
    /// A run's folder, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> RunFolder {
        RunFolder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the report belongs.
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Whether a run has begun here.
    pub fn is_begun(&self) -> bool {
        self.path.join("run.json").exists()
    }

    /// Writes what was asked for, and makes the folder if need be.
    pub fn write_run(&self, run: &RunRecord) -> Result<(), Error> {
        make(&self.path)?;
        write_json(&self.path.join("run.json"), run)
    }

    /// Reads what was asked for.
    pub fn read_run(&self) -> Result<RunRecord, Error> {
        read_json(&self.path.join("run.json"))
    }

    /// Writes the report.
    pub fn write_report(&self, page: &str) -> Result<(), Error> {
        replace(&self.report_path(), |file| file.write_all(page.as_bytes()))
    }

    /// The folder of a segment, numbered from 1, which need not exist yet.
    pub fn segment(&self, number: u32) -> SegmentFolder {
        SegmentFolder { path: self.path.join(format!("segment-{number:04}")) }
    }

    /// All segments that are done, in the order of their numbers.
    pub fn read_segments(&self) -> Result<Vec<(SegmentRecord, SegmentFolder)>, Error> {
        let at = Error::at(&self.path);
        let mut done = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(&at)? {
            let entry = entry.map_err(&at)?;
            let folder = SegmentFolder { path: entry.path() };
            if entry.file_name().to_string_lossy().starts_with("segment-") && folder.is_done() {
                done.push((folder.read()?, folder));
            }
        }
        done.sort_by_key(|(segment, _)| segment.number);
        Ok(done)
    }
}

impl SegmentFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its history belongs.
    pub fn history_path(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    /// Where its nodes live, and leave what they leave.
    pub fn nodes_path(&self) -> PathBuf {
        self.path.join("nodes")
    }

    /// Removes what a segment that was broken off left here: a new cluster must not find an old one's data.
    pub fn clear(&self) -> Result<(), Error> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::at(&self.path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether the segment came to its end.
    pub fn is_done(&self) -> bool {
        self.path.join("segment.json").exists()
    }

    /// Writes all files of a segment, the verdict last.
    pub fn write(
        &self,
        segment: &SegmentRecord,
        history: &History,
        events: &[EventRecord],
        seconds: &[SecondRecord],
    ) -> Result<(), Error> {
        make(&self.path)?;
        let path = self.history_path();
        replace(&path, |file| history.write_to(file))?;
        write_lines(&self.path.join("events.jsonl"), events)?;
        write_lines(&self.path.join("throughput.jsonl"), seconds)?;
        write_json(&self.path.join("segment.json"), segment)
    }

    /// Reads the verdict and the figures.
    pub fn read(&self) -> Result<SegmentRecord, Error> {
        read_json(&self.path.join("segment.json"))
    }

    /// Reads what broke and healed.
    pub fn read_events(&self) -> Result<Vec<EventRecord>, Error> {
        read_lines(&self.path.join("events.jsonl"))
    }

    /// Reads what was done in each second.
    pub fn read_seconds(&self) -> Result<Vec<SecondRecord>, Error> {
        read_lines(&self.path.join("throughput.jsonl"))
    }

    /// Reads the history, unless it was removed to save room.
    pub fn read_history(&self) -> Result<History, ReadError> {
        recorder::read_file(&self.history_path())
    }
}

fn make(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(Error::at(path))
}

/// Writes a file beside the one that is meant, and puts it in its place once it is whole.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let beside = path.with_extension("unfinished");
    let written = File::create(&beside).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush()
    });
    written.and_then(|()| std::fs::rename(&beside, path)).map_err(Error::at(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    replace(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

fn write_lines(path: &Path, values: &[impl Serialize]) -> Result<(), Error> {
    replace(path, |file| {
        for value in values {
            serde_json::to_writer(&mut *file, value)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let file = File::open(path).map_err(Error::at(path))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|cause| Error::at(path)(cause.into()))
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let file = File::open(path).map_err(Error::at(path))?;
    let values = serde_json::Deserializer::from_reader(BufReader::new(file)).into_iter();
    values.collect::<Result<_, _>>().map_err(|cause| Error::at(path)(cause.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EventKind, by_second};

    fn segment(number: u32) -> SegmentRecord {
        SegmentRecord { number, ..SegmentRecord::example() }
    }

    #[test]
    fn a_run_is_read_as_it_was_written_and_what_is_not_done_is_not_read() {
        let place = tempfile::tempdir().expect("a folder for temporary files");
        let folder = RunFolder::new(place.path().join("run"));
        let run = RunRecord { seed: 3, command: "quorate-jepsen".into(), ..RunRecord::default() };
        folder.write_run(&run).expect("writable");
        let line = r#"{"client":1,"key":"k","op":"delete","call":10,"ret":11,"status":"ok","node":"n1"}"#;
        let history = History::read_from(line.as_bytes()).expect("a legal line");
        let event = EventRecord {
            at: 5,
            kind: EventKind::Strike,
            fault: "kill".into(),
            nodes: vec!["n1".into()],
            majority: Vec::new(),
            what: "killed".into(),
        };
        let seconds = by_second(&history, &["n1".into()]);
        for number in [2, 1] {
            folder
                .segment(number)
                .write(&segment(number), &history, std::slice::from_ref(&event), &seconds)
                .expect("writable");
        }
        std::fs::create_dir_all(folder.segment(3).nodes_path()).expect("writable");
        assert_eq!(folder.read_run().expect("written"), run);
        let segments = folder.read_segments().expect("readable");
        assert_eq!(segments.len(), 2, "the third was not done");
        folder.segment(3).clear().expect("removable");
        assert!(!folder.segment(3).path().exists(), "nothing of what was broken off is left");
        folder.segment(4).clear().expect("there was nothing");
        for (number, (read, folder)) in (1..).zip(segments) {
            assert_eq!(read, segment(number));
            assert_eq!(folder.read_history().expect("written"), history);
            assert_eq!(folder.read_events().expect("written"), std::slice::from_ref(&event));
            assert_eq!(folder.read_seconds().expect("written"), seconds);
        }
    }
}
