//! Pages of the commands about the command line itself.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        command: "completions",
        notes: &[
            "It is printed to standard output; where it belongs depends on the shell. The Debian package installs it.",
        ],
        writes: super::NOTHING,
        examples: &[
            "tidemill completions bash > ~/.local/share/bash-completion/completions/tidemill",
            "tidemill completions zsh > ~/.zfunc/_tidemill",
            "tidemill completions fish > ~/.config/fish/completions/tidemill.fish",
        ],
        exits: &[],
        json: &[],
    },
    Page {
        command: "man",
        notes: &[
            "One page a command: tidemill.1, tidemill-run.1, tidemill-wal-dump.1 and so on. They are made of the same \
                  definitions as --help, for packages.",
        ],
        writes: "The pages, over those that are there.",
        examples: &["tidemill man target/man && man target/man/tidemill-run.1"],
        exits: &[(1, "the folder can't be written")],
        json: &[],
    },
];
