//! `docs/cli.md`: the commands, rendered from the definitions that `--help` is made of.

use std::fmt::Write;

use super::pages::{self, Page};

/// All commands, a section each.
fn reference() -> String {
    let mut whole = pages::command();
    whole.build();
    let mut text = String::new();
    for page in pages::all() {
        let mut command = &mut whole;
        for name in page.command.split(' ') {
            let Some(below) = command.find_subcommand_mut(name) else {
                return text;
            };
            command = below;
        }
        // Writing to a string can't fail.
        let _ = section(page, command, &mut text);
    }
    text
}

fn section(page: &Page, command: &mut clap::Command, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n### tidemill {}\n", page.command)?;
    let about = command.get_about().map(ToString::to_string);
    writeln!(out, "{}.", about.unwrap_or_default())?;
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(out, "\n```text\n{usage}\n```")?;
    for note in page.notes {
        writeln!(out, "\n{}", prose(note))?;
    }
    let arguments: Vec<&clap::Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !argument.is_global_set())
        .filter(|argument| argument.get_id() != "help")
        .collect();
    if !arguments.is_empty() {
        writeln!(out, "\n| argument | meaning |\n|---|---|")?;
    }
    for argument in arguments {
        row(argument, out)?;
    }
    writeln!(out, "\nWrites: {}\n", prose(page.writes))?;
    writeln!(out, "```sh elsewhere\n{}\n```\n", page.examples.join("\n"))?;
    let codes = page.exit_codes();
    let codes = codes
        .iter()
        .map(|(code, when)| format!("**{code}** {when}"));
    writeln!(out, "Exit codes: {}.", codes.collect::<Vec<_>>().join("; "))?;
    for (arguments, json) in page.json {
        writeln!(out, "\n`{arguments}`:\n\n```json\n{}\n```", json.trim_end())?;
    }
    Ok(())
}

fn row(argument: &clap::Arg, out: &mut String) -> std::fmt::Result {
    let values = argument.get_value_names().unwrap_or_default().join(" ");
    let takes = argument.get_num_args().unwrap_or_default();
    let name = match argument.get_long() {
        None => values,
        Some(long) if !takes.takes_values() => format!("--{long}"),
        Some(long) if takes.min_values() == 0 => format!("--{long} [{values}]"),
        Some(long) => format!("--{long} {values}"),
    };
    let help = argument.get_help().map(ToString::to_string);
    write!(
        out,
        "| `{}` | {}",
        cell(&name),
        prose(&cell(&help.unwrap_or_default()))
    )?;
    let defaults = argument.get_default_values();
    if let (Some(default), true) = (defaults.first(), takes.takes_values()) {
        write!(out, " (default `{}`)", default.to_string_lossy())?;
    }
    if let Some(variable) = argument.get_env() {
        write!(out, "; `{}`", variable.to_string_lossy())?;
    }
    writeln!(out, " |")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Text for people as Markdown: what looks like a link's brackets or stress is none, but within code.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, part) in text.split('`').enumerate() {
        if place > 0 {
            out.push('`');
        }
        match place % 2 {
            0 => part.chars().for_each(|c| {
                if matches!(c, '[' | '*' | '_') {
                    out.push('\\');
                }
                out.push(c);
            }),
            _ => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- commands: rendered from their definitions -->\n";

    #[test]
    fn the_page_ends_with_the_commands() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (head, _) = page.split_once(BEGIN).unwrap();
        let whole = format!("{head}{BEGIN}{}", reference());
        if std::env::var_os("UPDATE_CLI").is_some() {
            std::fs::write(path, &whole).unwrap();
            return;
        }
        assert!(
            page == whole,
            "write docs/cli.md anew: UPDATE_CLI=1 cargo test -p tidemill --lib cli::reference"
        );
    }
}
