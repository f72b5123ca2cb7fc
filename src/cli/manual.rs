//! `tidemill completions` and `tidemill man`: what a shell completes, and the manual pages.

use std::fs;
use std::io;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::args::{CompletionsArgs, ManArgs};
use super::error::{CliError, Result};
use super::output::Output;
use super::pages::{self, Page};

/// Prints a shell's script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut pages::command(), "tidemill", &mut script);
    let mut out = Output::new();
    out.bytes(&script)?;
    out.finish()
}

/// Writes a page for each command into a folder.
pub(super) fn man(args: &ManArgs) -> Result<()> {
    let failed = |path: &Path, error: io::Error| {
        CliError::Failed(format!("can't write {}: {error}", path.display()))
    };
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, text) in manual().map_err(|error| failed(folder, error))? {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Each page's file name and text.
fn manual() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut whole = pages::command().disable_help_subcommand(true);
    whole.build();
    let mut written = Vec::new();
    below(&whole, "", &mut written)?;
    Ok(written)
}

fn below(
    command: &clap::Command,
    path: &str,
    written: &mut Vec<(String, Vec<u8>)>,
) -> io::Result<()> {
    written.push(page(command, pages::of(path))?);
    for command in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        let path = format!("{path} {}", command.get_name());
        below(command, path.trim_start(), written)?;
    }
    Ok(())
}

fn page(command: &clap::Command, page: Option<&Page>) -> io::Result<(String, Vec<u8>)> {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone())
        .source(format!("tidemill {version}"))
        .manual("tidemill");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    let mut more = Roff::new();
    for note in page.map_or(&[][..], |page| page.notes) {
        more.control("PP", []);
        more.text([roman(*note)]);
    }
    more.to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut more = Roff::new();
    match page {
        Some(page) => sections(&mut more, page),
        None => as_it_is(&mut more, "NOTES", command),
    }
    see_also(&mut more, command);
    more.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

fn sections(roff: &mut Roff, page: &Page) {
    roff.control("SH", ["WRITES"]);
    roff.text([roman(page.writes)]);
    roff.control("SH", ["EXAMPLES"]);
    literally(roff, page.examples.iter().copied());
    roff.control("SH", ["EXIT STATUS"]);
    for (code, when) in page.exit_codes() {
        roff.control("TP", []);
        roff.text([bold(code.to_string())]);
        roff.text([roman(when)]);
    }
    if !page.json.is_empty() {
        roff.control("SH", ["JSON"]);
        roff.text([roman(
            "Times are milliseconds since the Unix epoch, lengths of time milliseconds.",
        )]);
    }
    for (arguments, json) in page.json {
        roff.control("PP", []);
        roff.text([roman("An answer with "), bold(*arguments), roman(":")]);
        roff.control("PP", []);
        literally(roff, json.lines());
    }
}

/// What help says after the options, as it stands there.
fn as_it_is(roff: &mut Roff, heading: &str, command: &clap::Command) {
    let Some(text) = command.get_after_help().map(ToString::to_string) else {
        return;
    };
    roff.control("SH", [heading]);
    literally(roff, text.lines());
}

fn see_also(roff: &mut Roff, command: &clap::Command) {
    if command
        .get_display_name()
        .is_some_and(|name| name != "tidemill")
    {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("tidemill"), roman("(1)")]);
    }
}

/// Lines that stay as they are.
fn literally<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []);
    for line in lines {
        // An empty line would begin a paragraph.
        let inlines: Vec<Inline> = vec![roman(line)];
        roff.text(inlines);
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page_with_all_there_is_to_say() {
        let pages_of: Vec<(String, String)> = manual()
            .unwrap()
            .into_iter()
            .map(|(name, text)| (name, String::from_utf8(text).unwrap()))
            .collect();
        let text = |name: &str| {
            let found = pages_of.iter().find(|(found, _)| found == name);
            found.unwrap_or_else(|| panic!("no {name}")).1.as_str()
        };
        for page in pages::all().filter(|page| page.command != "man") {
            let name = format!("tidemill-{}.1", page.command.replace(' ', "-"));
            let text = text(&name);
            for heading in [
                ".SH NAME",
                ".SH OPTIONS",
                ".SH EXAMPLES",
                ".SH \"EXIT STATUS\"",
            ] {
                assert!(text.contains(heading), "{name} has no {heading}:\n{text}");
            }
        }
        assert!(text("tidemill.1").contains("First steps"));
        assert!(
            text("tidemill-wal.1").contains("tidemill\\-wal\\-dump(1)"),
            "{}",
            text("tidemill-wal.1")
        );
        assert!(!pages_of.iter().any(|(name, _)| name == "tidemill-man.1"));
    }
}
