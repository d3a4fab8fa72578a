//! Shows lines below the log, and keeps the log above them.
//!
//! One thread writes, from a bounded queue: a terminal that takes nothing for a while (Ctrl-S, a
//! slow connection) holds up nobody else. Nothing that is shown needs an answer from the terminal; a
//! status line is never as long as the terminal is wide, so nothing wraps.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

use super::keys::Stroke;
use super::{Key, fit, system};

/// Log lines that wait for the terminal. Then the oldest fall out, and how many is said.
const MOST_WAITING: usize = 512;

/// How long the last lines may take; a terminal that takes nothing must not keep us from ending.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// After a pause of this length others may have written: a shell, while we were stopped.
const OTHERS_AFTER: Duration = Duration::from_secs(2);

/// What a terminal that does not tell its size is taken for.
pub(super) const USUAL_SIZE: (u16, u16) = (80, 24);

/// The terminal that shows a status, if there is one: the log goes there.
static ACTIVE: Mutex<Option<Arc<Shared>>> = Mutex::new(None);

/// A terminal that shows a status. Dropping it leaves the terminal as it was.
#[derive(Debug)]
pub struct Terminal {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    log: VecDeque<String>,
    left_out: usize,
    changed: bool,
    closing: bool,
    closed: bool,
}

impl Terminal {
    /// The terminal on stderr. `None` if there is none, or it is busy with another program, or it
    /// cannot move its cursor.
    #[must_use]
    pub fn open() -> Option<Self> {
        if !super::is_seen(&io::stderr()) {
            return None;
        }
        let shared: Arc<Shared> = Arc::default();
        let own = Arc::clone(&shared);
        thread::Builder::new().name("status".to_owned()).spawn(move || own.write_all()).ok()?;
        release_when_panicking();
        *lock(&ACTIVE) = Some(Arc::clone(&shared));
        Some(Self { shared })
    }

    /// Replaces what is shown.
    pub fn show(&self, lines: Vec<String>) {
        let mut state = lock(&self.shared.state);
        state.lines = lines;
        state.changed = true;
        self.shared.bell.notify_all();
    }

    /// The keys, if stdin is a terminal too. From here on what is typed does not appear. With
    /// `wants_release` the terminal is asked to tell when keys are let go, which many cannot.
    #[must_use]
    pub fn keyboard(&self, wants_release: bool) -> Option<Keyboard> {
        let keys = || system::Keys::open(wants_release);
        io::stdin().is_terminal().then(keys).flatten().map(Keyboard)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        release();
    }
}

/// Keys as they are pressed.
#[derive(Debug)]
pub struct Keyboard(system::Keys);

impl Keyboard {
    /// What was pressed, waiting a moment for it.
    ///
    /// # Errors
    /// If there are no more keys: the terminal is gone or was given back.
    pub fn pressed(&mut self) -> io::Result<Vec<Key>> {
        Ok(self.0.typed()?.into_iter().filter_map(Stroke::key).collect())
    }

    /// Whether the terminal tells when a key is let go.
    #[must_use]
    pub fn tells_release(&self) -> bool {
        self.0.tells_release()
    }
}

/// Gives the terminal back as it was, if it is in use. The rest of the log is written first, as far
/// as the terminal takes it.
pub fn release() {
    let shared = lock(&ACTIVE).take();
    if let Some(shared) = shared {
        shared.close();
    }
    system::release();
}

/// A panic ends the program, and its message belongs on a terminal that is as it was.
fn release_when_panicking() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            release();
            before(panic);
        }));
    });
}

