//! The arguments, as clap reads them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed while running
  2  the configuration or the arguments are wrong; nothing was opened or written
  3  another driver owns the checkpoint location

First steps:
  tidemill check config/examples/wordcount.toml
  tidemill run config/examples/wordcount.toml
  printf 'to be or not to be\\n' | curl --data-binary @- http://127.0.0.1:4040/ingest/lines
  tidemill status";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, about = "A fault-tolerant, checkpointing micro-batch stream engine", after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a pipeline in the foreground, going on from its checkpoint
    #[command(after_help = "\
SIGHUP has it read its settings again, as `tidemill reload` does. Ctrl-C or SIGTERM stops gracefully: receivers end, everything received is processed, a last checkpoint \
is written. A second one stops at once (exit code 130 or 143); nothing acknowledged is lost either way.

Examples:
  tidemill run wordcount.toml
  tidemill run wordcount.toml --set admin.listen=127.0.0.1:0 --set batch_interval=500ms")]
    Run(RunArgs),
    /// Validate a pipeline; print its graph and what each path from source to sink guarantees. With
    /// --explain, say where each setting comes from; with --against, what a restart on a checkpoint would keep,
    /// migrate, drop or refuse
    #[command(after_help = "\
Without --against it opens nothing but the file and its drop-ins; with it, it reads the checkpoint and the driver's \
log, beside a live driver if there is one, and takes no lock and writes nothing. Exit code 2 when the \
restart would be refused. --rehearse copies the received data that its batches need into the folder for \
temporary files and removes it again; exit code 1 when a batch failed.

