//! The bytes of a sound file, from its start to its end.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};

/// Bytes read at a time.
const PIECE: usize = 32 * 1024;

/// A file, or bytes in memory, read from front to back with as much looking ahead as is asked for.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    /// What has been read and not yet taken begins at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// Where in the file what is next stands.
    position: u64,
    has_ended: bool,
}

#[derive(Debug)]
enum Source {
    File(File),
    /// What is read once, at the pace of who writes it, and has no size.
    Pipe(File),
    Memory(Cursor<Vec<u8>>),
}

impl Input {
    pub(crate) fn file(file: File) -> Self {
        Self::of(Source::File(file))
    }

    pub(crate) fn pipe(pipe: File) -> Self {
        Self::of(Source::Pipe(pipe))
    }

    pub(crate) fn memory(bytes: Vec<u8>) -> Self {
        Self::of(Source::Memory(Cursor::new(bytes)))
    }

    fn of(source: Source) -> Self {
        Self { source, buffer: Vec::new(), start: 0, position: 0, has_ended: false }
    }

    /// Whether nothing can be read twice, and nobody knows how much will come.
    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self.source, Source::Pipe(_))
    }

    /// Bytes in front of what is next.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes are left, by what the system says now: of a pipe, more than will ever come.
    pub(crate) fn left(&self) -> io::Result<u64> {
        let length = match &self.source {
            Source::File(file) => file.metadata()?.len(),
            Source::Pipe(_) => u64::MAX / 2,
            Source::Memory(bytes) => bytes.get_ref().len() as u64,
        };
        Ok(length.saturating_sub(self.position))
    }

    /// What is next: `want` bytes or more, fewer only at the end. The caller bounds `want`.
    pub(crate) fn peek(&mut self, want: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.start < want {
            self.fill(want)?;
        }
        Ok(&self.buffer[self.start..])
    }

    fn fill(&mut self, want: usize) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        while self.buffer.len() < want && !self.has_ended {
            let there = self.buffer.len();
            self.buffer.resize(there + PIECE, 0);
            let got = match &mut self.source {
                Source::File(file) | Source::Pipe(file) => file.read(&mut self.buffer[there..]),
                Source::Memory(bytes) => bytes.read(&mut self.buffer[there..]),
            };
            self.buffer.truncate(there + *got.as_ref().unwrap_or(&0));
            match got {
                Ok(0) => self.has_ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes `count` bytes that were seen.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.buffer.len() - self.start);
        self.start += count;
        self.position += count as u64;
    }

    /// Steps over `count` bytes, seen or not. Behind the end there is nothing.
    pub(crate) fn skip(&mut self, count: u64) -> io::Result<()> {
        match usize::try_from(count) {
            Ok(count) if count <= self.buffer.len() - self.start => {
                self.consume(count);
                Ok(())
            }
            _ if self.is_pipe() => self.read_over(count),
            _ => self.go_to(self.position.saturating_add(count)),
        }
    }

    fn read_over(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let there = self.peek(1)?.len();
            if there == 0 {
                self.position = self.position.saturating_add(count);
                return Ok(());
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(there);
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }

    /// Goes to a place in the file, counted from its start.
    ///
    /// # Errors
    /// [`ErrorKind::NotSeekable`] where that was read from a pipe, and what the disk says.
    pub(crate) fn go_to(&mut self, position: u64) -> io::Result<()> {
        if self.is_pipe() {
            let ahead = position.checked_sub(self.position).ok_or(ErrorKind::NotSeekable)?;
            return self.skip(ahead);
        }
        // What no file system can have is behind the end too.
        let place = SeekFrom::Start(position.min(i64::MAX as u64));
        match &mut self.source {
            Source::File(file) | Source::Pipe(file) => file.seek(place)?,
            Source::Memory(bytes) => bytes.seek(place)?,
        };
        self.buffer.clear();
        self.start = 0;
        self.position = position;
        self.has_ended = false;
        Ok(())
    }

    /// Takes the next `N` bytes; `None` where there are fewer.
    pub(crate) fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let bytes = self.peek(N)?.first_chunk().copied();
        if bytes.is_some() {
            self.consume(N);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_order_however_they_are_looked_at_and_skipped() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
        let mut input = Input::memory(bytes.clone());
        let mut at = 0;
        for step in [0, 1, 5, 40_000, 3, 100_000, 17] {
            assert!(input.peek(step + 9).unwrap().starts_with(&bytes[at..at + step + 9]));
            input.skip(step as u64).unwrap();
            at += step;
            assert_eq!(
                (input.position(), input.left().unwrap()),
                (at as u64, (200_000 - at) as u64)
            );
        }
        assert_eq!(input.take::<4>().unwrap().unwrap(), bytes[at..at + 4]);
        input.skip(1 << 62).unwrap();
        assert!(input.peek(1).unwrap().is_empty());
        assert_eq!(input.take::<1>().unwrap(), None);
        input.go_to(0).unwrap();
        assert!(input.peek(10).unwrap().starts_with(&bytes[..10]));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_from_front_to_back_and_never_again() {
        use std::io::Write;
        use std::os::fd::OwnedFd;

        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
        let (reader, mut writer) = io::pipe().unwrap();
        let written = bytes.clone();
        let thread = std::thread::spawn(move || writer.write_all(&written).unwrap());
        let mut input = Input::pipe(File::from(OwnedFd::from(reader)));
        assert!(input.peek(10).unwrap().starts_with(&bytes[..10]));
        input.go_to(150_000).unwrap();
        assert!(input.peek(10).unwrap().starts_with(&bytes[150_000..150_010]));
        assert_eq!(input.go_to(0).unwrap_err().kind(), ErrorKind::NotSeekable);
        input.skip(100_000).unwrap();
        assert!(input.peek(1).unwrap().is_empty());
        thread.join().unwrap();
    }
}
