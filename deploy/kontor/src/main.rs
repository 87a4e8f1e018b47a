//! The `kontor` command: reads the command line and calls the room that does the work.
//! Started by people, by service managers and by tests.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use kontor::accounts::{self, Accounts};
use kontor::config::Config;
use kontor::{connector, dialler, import, memory, observe, serve};

/// A CRM back office of gRPC services, with calendars, address books and telephony for the programs people already use.
#[derive(Parser)]
#[command(name = "kontor", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server.
    Serve {
        #[command(flatten)]
        common: Common,
        /// Address and port to listen on [default: 127.0.0.1:8420].
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Services to run here, by comma: gateway,directory,calendar,pipeline,telephony,templating,mail,segmentation [default: all].
        #[arg(long, value_name = "LIST")]
        services: Option<String>,
        /// Fill an empty installation with a sample company and accounts with the password "demo".
        #[arg(long)]
        demo: bool,
    },
    /// Bring the databases up to date and start nothing: the first step of an upgrade.
    Migrate {
        #[command(flatten)]
        common: Common,
        /// Services whose databases are meant, by comma [default: all].
        #[arg(long, value_name = "LIST")]
        services: Option<String>,
    },
    /// Manage accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage app passwords, one for each device.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Add telephone systems to the running server, and see how they are doing.
    #[command(subcommand)]
    Connector(connector::Command),
    /// Import a file of leads or opportunities into the running server, and list past imports.
    #[command(subcommand)]
    Import(import::Command),
    /// Simulate days of a dialler before going live: busy time and dropped calls, as a table and as a plot. Needs no server.
    SimulateDialler(dialler::Dialler),
    /// Show the settings in force and where each comes from.
    Config {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an account. Works while the server runs.
    Add {
        #[command(flatten)]
        common: Common,
        /// Login name: 1 to 64 of a-z, 0-9, ".", "_", "-".
        name: String,
        /// E-mail address by which colleagues invite them to meetings.
        #[arg(long, value_name = "ADDRESS", default_value = "")]
        email: String,
        /// Team to join; made when it does not exist.
        #[arg(long, value_name = "T")]
        team: Option<String>,
        /// Make it an administrator.
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input instead of asking for it.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Add an app password and print it once. Works while the server runs.
    Add {
        #[command(flatten)]
        common: Common,
        /// Login name.
        user: String,
        /// What it is for: "Anna's iPhone".
        #[arg(long, value_name = "DEVICE")]
        name: String,
    },
}

#[derive(Args)]
struct Common {
    /// Folder of the data [default: ./kontor-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Common {
    /// File, then environment, then command line.
    fn read(&self, more: &[(&str, Option<String>)]) -> kontor_kit::Result<Config> {
        let data = self.data.as_ref().map(|path| path.display().to_string());
        let given = more.iter().cloned().chain([("data", data)]);
        let given = given.filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)));
        Config::read(self.config.as_deref(), std::env::vars(), given)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = run(cli.command);
    observe::stop();
    match outcome {
        Ok(code) => code,
        Err(cause) => {
            eprintln!("kontor: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> kontor_kit::Result<ExitCode> {
    match command {
        Command::Serve { common, listen, services, demo } => {
            if let Err(cause) = memory::settle() {
                eprintln!(
                    "kontor: it could not start itself anew, so memory is not given back as it could be ({cause}): set {} in its environment",
                    memory::words()
                );
            }
            let demo = demo.then(|| "true".to_owned());
            let config = common.read(&[("listen", listen), ("services", services), ("demo", demo)])?;
            let render = observe::start(&config)?;
            runtime()?.block_on(serve::until_signal(config, render))?;
        }
        Command::Migrate { common, services } => {
            let config = common.read(&[("services", services)])?;
            runtime()?.block_on(serve::migrate(&config))?;
        }
        Command::User(UserCommand::Add { common, name, email, team, admin, password_stdin }) => {
            let config = common.read(&[])?;
            // Before anybody thinks of a password.
            accounts::must_exist(&config)?;
            let password = accounts::read_password(password_stdin)?;
            runtime()?.block_on(async {
                let accounts = Accounts::open_existing(&config).await?;
                accounts.add_user(&name, &email, team.as_deref(), admin, &password).await
            })?;
        }
        Command::Token(TokenCommand::Add { common, user, name }) => {
            let config = common.read(&[])?;
            runtime()?
                .block_on(async { Accounts::open_existing(&config).await?.add_token(&user, &name).await })?;
        }
        Command::Connector(command) => return runtime()?.block_on(connector::run(command)),
        Command::Import(command) => return runtime()?.block_on(import::run(command)),
        Command::SimulateDialler(given) => dialler::simulate(&given)?,
        Command::Config { common } => {
            print!("{}", common.read(&[])?.describe());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> kontor_kit::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(kontor_kit::Error::internal)
}