Settings come from the file, the drop-ins beside it (wordcount.toml.d/*.toml, in the order of their names), the \
environment (TIDEMILL__SECTION__KEY) and --set; each goes before those named before it.

Examples:
  tidemill check wordcount.toml --set wal.receiver=false
  tidemill check wordcount.toml --explain
  tidemill check wordcount.toml --explain checkpoint.interval
  tidemill check new.toml --against new.toml
  tidemill check new.toml --against new.toml --rehearse 3
  tidemill check new.toml --against sled:data/wordcount/checkpoint --drop visits.update_state_by_key --json")]
    Check(CheckArgs),
    /// Show how a running pipeline is doing
    #[command(after_help = "Example:\n  tidemill status --admin http://127.0.0.1:4041")]
    Status(StatusArgs),
    /// Have a running pipeline read its settings again, without a restart
    #[command(after_help = "\
It reads the file and its drop-ins again, with the environment and the --set arguments that it was started with, \
and goes on with what differs. Settings that can't change while it runs are named, and then nothing is changed; \
nor when there is a mistake (exit code 2). SIGHUP does the same. `tidemill check PIPELINE.toml --explain KEY` \
tells whether a reload takes a key.

Examples:
  tidemill reload
  tidemill reload --admin http://127.0.0.1:4041 --json")]
    Reload(ReloadArgs),
    /// Stop a running pipeline; returns when the stop has been accepted
    #[command(
        after_help = "Examples:\n  tidemill stop\n  tidemill stop --now --admin http://127.0.0.1:4041"
    )]
    Stop(StopArgs),
    /// List, show, verify or cut checkpoints
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// List the records that couldn't be processed
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Dump, verify or repair the write-ahead logs
    #[command(subcommand)]
    Wal(WalCommand),
    /// Check logs, checkpoints and what the sinks hold, each by itself and against the others
    #[command(after_help = "\
Reads only, and works while the pipeline runs. Exit code 1 when there is an error; warnings and notes don't \
count.

Examples:
  tidemill fsck wordcount.toml
  tidemill fsck wordcount.toml --json | jq '.findings[] | select(.severity == \"error\")'")]
    Fsck(FsckArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointCommand {
    /// List the checkpoints of a location, newest first
    #[command(
        after_help = "Examples:\n  tidemill checkpoint list wordcount.toml\n  tidemill checkpoint list sled:data/wordcount/checkpoint --json"
    )]
    List(CheckpointArgs),
    /// Show what a checkpoint holds [the newest]
    #[command(after_help = "Example:\n  tidemill checkpoint show wordcount.toml --id 12")]
    Show(ShowArgs),
    /// Read and check every byte; exit code 1 when something is damaged
    #[command(after_help = "Example:\n  tidemill checkpoint verify sled:data/wordcount/checkpoint")]
    Verify(CheckpointArgs),
    /// Have a running pipeline cut a checkpoint now; returns when it is durable. With --name, a savepoint:
    /// it stays until it is forgotten, and `tidemill run --from NAME` goes back to it
    #[command(after_help = "\
Examples:
  tidemill checkpoint create --admin http://127.0.0.1:4041
  tidemill checkpoint create --name before-v2")]
    Create(CreateArgs),
    /// Have a running pipeline give a savepoint up
    #[command(after_help = "Example:\n  tidemill checkpoint forget --name before-v2")]
    Forget(ForgetArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List them, oldest batch first, with where each came from and why it failed
    #[command(after_help = "\
Reads only, and works while the pipeline runs. With --json each is a line of JSON.

Examples:
  tidemill dead-letters list readings.toml
  tidemill dead-letters list data/readings/dead_letters --json | jq .sourceText")]
    List(DeadLettersArgs),
    /// Have a running pipeline put the records that they came from back into their sources, exactly once
    #[command(after_help = "\
Asked for again, it changes nothing. Records of sources that read rather than receive (files, rate, queue) \
can't be put back, nor those of which it isn't known where they came from: those are told.

Examples:
  tidemill dead-letters requeue
  tidemill dead-letters requeue --batch 1504665717000 --admin http://127.0.0.1:4041")]
    Requeue(RequeueArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum WalCommand {
    /// Print the logs: one JSON object a line, in log order
    #[command(
        after_help = "Examples:\n  tidemill wal dump wordcount.toml | head\n  tidemill wal dump data/wordcount/wal/driver"
    )]
    Dump(WalArgs),
    /// Read and check every byte; exit code 1 when something is damaged
    #[command(after_help = "Example:\n  tidemill wal verify wordcount.toml")]
    Verify(WalArgs),
    /// Say what is damaged and what repairing it would lose; with --quarantine, repair it
    #[command(after_help = "\
Without --quarantine nothing is changed. With it, damaged segments are moved to quarantine-TIME/ in the \
log's folder, never deleted, and repaired ones take their place: good entries stay as they are, lost ones \
are marked as given up. The driver's log is cut where an entry is lost that no checkpoint contains.

In an object store a repaired run of slots takes the place of damaged or missing ones, and a head that is \
lost is made again from the objects there are. With checkpoints in an object store nothing tells whether a \
driver is live: --driver-is-stopped says that none is. Entries at the very end of a log that are gone with \
their object are missed only where a checkpoint or an event names them.

Exit code 1 means that something is damaged and was not repaired.

Examples:
  tidemill wal repair wordcount.toml
  tidemill wal repair wordcount.toml --quarantine")]
    Repair(WalRepairArgs),
}

/// A pipeline file and what is laid over it.
#[derive(Debug, Clone, Args)]
pub(super) struct PipelineArgs {
    /// The pipeline file
    #[arg(value_name = "PIPELINE.toml")]
    pub(super) pipeline: PathBuf,
    #[command(flatten)]
    pub(super) sets: SetArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct SetArgs {
    /// Set any dotted key of the file, as in `sources.lines.address=127.0.0.1:9998`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    /// Hold the pipeline against the newest checkpoint there: a checkpoint URL or a PIPELINE.toml; or against
    /// the savepoint of this name at the pipeline's own location
    #[arg(long, value_name = "LOCATION|NAME")]
    pub(super) against: Option<String>,
    /// Then run the next batches [1] on a fork of the checkpoint: nothing is committed, each output's records
    /// are computed and counted
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", requires = "against")]
    pub(super) rehearse: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    pub(super) permits: PermitArgs,
    /// Show each setting's effective value and where it comes from; below KEY only, if one is given
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", conflicts_with = "against")]
    pub(super) explain: Option<String>,
    /// Print JSON; with --against or --explain
    #[arg(long)]
    pub(super) json: bool,
}

/// What may be given up.
#[derive(Debug, Args)]
pub(super) struct PermitArgs {
    /// Give up the state that the checkpoint holds under this uid, where no operator takes it over; may be
    /// repeated. As `[checkpoint] drop`
    #[arg(long, value_name = "UID")]
    pub(super) drop: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    #[command(flatten)]
    pub(super) permits: PermitArgs,
    /// Move an existing checkpoint and its logs aside and start anew
    #[arg(long)]
    pub(super) fresh: bool,
    /// Go back to this savepoint. A restart with the same name goes on from there and not back again
    #[arg(long, value_name = "NAME", conflicts_with = "fresh")]
    pub(super) from: Option<String>,
}

/// Where a running pipeline answers.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// The admin address of the running pipeline
    #[arg(
        long,
        value_name = "URL",
        env = "TIDEMILL_ADMIN",
        default_value = "http://127.0.0.1:4040"
    )]
    pub(super) admin: String,
    /// A file with the bearer token, for an admin address that asks for one
    #[arg(long, value_name = "FILE", env = "TIDEMILL_TOKEN_FILE")]
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// Make it a savepoint of this name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// The savepoint's name
    #[arg(long, value_name = "NAME")]
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// Finish only the work at hand; what is left is done after the next start
    #[arg(long)]
    pub(super) now: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    /// A checkpoint URL (`sled:PATH`, `file:PATH`, `s3://...`) or a PIPELINE.toml
    pub(super) location: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    /// The `url` of [dead_letters], or a PIPELINE.toml
    pub(super) location: String,
    /// Only those of the batch at this time, in milliseconds since the Unix epoch
    #[arg(long, value_name = "TIME_MS")]
    pub(super) batch: Option<u64>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(super) struct RequeueArgs {
    /// Only those of the batch at this time, in milliseconds since the Unix epoch
    #[arg(long, value_name = "TIME_MS")]
    pub(super) batch: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) admin: AdminArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) at: CheckpointArgs,
    /// The checkpoint's number [the newest]
    #[arg(long)]
    pub(super) id: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct WalArgs {
    /// A PIPELINE.toml, `file:PATH`, or a folder: of both logs (`driver` and `blocks`) or of one
    pub(super) location: String,
    /// Print JSON (a dump always is)
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(super) struct FsckArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct WalRepairArgs {
    #[command(flatten)]
    pub(super) at: WalArgs,
    /// Set damaged segments aside and leave logs that can be gone on with; needs the PIPELINE.toml
    #[arg(long)]
    pub(super) quarantine: bool,
    /// Don't ask on a terminal
    #[arg(long, requires = "quarantine")]
    pub(super) yes: bool,
    /// Say that no driver is live, where no lock can tell: with checkpoints in an object store
    #[arg(long, requires = "quarantine")]
    pub(super) driver_is_stopped: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn visit(command: &clap::Command) {
            if command.get_subcommands().next().is_none() {
                let help = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    help.contains("Example"),
                    "{} has no example",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
