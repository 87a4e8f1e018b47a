//! A real mail server (aiosmtpd) that keeps what it takes and refuses by rules, in a process of its own.
//! Called by the tests of mail and by scenarios. It ends when it is dropped.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// The running server.
pub struct SmtpServer {
    child: Child,
    folder: TempDir,
    port: u16,
    /// How far the log was counted: bytes and lines. It grows to some ten thousand messages.
    counted: Mutex<(u64, usize)>,
}

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Envelope: where bounces go.
    pub from: String,
    /// Envelope: the recipient.
    pub to: String,
    /// Message-ID.
    pub id: String,
    /// The whole message.
    pub data: String,
    /// Which connection it came over.
    pub connection: u64,
    /// The cipher of TLS; empty without.
    pub cipher: String,
    /// Its commands came in one go.
    pub pipelined: bool,
}

impl Taken {
    /// A header's value, unfolded; empty when there is none.
    pub fn header(&self, name: &str) -> String {
        let head = self
            .data
            .split("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ");
        let prefix = format!("{}:", name.to_ascii_lowercase());
        let line = head.split("\r\n").find(|line| line.to_ascii_lowercase().starts_with(&prefix));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    }
}

fn venv() -> PathBuf {
    let cache = || {
        let home = std::env::var("HOME").unwrap_or_default();
        let cache = std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{home}/.cache"));
        format!("{cache}/kontor-tests/venv")
    };
    PathBuf::from(std::env::var("KONTOR_TEST_VENV").unwrap_or_else(|_| cache()))
}

/// Python of the tests.
pub fn python() -> PathBuf {
    venv().join("bin/python")
}

impl SmtpServer {
    /// Starts one.
    ///
    /// # Panics
    /// When the python of the tests or aiosmtpd is missing: tests/install makes them.
    pub fn start() -> SmtpServer {
        SmtpServer::start_with(&[])
    }

    /// Starts one with arguments of the script: "user:secret" for one that wants a sign-in, or options.
    ///
    /// # Panics
    /// As `start`.
    pub fn start_with(arguments: &[&str]) -> SmtpServer {
        let folder = tempfile::Builder::new().prefix("kontor-smtp-").tempdir().expect("a temporary folder");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/smtp_server.py");
        let mut child = Command::new(python())
            .arg(script)
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the python of the tests: tests/install makes it");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("it says its port");
        let port = line.trim().parse().expect("aiosmtpd is installed: tests/install does it");
        SmtpServer { child, folder, port, counted: Mutex::default() }
    }

    /// "smtp://127.0.0.1:41234"
    pub fn relay(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// "127.0.0.1:41234"
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sets the rules, as the script says.
    ///
    /// # Panics
    /// When they can't be written.
    pub fn set_rules(&self, rules: &[&str]) {
        // Renamed, so that it is never read half.
        let new = self.folder.path().join("rules.new");
        std::fs::write(&new, rules.join("\n")).expect("rules");
        std::fs::rename(new, self.folder.path().join("rules")).expect("rules");
    }

    /// What it took so far, in order.
    ///
    /// # Panics
    /// When the log is damaged.
    pub fn taken(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        // A line that is being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let read = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("a line of the log");
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            Taken {
                from: text("from"),
                to: text("to"),
                id: text("id"),
                data: text("data"),
                connection: value["connection"].as_u64().unwrap_or_default(),
                cipher: text("cipher"),
                pipelined: value["pipelined"].as_bool().unwrap_or_default(),
            }
        };
        whole.lines().map(read).collect()
    }

    /// How many it took so far.
    pub fn count(&self) -> usize {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(mut log) = std::fs::File::open(self.folder.path().join("log")) else { return 0 };
        let mut new = Vec::new();
        if log.seek(SeekFrom::Start(counted.0)).and_then(|_| log.read_to_end(&mut new)).is_ok() {
            counted.0 += new.len() as u64;
            counted.1 += new.iter().filter(|byte| **byte == b'\n').count();
        }
        counted.1
    }

    /// Connections that the other side ended with QUIT.
    ///
    /// # Panics
    /// When the log is damaged.
    pub fn ends(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.folder.path().join("ends")).unwrap_or_default();
        text.lines().map(|line| line.parse().expect("a number")).collect()
    }

    /// Recipients that were tried, taken or not, with the second of each since 1970.
    ///
    /// # Panics
    /// When the log is damaged.
    pub fn tries(&self) -> Vec<(String, f64)> {
        let text = std::fs::read_to_string(self.folder.path().join("tries")).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(to, time)| (to.to_owned(), time.parse().expect("a time"))).collect()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
