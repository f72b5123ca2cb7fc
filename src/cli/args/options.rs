//! What each command takes.

use std::path::PathBuf;

use clap::Args;

/// A pipeline file and what is laid over it.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct PipelineArgs {
    /// The pipeline file
    #[arg(value_name = "PIPELINE.toml")]
    pub(in crate::cli) pipeline: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) sets: SetArgs,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct SetArgs {
    /// Set any dotted key of the file, as in `sources.lines.address=127.0.0.1:9998`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(in crate::cli) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    #[command(flatten)]
    pub(in crate::cli) pipeline: PipelineArgs,
    /// Hold the pipeline against the newest checkpoint there: a checkpoint URL or a PIPELINE.toml; or against
    /// the savepoint of this name at the pipeline's own location
    #[arg(long, value_name = "LOCATION|NAME")]
    pub(in crate::cli) against: Option<String>,
    /// Then run the next batches [1] on a fork of the checkpoint: nothing is committed, each output's records
    /// are computed and counted
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1", requires = "against")]
    pub(in crate::cli) rehearse: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    pub(in crate::cli) permits: PermitArgs,
    /// Show each setting's effective value and where it comes from; below KEY only, if one is given
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", conflicts_with = "against")]
    pub(in crate::cli) explain: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What may be given up.
#[derive(Debug, Args)]
pub(in crate::cli) struct PermitArgs {
    /// Give up the state that the checkpoint holds under this uid, where no operator takes it over; may be
    /// repeated. As `[checkpoint] drop`
    #[arg(long, value_name = "UID")]
    pub(in crate::cli) drop: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(in crate::cli) pipeline: PipelineArgs,
    #[command(flatten)]
    pub(in crate::cli) permits: PermitArgs,
    /// Move an existing checkpoint and its logs aside and start anew
    #[arg(long)]
    pub(in crate::cli) fresh: bool,
    /// Go back to this savepoint. A restart with the same name goes on from there and not back again
    #[arg(long, value_name = "NAME", conflicts_with = "fresh")]
    pub(in crate::cli) from: Option<String>,
}

/// Where a running pipeline answers.
#[derive(Debug, Args)]
pub(in crate::cli) struct AdminArgs {
    /// The admin address of the running pipeline
    #[arg(
        long,
        value_name = "URL",
        env = "TIDEMILL_ADMIN",
        default_value = "http://127.0.0.1:4040"
    )]
    pub(in crate::cli) admin: String,
    /// A file with the bearer token, for an admin address that asks for one
    #[arg(long, value_name = "FILE", env = "TIDEMILL_TOKEN_FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,
    /// Certificates of the authorities to believe, in PEM form, for an https:// address [the system's]
    #[arg(long, value_name = "FILE", env = "TIDEMILL_CA")]
    pub(in crate::cli) ca: Option<PathBuf>,
    /// The certificate to show, for an address that asks for one
    #[arg(long, value_name = "FILE", env = "TIDEMILL_CERT", requires = "key")]
    pub(in crate::cli) cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", env = "TIDEMILL_KEY", requires = "cert")]
    pub(in crate::cli) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    #[command(flatten)]
    pub(in crate::cli) admin: AdminArgs,
    /// Make it a savepoint of this name
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ForgetArgs {
    #[command(flatten)]
    pub(in crate::cli) admin: AdminArgs,
    /// The savepoint's name
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: String,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) admin: AdminArgs,
    /// Show it again every SECONDS [2], until Ctrl-C; with --json an object a line
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2")]
    pub(in crate::cli) watch: Option<std::num::NonZeroU32>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReloadArgs {
    #[command(flatten)]
    pub(in crate::cli) admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StopArgs {
    #[command(flatten)]
    pub(in crate::cli) admin: AdminArgs,
    /// Finish only the work at hand; what is left is done after the next start
    #[arg(long)]
    pub(in crate::cli) now: bool,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckpointArgs {
    /// A checkpoint URL (`sled:PATH`, `file:PATH`, `s3://...`) or a PIPELINE.toml
    pub(in crate::cli) location: String,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    pub(in crate::cli) at: CheckpointArgs,
    /// Read and check every byte, too, and say of each whether it is whole
    #[arg(long)]
    pub(in crate::cli) verify: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeadLettersArgs {
    /// The `url` of [dead_letters], or a PIPELINE.toml
    pub(in crate::cli) location: String,
    /// Only those of the batch at this time, in milliseconds since the Unix epoch
    #[arg(long, value_name = "TIME_MS")]
    pub(in crate::cli) batch: Option<u64>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RequeueArgs {
    /// Only those of the batch at this time, in milliseconds since the Unix epoch
    #[arg(long, value_name = "TIME_MS")]
    pub(in crate::cli) batch: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) admin: AdminArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    pub(in crate::cli) at: CheckpointArgs,
    /// The checkpoint's number [the newest]
    #[arg(long)]
    pub(in crate::cli) id: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WalArgs {
    /// A PIPELINE.toml, `file:PATH`, or a folder: of both logs (`driver` and `blocks`) or of one
    pub(in crate::cli) location: String,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FsckArgs {
    #[command(flatten)]
    pub(in crate::cli) pipeline: PipelineArgs,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WalRepairArgs {
    #[command(flatten)]
    pub(in crate::cli) at: WalArgs,
    /// Set damaged segments aside and leave logs that can be gone on with; needs the PIPELINE.toml
    #[arg(long)]
    pub(in crate::cli) quarantine: bool,
    /// Don't ask on a terminal
    #[arg(long, requires = "quarantine")]
    pub(in crate::cli) yes: bool,
    /// Say that no driver is live, where no lock can tell: with checkpoints in an object store
    #[arg(long, requires = "quarantine")]
    pub(in crate::cli) driver_is_stopped: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DumpArgs {
    /// A PIPELINE.toml, `file:PATH`, an object store's URL, or a folder: of both logs (`driver` and `blocks`) or of one
    pub(in crate::cli) location: String,
    /// Print JSON, one object a line; so it is without this, too
    #[arg(long, conflicts_with = "story")]
    pub(in crate::cli) json: bool,
    /// Tell it for people: what came, what became a batch, what was forgotten
    #[arg(long)]
    pub(in crate::cli) story: bool,
    /// Only what is about the batch at this time, its blocks included
    #[arg(long, value_name = "TIME_MS")]
    pub(in crate::cli) batch: Option<u64>,
    /// Only what is about this source
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) source: Option<String>,
    /// Only what happened since: milliseconds since the Unix epoch, or a length of time before now, as 10m
    #[arg(long, value_name = "TIME_MS|LENGTH")]
    pub(in crate::cli) since: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) sets: SetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    pub(in crate::cli) pipeline: PipelineArgs,
    /// The batch, by its time in milliseconds since the Unix epoch
    #[arg(long, value_name = "TIME_MS")]
    pub(in crate::cli) batch: u64,
    /// Only what this output would have been given: the sink's name
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) output: Option<String>,
    /// Print at most so many records of each output [all]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) rows: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(in crate::cli) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// A folder, which is made if it isn't there
    #[arg(value_name = "FOLDER")]
    pub(in crate::cli) folder: PathBuf,
}
