//! Pages of the commands about what is stored: checkpoints, dead letters and logs.

use super::{NOTHING, Page};

pub(super) const PAGES: &[Page] = &[
    Page {
        command: "checkpoint list",
        notes: &[
            "COMPLETE is the batch through which everything is in it; AGE counts from when it was cut. SIZE is all that it names, \
             NEW what it doesn't share with those before it. A checkpoint with a name is a savepoint and stays until it is \
             forgotten. A checkpoint whose head can't be read is listed as DAMAGED (`damaged` in the JSON). With --verify every \
             byte is read and checked, which takes longer.",
            "It reads only, and works while the pipeline runs.",
        ],
        writes: NOTHING,
        examples: &[
            "tidemill checkpoint list wordcount.toml",
            "tidemill checkpoint list sled:data/wordcount/checkpoint --json",
        ],
        exits: &[(
            1,
            "the location can't be read, or holds no checkpoint that can be: with --json the list is empty then",
        )],
        json: &[("--json", include_str!("json/checkpoint-list.json"))],
    },
    Page {
        command: "checkpoint show",
        notes: &["It reads only, and works while the pipeline runs."],
        writes: NOTHING,
        examples: &[
            "tidemill checkpoint show wordcount.toml",
            "tidemill checkpoint show wordcount.toml --id 12 --json | jq .state",
        ],
        exits: &[(1, "there is no such checkpoint, or it can't be read")],
        json: &[("--json", include_str!("json/checkpoint-show.json"))],
    },
    Page {
        command: "checkpoint verify",
        notes: &[
            "What is damaged, and what a start would do: go on from an older checkpoint (`startsFrom`), or be refused. Whether \
             the log behind it is whole, `tidemill fsck` says.",
            "It reads only, and works while the pipeline runs.",
        ],
        writes: NOTHING,
        examples: &["tidemill checkpoint verify sled:data/wordcount/checkpoint"],
        exits: &[(1, "something is damaged, or can't be read")],
        json: &[("--json", include_str!("json/checkpoint-verify.json"))],
    },
    Page {
        command: "checkpoint create",
        notes: &[
            "With --name, a savepoint: it stays until it is forgotten, and `tidemill run --from NAME` goes back to it.",
        ],
        writes: "Nothing itself; the pipeline writes a checkpoint.",
        examples: &[
            "tidemill checkpoint create --admin http://127.0.0.1:4041",
            "tidemill checkpoint create --name before-v2",
        ],
        exits: &[(1, "there was no answer, or it couldn't be written")],
        json: &[("--json", include_str!("json/checkpoint-create.json"))],
    },
    Page {
        command: "checkpoint forget",
        notes: &[],
        writes: "Nothing itself; the pipeline removes the savepoint, and what only it names.",
        examples: &["tidemill checkpoint forget --name before-v2"],
        exits: &[(1, "there was no answer, or there is no such savepoint")],
        json: &[("--json", include_str!("json/checkpoint-forget.json"))],
    },
    Page {
        command: "dead-letters list",
        notes: &[
            "It reads only, and works while the pipeline runs. With --json each is a line of JSON.",
        ],
        writes: NOTHING,
        examples: &[
            "tidemill dead-letters list readings.toml",
            "tidemill dead-letters list data/readings/dead_letters --json | jq .sourceText",
        ],
        exits: &[(1, "they can't be read")],
        json: &[("--json", include_str!("json/dead-letters-list.json"))],
    },
    Page {
        command: "dead-letters requeue",
        notes: &[
            "Asked for again, it changes nothing. Records of sources that read rather than receive (files, rate, queue) can't \
             be put back, nor those of which it isn't known where they came from: those are told.",
        ],
        writes: "Nothing itself; the pipeline logs the records as it does what it receives.",
        examples: &[
            "tidemill dead-letters requeue",
            "tidemill dead-letters requeue --batch 1504665717000 --admin http://127.0.0.1:4041",
        ],
        exits: &[(1, "there was no answer, or the pipeline refused")],
        json: &[("--json", include_str!("json/dead-letters-requeue.json"))],
    },
    Page {
        command: "wal dump",
        notes: &[
            "Each entry of the driver's log, then of the block log, each in its order: one JSON object a line. With --story it \
             is told for people, in the order in which it happened: what came, what became a batch, what was forgotten.",
            "--batch, --source and --since choose. An entry that has no time of its own counts as old as the one before it.",
            "It reads only, and works while the pipeline runs. What can't be read is told on standard error with file and \
             offset, and what comes after it is printed all the same; a half-written end, too.",
        ],
        writes: NOTHING,
        examples: &[
            "tidemill wal dump wordcount.toml | head",
            "tidemill wal dump wordcount.toml --story --since 10m",
            "tidemill wal dump wordcount.toml --story --batch 1504665716000",
            "tidemill wal dump data/wordcount/wal/driver | jq 'select(.event == \"BatchAllocationEvent\") | .time'",
        ],
        exits: &[(1, "not all of it could be read")],
        json: &[("--json", include_str!("json/wal-dump.json"))],
    },
    Page {
        command: "wal verify",
        notes: &[
            "With a PIPELINE.toml the ends of the logs are held against its checkpoints, as a start does: entries of which those \
             know must be there (`knownEnd` is the first of which they don't). Without it, or when no checkpoint can be used, \
             `knownEnd` is null: an end that was lost or damaged can't be told then from one that was never written, and the \
             exit code says only that all that is there is sound.",
            "It reads only, and works while the pipeline runs.",
        ],
        writes: NOTHING,
        examples: &["tidemill wal verify wordcount.toml"],
        exits: &[(1, "something is damaged or missing, or can't be read")],
        json: &[("--json", include_str!("json/wal-verify.json"))],
    },
    Page {
        command: "wal repair",
        notes: &[
            "With --quarantine, damaged segments are moved to quarantine-TIME/ in the log's folder, never deleted, and repaired \
             ones take their place: good entries stay as they are, lost ones are marked as given up. The driver's log is cut \
             where an entry is lost that no checkpoint contains.",
            "In an object store a repaired run of slots takes the place of damaged or missing ones, and a head that is lost is \
             made again from the objects there are. With checkpoints in an object store nothing tells whether a driver is \
             live: --driver-is-stopped says that none is. Entries at the very end of a log that are gone with their object \
             are missed only where a checkpoint or an event names them.",
        ],
        writes: "Nothing without --quarantine; with it, the log's folder.",
        examples: &[
            "tidemill wal repair wordcount.toml",
            "tidemill wal repair wordcount.toml --quarantine",
        ],
        exits: &[
            (1, "something is damaged and was not repaired"),
            (3, "a driver owns the checkpoint location: stop it first"),
        ],
        json: &[("--json", include_str!("json/wal-repair.json"))],
    },
    Page {
        command: "fsck",
        notes: &[
            "It reads only, and works while the pipeline runs: what looks wrong is looked at again, and told only when it stays.",
        ],
        writes: NOTHING,
        examples: &[
            "tidemill fsck wordcount.toml",
            "tidemill fsck wordcount.toml --json | jq '.findings[] | select(.severity == \"error\")'",
        ],
        exits: &[(1, "there is an error; warnings and notes don't count")],
        json: &[("--json", include_str!("json/fsck.json"))],
    },
];
