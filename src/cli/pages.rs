//! What there is to say of each command beside its arguments: once, for `--help`, the manual pages and docs/cli.md.

mod running;
mod stored;
mod tools;

use std::fmt::Write;

use clap::CommandFactory;

use super::args::Cli;

/// What there is to say of a command.
#[derive(Debug)]
pub(super) struct Page {
    /// What is typed behind `tidemill`.
    pub(super) command: &'static str,
    /// A paragraph each.
    pub(super) notes: &'static [&'static str],
    /// What it writes, besides what it prints.
    pub(super) writes: &'static str,
    pub(super) examples: &'static [&'static str],
    /// Exit codes and when; 0 and 2 are every command's.
    pub(super) exits: &'static [(u8, &'static str)],
    /// What it prints as JSON: the arguments that ask for it, and a real answer. Empty for commands without.
    pub(super) json: &'static [(&'static str, &'static str)],
}

/// That arguments are wrong.
const USAGE: &str = "the configuration or the arguments are wrong; nothing was opened or written";

/// What most commands write.
const NOTHING: &str = "Nothing.";

/// For `tidemill` itself.
const WHOLE: &str = "\
Exit codes:
  0  done
  1  failed while running
  2  the configuration or the arguments are wrong; nothing was opened or written
  3  another driver owns the checkpoint location

First steps:
  tidemill check config/examples/wordcount.toml
  tidemill run config/examples/wordcount.toml
  printf 'to be or not to be\\n' | curl --data-binary @- http://127.0.0.1:4040/ingest/lines
  tidemill status

Results go to standard output, logs and progress to standard error. `tidemill COMMAND --help` says more.";

/// All pages, in the order of the commands.
pub(super) fn all() -> impl Iterator<Item = &'static Page> {
    let pages: [&[Page]; 3] = [running::PAGES, stored::PAGES, tools::PAGES];
    pages.into_iter().flatten()
}

pub(super) fn of(command: &str) -> Option<&'static Page> {
    all().find(|page| page.command == command)
}

/// The command line with all that is to be said of it.
pub(super) fn command() -> clap::Command {
    described(Cli::command().after_help(WHOLE), "")
}

fn described(mut command: clap::Command, path: &str) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in names {
        let path = format!("{path} {name}").trim_start().to_owned();
        command = command.mut_subcommand(name, |command| {
            let command = match of(&path) {
                Some(page) => command.after_help(page.help()),
                None => command,
            };
            described(command, &path)
        });
    }
    command
}

impl Page {
    /// Every exit code and when.
    pub(super) fn exit_codes(&self) -> Vec<(u8, &'static str)> {
        let mut codes = vec![(0, "done"), (2, USAGE)];
        codes.retain(|(code, _)| !self.exits.iter().any(|(other, _)| other == code));
        codes.extend(self.exits);
        codes.sort_unstable_by_key(|(code, _)| *code);
        codes
    }

    /// What comes after the options.
    fn help(&self) -> String {
        let mut text = String::new();
        for note in self.notes {
            text.push_str(note);
            text.push_str("\n\n");
        }
        // Writing to a string doesn't fail.
        let _ = write!(text, "Writes: {}\n\nExamples:\n", self.writes);
        for example in self.examples {
            let _ = writeln!(text, "  {example}");
        }
        text.push_str("\nExit codes:\n");
        for (code, when) in self.exit_codes() {
            let _ = writeln!(text, "  {code}  {when}");
        }
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_a_page_and_every_page_a_command() {
        fn visit(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name());
                visit(below, path.trim_start(), found);
            }
            if command.get_subcommands().next().is_none() {
                found.push(path.to_owned());
            }
        }
        let mut found = Vec::new();
        visit(&command(), "", &mut found);
        let pages: Vec<&str> = all().map(|page| page.command).collect();
        assert_eq!(found, pages);
    }

    #[test]
    fn every_example_is_of_its_command_and_every_command_with_json_shows_it() {
        for page in all() {
            let of_this = |example: &&&str| example.contains(&format!("tidemill {}", page.command));
            let own = page.examples.iter().filter(of_this).count();
            assert!(own > 0, "{} has no example", page.command);
            let mut command = &command();
            for name in page.command.split(' ') {
                command = command.find_subcommand(name).unwrap();
            }
            let takes_json = command.get_arguments().any(|arg| arg.get_id() == "json");
            assert_eq!(takes_json, !page.json.is_empty(), "{}", page.command);
            for (arguments, json) in page.json {
                assert!(arguments.ends_with("--json"), "{arguments}");
                serde_json::from_str::<serde_json::Value>(json).unwrap();
            }
        }
    }
}
