//! The command line: one module a command, thin over the library.
//!
//! Invariant: results go to standard output, logs and errors to standard error, and the exit code says
//! what a script can do: 0 done, 1 failed while running, 2 wrong configuration or arguments, 3 another
//! driver owns the checkpoint location.

mod args;
mod check;
mod checkpoints;
mod client;
mod connection;
mod dead_letters;
mod error;
mod explain;
mod fsck;
mod held;
mod load;
mod location;
mod logging;
mod manual;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod notify;
mod output;
mod pages;
#[cfg(test)]
mod reference;
mod rehearse;
mod reload;
mod replay;
mod run;
mod show;
mod status;
mod steer;
mod terminal;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod wal_dump;
mod wal_repair;
mod wal_verify;

use std::io::Write;
use std::process::ExitCode;

use clap::FromArgMatches;

use args::{CheckpointCommand, Cli, Command, DeadLettersCommand, WalCommand};
use error::{CliError, Result};

/// Runs the command that the process's arguments name.
///
/// ```no_run
/// /// A command of one's own name that is `tidemill`.
/// fn main() -> std::process::ExitCode {
///     tidemill::cli::main()
/// }
/// ```
#[must_use]
pub fn main() -> ExitCode {
    tidemill_storage::failpoints_from_env();
    let parsed = pages::command()
        .color(terminal::Colour::asked_for(std::env::args_os()).for_help())
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do when even that can't be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(error::USAGE));
        }
    };
    terminal::choose(cli.color);
    match perform(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::NobodyReads) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tidemill: {error}");
            ExitCode::from(error.code())
        }
    }
}

fn perform(command: Command) -> Result<()> {
    if let Command::Run(args) = &command {
        return run::run(args);
    }
    logging::start_plain();
    match command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Status(args) => status::status(&args),
        Command::Reload(args) => reload::reload(&args),
        Command::Stop(args) => steer::stop(&args),
        Command::Checkpoint(CheckpointCommand::Create(args)) => steer::checkpoint(&args),
        Command::Checkpoint(CheckpointCommand::Forget(args)) => steer::forget(&args),
        Command::Checkpoint(CheckpointCommand::List(args)) => checkpoints::list(&args),
        Command::Checkpoint(CheckpointCommand::Show(args)) => show::show(&args),
        Command::Checkpoint(CheckpointCommand::Verify(args)) => checkpoints::verify(&args),
        Command::DeadLetters(DeadLettersCommand::List(args)) => dead_letters::list(&args),
        Command::DeadLetters(DeadLettersCommand::Requeue(args)) => dead_letters::requeue(&args),
        Command::Wal(WalCommand::Dump(args)) => wal_dump::dump(&args),
        Command::Wal(WalCommand::Verify(args)) => wal_verify::verify(&args),
        Command::Fsck(args) => fsck::fsck(&args),
        Command::Wal(WalCommand::Repair(args)) => wal_repair::repair(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}
