//! Pages of the commands that run a pipeline, look at one, or talk to one that runs.

use super::{NOTHING, Page};

/// Of commands that ask a running pipeline.
const NO_ANSWER: (u8, &str) = (1, "there was no answer, or the pipeline refused");

pub(super) const PAGES: &[Page] = &[
    Page {
        command: "run",
        notes: &[
            "It goes on from the newest checkpoint that verifies and the logs behind it; without any, it begins with \
             nothing. It has started when the log says `ready`.",
            "SIGHUP has it read its settings again, as `tidemill reload` does. Ctrl-C or SIGTERM stops gracefully: \
             receivers end, everything received is processed, a last checkpoint is written. A second one stops at once; \
             nothing acknowledged is lost either way.",
            "Settings come from the file, the drop-ins beside it (wordcount.toml.d/*.toml, in the order of their names), \
             the environment (TIDEMILL__SECTION__KEY) and --set; each goes before those named before it.",
        ],
        writes: "Checkpoints and logs, at [checkpoint] url and [wal] url; what its sinks write. With --fresh it moves the old \
                 ones aside and deletes nothing.",
        examples: &[
            "tidemill run wordcount.toml",
            "tidemill run wordcount.toml --set admin.listen=127.0.0.1:0 --set batch_interval=500ms",
            "tidemill run wordcount.toml --from before-v2",
        ],
        exits: &[
            (0, "stopped gracefully"),
            (
                1,
                "failed while running; a start goes on from what is durable",
            ),
            (3, "another driver owns the checkpoint location"),
            (130, "stopped at once by a second Ctrl-C"),
            (143, "stopped at once by a second SIGTERM"),
        ],
        json: &[],
    },
    Page {
        command: "check",
        notes: &[
            "With --explain it says where each setting comes from; with --against, what a restart on a checkpoint would \
             keep, migrate, drop or refuse.",
            "Without --against it opens nothing but the file and its drop-ins; with it, it reads the checkpoint and the \
             driver's log, beside a live driver if there is one, and takes no lock. Both have answers of their own in JSON.",
            "Settings come from the file, the drop-ins beside it (wordcount.toml.d/*.toml, in the order of their names), \
             the environment (TIDEMILL__SECTION__KEY) and --set; each goes before those named before it.",
        ],
        writes: "Nothing; --rehearse copies the received data that its batches need into the folder for temporary files and \
                 removes it again.",
        examples: &[
            "tidemill check wordcount.toml --set wal.receiver=false",
            "tidemill check wordcount.toml --explain",
            "tidemill check wordcount.toml --explain checkpoint.interval",
            "tidemill check new.toml --against new.toml",
            "tidemill check new.toml --against new.toml --rehearse 3",
            "tidemill check new.toml --against sled:data/wordcount/checkpoint --drop visits.update_state_by_key --json",
        ],
        exits: &[
            (
                1,
                "something couldn't be read, or a batch failed in the rehearsal",
            ),
            (
                2,
                "the pipeline has mistakes, or the restart would be refused",
            ),
        ],
        json: &[
            ("--json", include_str!("json/check.json")),
            (
                "--explain checkpoint.interval --set checkpoint.interval=30s --json",
                include_str!("json/check-explain.json"),
            ),
            (
                "--against p.toml --json",
                include_str!("json/check-against.json"),
            ),
            (
                "--against p.toml --rehearse 1 --json",
                include_str!("json/check-rehearse.json"),
            ),
        ],
    },
    Page {
        command: "replay",
        notes: &[
            "It goes on from a checkpoint before the batch on a fork that nobody else sees, runs the batches up to it, and \
             prints what each output would have been given. State is as it was then.",
            "A batch can be replayed for as long as a checkpoint before it is kept, and so are its blocks: `tidemill \
             checkpoint list` shows the checkpoints, and what can't be replayed is refused with what can. Sources that read \
             (files) must still have what they read. It works while the pipeline runs and when it doesn't, and for a batch \
             that fails again and again.",
        ],
        writes: "Nothing; the received data that the batches need is copied into the folder for temporary files and removed \
                 again.",
        examples: &[
            "tidemill replay wordcount.toml --batch 1504665716000",
            "tidemill replay wordcount.toml --batch 1504665716000 --output files --rows 20",
            "tidemill replay wordcount.toml --batch 1504665716000 --json | jq '.batch.outputs[].first'",
        ],
        exits: &[(
            1,
            "the batch failed, or it can't be replayed: it isn't retained, or something can't be read",
        )],
        json: &[("--json", include_str!("json/replay.json"))],
    },
    Page {
        command: "status",
        notes: &[
            "It only looks. TIDEMILL_ADMIN and TIDEMILL_TOKEN_FILE stand for --admin and --token-file.",
        ],
        writes: NOTHING,
        examples: &[
            "tidemill status",
            "tidemill status --watch",
            "tidemill status --admin http://127.0.0.1:4041 --json | jq .ready",
        ],
        exits: &[NO_ANSWER],
        json: &[("--json", include_str!("json/status.json"))],
    },
    Page {
        command: "reload",
        notes: &[
            "It reads the file and its drop-ins again, with the environment and the --set arguments that it was started \
             with, and goes on with what differs. Settings that can't change while it runs are named, and then nothing is \
             changed; nor when there is a mistake. SIGHUP does the same. `tidemill check PIPELINE.toml --explain KEY` \
             tells whether a reload takes a key.",
        ],
        writes: NOTHING,
        examples: &[
            "tidemill reload",
            "tidemill reload --admin http://127.0.0.1:4041 --json",
        ],
        exits: &[
            NO_ANSWER,
            (
                2,
                "nothing was reloaded: there are mistakes, or settings that need a restart",
            ),
        ],
        json: &[("--json", include_str!("json/reload.json"))],
    },
    Page {
        command: "stop",
        notes: &[
            "Asked while it stops already, it says how far that is; `tidemill status --watch` follows it.",
        ],
        writes: "Nothing itself; the pipeline writes a last checkpoint.",
        examples: &[
            "tidemill stop",
            "tidemill stop --now --admin http://127.0.0.1:4041",
        ],
        exits: &[(0, "the stop has been accepted"), NO_ANSWER],
        json: &[("--json", include_str!("json/stop.json"))],
    },
];
