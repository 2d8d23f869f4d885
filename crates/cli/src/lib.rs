//! The command line: the server, and commands that work on its store while it runs.
//!
//! `main.rs` only starts what is here, so that tests, fuzz targets and the generated reference can
//! reach it too.

// They panic where the stream is full or its reader has gone: `output` has what does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod audit;
mod change;
mod client;
mod completions;
mod config;
mod consent;
mod dev;
mod import;
pub mod import_wso2;
mod init;
mod install;
mod key;
mod log;
mod logout;
mod migrate;
mod output;
mod overrides;
mod secret;
mod serve;
mod session;
mod store;
mod token;
mod user;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// An OAuth 2.0 authorization server and OpenID Provider.
///
/// Honest clients stay signed in, replayed tokens are caught, and each session is one row.
#[derive(Parser)]
#[command(name = "remint", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Start here:\n  remint serve --dev      a throw-away server with a client and a user in it\n  \
                        remint init             a configuration, keys and a database to keep"
)]
struct Remint {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a commented configuration, the key file and the database
    Init(init::Init),
    /// Run the server
    Serve(serve::Serve),
    /// Register and change clients
    #[command(subcommand)]
    Client(client::Client),
    /// Create and change users
    #[command(subcommand)]
    User(user::User),
    /// List and end sessions
    #[command(subcommand)]
    Session(session::Session),
    /// List and take back what users allowed to clients
    #[command(subcommand)]
    Consent(consent::Consent),
    /// See which clients were not told of a logout
    #[command(subcommand)]
    Logout(logout::Logout),
    /// List and change the root keys
    #[command(subcommand)]
    Key(key::Key),
    /// Look into tokens without using them
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Store(store::Store),
    /// Bring the schema of the database up to date
    Migrate(migrate::Migrate),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Move here from another server
    #[command(subcommand)]
    Import(import::Import),
    /// Print the completions of a shell
    Completions(completions::Completions),
}

/// Every command with its flags and help, for the generated reference.
pub fn command() -> clap::Command {
    Remint::command()
}

/// Does what the command line says. A failure is one line on standard error and exit status 1; a
/// command line that cannot be read is status 2. A reader of standard output that went away is no failure.
pub fn run() -> ExitCode {
    let command = match Remint::try_parse() {
        Ok(remint) => remint.command,
        Err(error) => return explain(&error),
    };
    match perform(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("remint: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints what clap has to say: the help that was asked for, or what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() {
        return ExitCode::from(2);
    }
    match output::written(printed.and_then(|()| std::io::stdout().flush())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("remint: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(init) => init.run(),
        Command::Serve(serve) => serve.run(),
        Command::Client(client) => client.run(),
        Command::User(user) => user.run(),
        Command::Session(session) => session.run(),
        Command::Consent(consent) => consent.run(),
        Command::Logout(logout) => logout.run(),
        Command::Key(key) => key.run(),
        Command::Token(token) => token.run(),
        Command::Store(store) => store.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Config(config) => config.run(),
        Command::Import(import) => import.run(),
        Command::Completions(completions) => completions.run(),
    }
}
