//! The floor: Postfix' test programs `smtp-source` and `smtp-sink`. Neither is part of Kontor, and no mail server is started.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use kontor_tests::process::cpu_seconds_of;
use tokio::process::{Child, Command};

use crate::connections;

/// Where the two programs are.
pub struct Tools {
    folder: PathBuf,
    libraries: Option<PathBuf>,
}

impl Tools {
    /// Finds them: of an installed Postfix, or as tests/install unpacks them.
    pub fn find() -> Tools {
        let home = std::env::var("HOME").unwrap_or_default();
        let cache = std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{home}/.cache"));
        let venv = std::env::var("KONTOR_TEST_VENV").unwrap_or_else(|_| format!("{cache}/kontor-tests/venv"));
        let unpacked = Path::new(&venv).with_file_name("postfix");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let installed = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| (folder, None));
        let own = (unpacked.join("usr/sbin"), Some(unpacked.join("usr/lib/postfix")));
        let both = |folder: &Path| ["smtp-source", "smtp-sink"].iter().all(|name| folder.join(name).exists());
        let found = installed.chain([own]).find(|(folder, _)| both(folder));
        let (folder, libraries) = found.expect(
            "smtp-source and smtp-sink, of Debian's package postfix: tests/install unpacks them beside the tests' python and starts no server; or install postfix",
        );
        Tools { folder, libraries }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}

/// A running `smtp-sink`. It ends when it is dropped.
pub struct Sink {
    child: Child,
    /// "127.0.0.1:41234"
    pub address: String,
}

impl Sink {
    /// Starts one on a free port.
    pub async fn start(tools: &Tools) -> Sink {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let mut command = tools.command("smtp-sink");
        // It wants a user to become when root starts it.
        let is_root =
            std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("/proc")) == 0;
        if is_root {
            command.args(["-u", "nobody"]);
        }
        let child = command.args([&address, "1000"]).kill_on_drop(true).spawn().expect("smtp-sink starts");
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                return Sink { child, address };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("smtp-sink does not listen on {address}");
    }

    /// Sends a message `count` times by `smtp-source`. Messages a second.
    pub async fn flood(&self, tools: &Tools, message: &Path, count: usize, keeps_connections: bool) -> f64 {
        let mut command = tools.command("smtp-source");
        if keeps_connections {
            command.arg("-d");
        }
        let (sessions, messages) = (connections().to_string(), count.to_string());
        command.args([
            "-s",
            &sessions,
            "-m",
            &messages,
            "-f",
            "bounces@kontor.example",
            "-t",
            "someone@d1.example",
            "-F",
        ]);
        command.arg(message).arg(&self.address).stdin(Stdio::null());
        let begun = Instant::now();
        assert!(command.status().await.expect("smtp-source starts").success());
        count as f64 / begun.elapsed().as_secs_f64()
    }

    /// CPU time that it has used so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds_of(self.child.id().expect("it runs"))
    }
}
