//! The arguments, as clap reads them. What there is to say of a command beside them is in [`super::pages`].

mod options;

use clap::{Parser, Subcommand};

pub(super) use options::*;

use super::terminal::Colour;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "tidemill",
    version,
    about = "A fault-tolerant, checkpointing micro-batch stream engine"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Whether to print in colours; `auto` does on a terminal, unless NO_COLOR is set. CLICOLOR_FORCE asks for
    /// them everywhere
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        global = true,
        hide_possible_values = true
    )]
    pub(super) color: Colour,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a pipeline in the foreground, going on from its checkpoint
    Run(RunArgs),
    /// Validate a pipeline; print its graph and what each path from source to sink guarantees
    Check(CheckArgs),
    /// Compute one batch again and print it; nothing is committed
    Replay(ReplayArgs),
    /// Show how a running pipeline is doing
    Status(StatusArgs),
    /// Have a running pipeline read its settings again, without a restart
    Reload(ReloadArgs),
    /// Stop a running pipeline; returns when the stop has been accepted
    Stop(StopArgs),
    /// List, show, verify or cut checkpoints
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// List the records that couldn't be processed, or have them put back
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Dump, verify or repair the write-ahead logs
    #[command(subcommand)]
    Wal(WalCommand),
    /// Check logs, checkpoints and what the sinks hold, each by itself and against the others
    Fsck(FsckArgs),
    /// Print what makes a shell complete commands and options
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man(ManArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointCommand {
    /// List the checkpoints of a location, newest first
    List(ListArgs),
    /// Show what a checkpoint holds [the newest]
    Show(ShowArgs),
    /// Read and check every byte
    Verify(CheckpointArgs),
    /// Have a running pipeline cut a checkpoint now; returns when it is durable
    Create(CreateArgs),
    /// Have a running pipeline give a savepoint up
    Forget(ForgetArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List them, oldest batch first, with where each came from and why it failed
    List(DeadLettersArgs),
    /// Have a running pipeline put the records that they came from back into their sources, exactly once
    Requeue(RequeueArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum WalCommand {
    /// Print the logs entry by entry, as JSON or as a story
    Dump(DumpArgs),
    /// Read and check every byte
    Verify(WalArgs),
    /// Say what is damaged and what repairing it would lose; with --quarantine, repair it
    Repair(WalRepairArgs),
}