/// Where the log goes: above the status if there is one, else to stderr.
#[derive(Debug, Default)]
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shared = lock(&ACTIVE).clone();
        match shared.filter(|shared| shared.log(&String::from_utf8_lossy(bytes))) {
            Some(_) => Ok(bytes.len()),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Shared {
    /// Queues whole lines. `false` if it is too late for that.
    fn log(&self, text: &str) -> bool {
        let mut state = lock(&self.state);
        if state.closing {
            return false;
        }
        for line in text.lines() {
            if state.log.len() == MOST_WAITING {
                state.log.pop_front();
                state.left_out += 1;
            }
            state.log.push_back(line.to_owned());
        }
        state.changed = true;
        self.bell.notify_all();
        true
    }

    /// Takes the status away and writes the rest of the log.
    fn close(&self) {
        let until = Instant::now() + CLOSE_WITHIN;
        let mut state = lock(&self.state);
        state.closing = true;
        state.lines.clear();
        self.bell.notify_all();
        while !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The writing thread.
    fn write_all(&self) {
        let mut painter = Painter::default();
        let mut wrote = Instant::now();
        loop {
            let (log, lines, closing) = self.take();
            if wrote.elapsed() > OTHERS_AFTER || !system::is_ours() {
                painter = Painter::default();
            }
            let shown = if system::is_ours() { &lines[..] } else { &[] };
            let text = painter.paint(&log, shown, system::size().unwrap_or(USUAL_SIZE));
            let mut stderr = io::stderr().lock();
            // A terminal that is gone shows nothing; the program goes on.
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
            wrote = Instant::now();
            if closing {
                break;
            }
        }
        lock(&self.state).closed = true;
        self.bell.notify_all();
    }

    /// Waits for something to write.
    fn take(&self) -> (Vec<String>, Vec<String>, bool) {
        let mut state = lock(&self.state);
        while !state.changed && !state.closing {
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.changed = false;
        let mut log: Vec<String> = state.log.drain(..).collect();
        match std::mem::take(&mut state.left_out) {
            0 => {}
            n => log.insert(0, format!("({n} lines are missing: the terminal took none)")),
        }
        (log, state.lines.clone(), state.closing)
    }
}

/// Writes lines over the ones before. The cursor rests at the start of the line below them.
#[derive(Debug, Default)]
struct Painter {
    /// How wide each line is that stands there now.
    drawn: Vec<usize>,
}

impl Painter {
    /// What to write to a terminal of so many columns and rows to get `log` above `lines`.
    fn paint(&mut self, log: &[String], lines: &[String], (columns, rows): (u16, u16)) -> String {
        let columns = usize::from(columns).max(1);
        let mut text = String::new();
        // A terminal that was made narrower has wrapped what was wider.
        let up: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if up > 0 {
            text += &format!("\x1b[{up}A\r");
        }
        if !log.is_empty() {
            text += if up > 0 { "\x1b[J" } else { "" };
            log.iter().for_each(|line| text.extend([line.as_str(), "\n"]));
        }
        let most = usize::from(rows).saturating_sub(1);
        let lines: Vec<String> =
            lines.iter().take(most).map(|line| fit(line, columns - 1)).collect();
        lines.iter().for_each(|line| text.extend([line.as_str(), "\x1b[K\n"]));
        if up > 0 {
            text += "\x1b[J";
        }
        self.drawn = lines.iter().map(|line| line.width()).collect();
        text
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    struct Window {
        emulator: vt100::Parser,
        painter: Painter,
        size: (u16, u16),
    }

    impl Window {
        fn new(columns: u16, rows: u16) -> Self {
            let size = (columns, rows);
            Self {
                emulator: vt100::Parser::new(rows, columns, 100),
                painter: Painter::default(),
                size,
            }
        }

        fn paint(&mut self, log: &[&str], lines: &[&str]) -> Vec<String> {
            let text = self.painter.paint(&strings(log), &strings(lines), self.size);
            // The terminal's driver makes a new line of it.
            self.emulator.process(text.replace('\n', "\r\n").as_bytes());
            let rows = self.emulator.screen().rows(0, self.size.0);
            let mut rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
            let shown = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
            rows.truncate(shown);
            rows
        }
    }

    #[test]
    fn the_log_stays_above_the_status() {
        let mut window = Window::new(40, 10);
        assert_eq!(window.paint(&["one"], &[]), ["one"]);
        assert_eq!(window.paint(&[], &["meter 1", "keys"]), ["one", "meter 1", "keys"]);
        assert_eq!(window.paint(&[], &["m 2", "keys"]), ["one", "m 2", "keys"]);
        assert_eq!(
            window.paint(&["two", "three"], &["m 3", "keys"]),
            ["one", "two", "three", "m 3", "keys"]
        );
    }

    #[test]
    fn fewer_lines_leave_nothing_of_the_ones_before() {
        let mut window = Window::new(40, 10);
        window.paint(&["one"], &["a", "b", "c"]);
        assert_eq!(window.paint(&[], &["a"]), ["one", "a"]);
        assert_eq!(window.paint(&["two"], &[]), ["one", "two"]);
        assert_eq!(window.paint(&["three"], &[]), ["one", "two", "three"]);
    }

    #[test]
    fn at_the_bottom_of_the_window_the_log_scrolls_and_the_status_stays() {
        let mut window = Window::new(40, 4);
        for round in 0..20 {
            window.paint(&[&format!("line {round}")], &["meter", "keys"]);
        }
        assert_eq!(window.paint(&[], &["meter", "keys"]), ["line 19", "meter", "keys"]);
    }

    #[test]
    fn a_narrow_window_cuts_the_status_and_wraps_the_log() {
        let mut window = Window::new(10, 8);
        window.paint(&[], &["0123456789abc", "second"]);
        let rows = window.paint(&["0123456789", "ABCDEFGHIJK"], &["0123456789abc", "second"]);
        assert_eq!(rows, ["0123456789", "ABCDEFGHIJ", "K", "012345678", "second"]);
    }

    #[test]
    fn a_window_that_was_made_narrower_loses_no_line_of_the_log() {
        let mut window = Window::new(40, 12);
        window.paint(&["one"], &["0123456789abcdefghijklmnopqrs", "keys"]);
        // What a terminal makes of it: the first status line now takes three rows.
        window.emulator = vt100::Parser::new(12, 10, 0);
        window.emulator.process(b"one\r\n0123456789\r\nabcdefghij\r\nklmnopqrs\r\nkeys\r\n");
        window.size = (10, 12);
        assert_eq!(window.paint(&["two"], &["x", "keys"]), ["one", "two", "x", "keys"]);
    }

    #[test]
    fn a_window_of_one_row_or_none_shows_the_log_alone() {
        for size in [(1, 1), (0, 0), (80, 1)] {
            let mut painter = Painter::default();
            for _ in 0..2 {
                assert_eq!(painter.paint(&strings(&["one"]), &strings(&["meter"]), size), "one\n");
            }
        }
    }

    #[test]
    fn a_terminal_that_takes_nothing_loses_the_oldest_lines_and_says_how_many() {
        let shared = Shared::default();
        for n in 0..MOST_WAITING + 3 {
            assert!(shared.log(&format!("line {n}\n")));
        }
        let (log, _, _) = shared.take();
        assert_eq!(log[..2], ["(3 lines are missing: the terminal took none)", "line 3"]);
        assert_eq!(log.len(), MOST_WAITING + 1);
    }

    #[test]
    fn a_terminal_that_hangs_keeps_nobody_from_ending() {
        let shared = Shared::default();
        shared.close();
        assert!(!shared.log("too late"), "then it goes to stderr");
    }
}
