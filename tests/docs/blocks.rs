//! The code blocks, links and headings of a Markdown text.

/// What becomes of a block.
#[derive(Debug, PartialEq, Eq)]
pub enum Use {
    /// It runs and ends with this code.
    Run { exit: i32 },
    /// It runs and makes what is in the background end.
    Stop,
    /// It runs until the document ends.
    Start,
    /// The shell reads it.
    Read,
    /// It is what the command before it prints.
    Output,
    /// It is the contents of a file.
    File(String),
    /// It is a pipeline, or a part of one.
    Pipeline,
    /// It is JSON.
    Json,
    /// It is shown.
    Nothing,
}

/// A fenced code block.
pub struct Block {
    /// File and line, for messages.
    pub place: String,
    pub usage: Use,
    pub text: String,
}

impl Block {
    /// All blocks of a document, in order.
    pub fn all(document: &str, text: &str) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.trim_start().strip_prefix("```") else {
                continue;
            };
            let place = format!("{document}:{}", number + 1);
            let body: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| !line.trim_start().starts_with("```"))
                .collect();
            blocks.push(Self {
                usage: usage(info)
                    .unwrap_or_else(|| panic!("{place}: what is a block of `{info}`?")),
                place,
                text: body.join("\n") + "\n",
            });
        }
        blocks
    }
}

fn usage(info: &str) -> Option<Use> {
    let (language, how) = info.split_once(' ').unwrap_or((info, ""));
    Some(match (language, how) {
        ("sh", "") => Use::Run { exit: 0 },
        ("sh", "stops") => Use::Stop,
        ("sh", "background") => Use::Start,
        ("sh", "elsewhere") => Use::Read,
        ("sh", how) => Use::Run {
            exit: how.strip_prefix("exits=")?.parse().ok()?,
        },
        ("text" | "json", "output") => Use::Output,
        ("toml", "") => Use::Pipeline,
        ("toml", how) => Use::File(how.strip_prefix("file=")?.to_owned()),
        ("json", "") => Use::Json,
        ("text", "") | ("dump", _) => Use::Nothing,
        (language, "") if language.split(',').next() == Some("rust") => Use::Nothing,
        _ => return None,
    })
}

/// Where links to files of this repository lead.
pub fn links(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("](").skip(1);
    behind
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link)
        .filter(|link| !link.contains("://") && !link.contains(char::is_whitespace))
}

/// The names by which links lead to headings: small letters, digits, and `-` for a space.
pub fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect()
        })
}
