//! A test that runs again in a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

/// What the process was started for; `None` in the tests' own.
pub fn role() -> Option<String> {
    std::env::var("GAIWAN_STORE_CHILD").ok()
}

/// Runs `test`, with its module, in another process, which then sees `role`.
pub fn command(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    as_child(&mut command, test, role);
    command
}

/// The arguments and the role of a child, for a command that becomes one.
pub fn as_child(command: &mut Command, test: &str, role: &str) {
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env("GAIWAN_STORE_CHILD", role);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
}

/// Lines that a child has said.
pub struct Lines(std::io::Lines<BufReader<ChildStdout>>);

impl Lines {
    pub fn of(child: &mut Child) -> Self {
        Self(BufReader::new(child.stdout.take().unwrap()).lines())
    }
}

impl Iterator for Lines {
    type Item = String;

    /// What the harness says itself is left out.
    fn next(&mut self) -> Option<String> {
        let lines = self.0.by_ref().map_while(Result::ok);
        lines.filter_map(|line| Some(line.split_once("> ")?.1.to_owned())).next()
    }
}

/// Says a line to whoever has started this process, at once.
pub fn say(line: &str) {
    use std::io::Write;
    // A pipe takes a short line whole (POSIX, write).
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Waits for a line from there.
pub fn wait_for_word() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}
