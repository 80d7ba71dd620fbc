//! Ends a process when the test that started it cannot.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

/// Reads which process group there is, line by line. When there is nothing more to read, the test is over or dead:
/// the last group is killed and the folder removed. A group that has a way of its own to end gets ten seconds for it.
const SCRIPT: &str = r#"
group=
while read -r line; do group=$line; done
if [ -n "$group" ]; then
    if [ "$2" != KILL ]; then
        kill -s CONT -- "-$group" && kill -s "$2" -- "-$group"
        left=100
        while [ $left -gt 0 ] && kill -s 0 -- "-$group"; do sleep 0.1; left=$((left - 1)); done
    fi
    kill -s KILL -- "-$group"
fi 2>/dev/null
rm -rf -- "$1"
"#;

/// A shell that outlives the test process by the blink of an eye.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    /// Will remove the folder, after the end of a group by this signal.
    pub(crate) fn new(folder: &Path, end: Signal) -> Self {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(folder)
            .arg(end.as_str().trim_start_matches("SIG"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, which ends the test process.
            .process_group(0)
            .spawn()
            .expect("the kit needs sh");
        Self { shell }
    }

    /// Will kill this process group, or none.
    pub(crate) fn watch(&mut self, group: Option<i32>) {
        let line = group.map(|group| group.to_string()).unwrap_or_default();
        let pipe = self.shell.stdin.as_mut().expect("the pipe is closed on drop only");
        // Fails when somebody killed the guard, and then there is none.
        let _ = writeln!(pipe, "{line}");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // `wait` closes the pipe first.
        let _ = self.shell.wait();
    }
}
