//! What is said while something takes long.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often a line is printed where lines cannot be overwritten, such as in a file.
const EVERY: Duration = Duration::from_secs(10);

const SPINNER: [char; 4] = ['|', '/', '-', '\\'];

/// A heading, so that the parts of a long output can be told apart.
pub(crate) fn heading(since: Instant, text: &str) {
    eprintln!("\n==> [{}] {text}", elapsed(since.elapsed()));
}

/// A duration as people say it.
pub(crate) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

/// One line that changes on a terminal, and a line every ten seconds elsewhere.
pub(crate) struct Progress {
    what: String,
    start: Instant,
    said: Instant,
    turns: usize,
    terminal: bool,
}

impl Progress {
    /// Says what begins.
    pub(crate) fn new(what: String) -> Self {
        let start = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        if !terminal {
            eprintln!("{what} ...");
        }
        Self { what, start, said: start, turns: 0, terminal }
    }

    /// Says that it goes on; to be called several times a second.
    pub(crate) fn tick(&mut self, detail: &str) {
        let line = format!("{}: {} {detail}", self.what, elapsed(self.start.elapsed()));
        if self.terminal {
            self.turns += 1;
            // Cut, because a line that wraps cannot be overwritten.
            let line: String = line.chars().take(76).collect();
            self.overwrite(&format!("{} {line}", SPINNER[self.turns % SPINNER.len()]));
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            eprintln!("{line}");
        }
    }

    /// Says how it ended.
    pub(crate) fn end(self, how: &str) {
        let line = format!("{}: {how} after {}", self.what, elapsed(self.start.elapsed()));
        if self.terminal {
            self.overwrite(&line);
        }
        eprintln!("{}", if self.terminal { "" } else { &line });
    }

    fn overwrite(&self, line: &str) {
        // A terminal that has gone away is no reason to stop the work.
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}").and_then(|()| std::io::stderr().flush());
    }
}
