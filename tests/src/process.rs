//! Kontor as a real process of its own, to be killed without warning.
//! Called by the scenarios on durability and on the command line.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running `kontor serve`. It is killed when it is dropped.
pub struct Process {
    child: Child,
    /// "127.0.0.1:41234"
    pub address: String,
}

/// The `kontor` program that was built together with these tests.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.ancestors().nth(2).expect("the target folder");
    let program = folder.join("kontor");
    assert!(program.exists(), "{} is not built: run tests/run, or `cargo build` first", program.display());
    program
}

impl Process {
    /// Starts one with all services on a free port and waits until it says that it is ready.
    pub async fn start(data: &Path, more: &[&str]) -> Process {
        let data = data.display().to_string();
        let arguments = [&["--listen", "127.0.0.1:0", "--data", &data], more].concat();
        Process::start_as(&arguments, &[]).await
    }

    /// Starts one with all services in a shell that first runs `limits`, some `ulimit`s.
    pub async fn start_limited(data: &Path, limits: &str) -> Process {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limits}; exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\"")]);
        shell.arg(program()).arg(data);
        Process::ready(shell).await
    }

    /// Starts one with these arguments of `serve` and variables and waits until it says that it is ready.
    pub async fn start_as(arguments: &[&str], variables: &[(String, String)]) -> Process {
        let mut command = Command::new(program());
        command.arg("serve").args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        Process::ready(command).await
    }

    async fn ready(mut command: Command) -> Process {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("kontor starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = tokio::time::timeout(Duration::from_secs(30), async {
            while let Some(line) = lines.next_line().await.expect("its output is text") {
                if let Some(rest) = line.strip_prefix("Kontor is ready at http://") {
                    return rest.trim_end_matches('/').to_owned();
                }
            }
            panic!("kontor ended before it was ready");
        });
        let address = address.await.expect("kontor is ready in time");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Process { child, address }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// CPU time that it has used so far, user and system, in seconds. Linux only.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds_of(self.id())
    }

    /// Memory that it holds (resident set), in MiB. Linux only.
    pub fn memory_mib(&self) -> f64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    }

    /// Kills it without warning (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks it to stop (SIGTERM) and returns whether it ended well.
    pub async fn stop(mut self) -> bool {
        let id = self.child.id().expect("it runs").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(asked.success());
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        ended.expect("it ends in time").expect("it can be waited for").success()
    }
}

/// Runs `kontor` with arguments and input and returns its exit, output and errors.
pub async fn run(arguments: &[&str], input: &str) -> (bool, String, String) {
    use tokio::io::AsyncWriteExt;
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kontor starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).await.expect("input is taken");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// CPU time of a process, user and system, in seconds. The clock ticks 100 times a second.
pub fn cpu_seconds_of(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("/proc");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}

/// Waits until a process has almost nothing to do, for a minute at most: work of before, such as events that others follow, is not measured with what comes next.
pub async fn calm(id: u32) {
    for _ in 0..300 {
        let before = cpu_seconds_of(id);
        tokio::time::sleep(Duration::from_millis(200)).await;
        // The clock ticks every 10 ms.
        if cpu_seconds_of(id) - before < 0.015 {
            return;
        }
    }
}
