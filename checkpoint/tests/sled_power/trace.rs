//! Reading the output of `strace -f -y -xx`: system calls in the order in which they ended.

use std::collections::HashMap;
use std::path::PathBuf;

/// One finished, successful call.
#[derive(Debug)]
pub struct Call {
    /// The line on which it began, and the one on which it was over.
    pub start: u64,
    pub end: u64,
    pub name: String,
    pub arguments: Vec<Argument>,
    pub result: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A file descriptor and the path that the kernel has for it.
    Descriptor(i64, PathBuf),
    Bytes(Vec<u8>),
    /// A number, or flags as strace spells them.
    Word(String),
}

impl Call {
    pub fn descriptor(&self, at: usize) -> (i64, &PathBuf) {
        match &self.arguments[at] {
            Argument::Descriptor(number, path) => (*number, path),
            other => panic!("{self:?}: {other:?} is no descriptor"),
        }
    }

    pub fn bytes(&self, at: usize) -> &[u8] {
        match &self.arguments[at] {
            Argument::Bytes(bytes) => bytes,
            other => panic!("{self:?}: {other:?} is no string"),
        }
    }

    pub fn word(&self, at: usize) -> &str {
        match &self.arguments[at] {
            Argument::Word(word) => word,
            other => panic!("{self:?}: {other:?} is no number or flag"),
        }
    }

    pub fn number(&self, at: usize) -> u64 {
        self.word(at).parse().unwrap()
    }

    /// The path of two arguments `folder, name` as `openat` has them, or of one.
    pub fn path(&self, at: usize) -> PathBuf {
        let text = |at| PathBuf::from(String::from_utf8(self.bytes(at).to_vec()).unwrap());
        match &self.arguments[at] {
            Argument::Descriptor(_, folder) => folder.join(text(at + 1)),
            _ => text(at),
        }
    }
}

pub fn read(text: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, (u64, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (line, number) in text.lines().zip(0..) {
        let (thread, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if let Some(head) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (number, head.to_owned()));
        } else if let Some(resumed) = line.strip_prefix("<... ") {
            let (_, rest) = resumed.split_once("resumed>").unwrap();
            let (start, head) = begun.remove(thread).unwrap();
            calls.extend(call(start, number, &format!("{head}{rest}")));
        } else {
            calls.extend(call(number, number, line));
        }
    }
    calls
}

/// One whole line; `None` for signals, exits and calls that failed.
fn call(start: u64, end: u64, line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return None;
    }
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let digits = result.split(['<', ' ']).next()?;
    let result = digits.parse().ok().filter(|result| *result >= 0)?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    Some(Call {
        start,
        end,
        name: name.to_owned(),
        arguments: split(arguments).into_iter().map(argument).collect(),
        result,
    })
}

/// With `-xx` neither strings nor paths hold a comma; only the lists of `writev` do.
fn split(arguments: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0_u32, 0, Vec::new());
    for (at, character) in arguments.char_indices() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(arguments[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[from..].trim());
    parts
}

fn argument(text: &str) -> Argument {
    if let Some(string) = text.strip_prefix('"') {
        return Argument::Bytes(unhex(string.strip_suffix('"').unwrap()));
    }
    if let Some(list) = text.strip_prefix('[') {
        let strings = list.split("iov_base=\"").skip(1);
        return Argument::Bytes(
            strings
                .flat_map(|rest| unhex(rest.split('"').next().unwrap()))
                .collect(),
        );
    }
    if let Some((number, path)) = text.split_once('<')
        && let Some(path) = path.strip_suffix('>')
    {
        let path = String::from_utf8(unhex(path.trim_end_matches("(deleted)"))).unwrap();
        return Argument::Descriptor(number.parse().unwrap_or(-1), path.into());
    }
    Argument::Word(text.to_owned())
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1);
    digits
        .map(|two| u8::from_str_radix(&two[..2], 16).unwrap())
        .collect()
}

#[test]
fn calls_of_several_threads_are_put_together() {
    let text = r#"7 openat(AT_FDCWD<\x2f>, "\x61", O_RDONLY|O_CREAT, 0777) = 3<\x2f\x61>
7 pwrite64(3<\x2f\x61>, "\x00\x2c"..., 2, 512 <unfinished ...>
8 writev(4<\x2f\x62>, [{iov_base="\x01", iov_len=1}, {iov_base="\x02\x03", iov_len=2}], 2) = 3
7 <... pwrite64 resumed>) = 2
8 rename("\x61", "\x62") = -1 ENOENT (No such file or directory)
8 +++ exited with 0 +++"#
        .replace("...,", ",");
    let calls = read(&text);
    let names: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.start, call.end))
        .collect();
    assert_eq!(
        names,
        [("openat", 0, 0), ("writev", 2, 2), ("pwrite64", 1, 3)]
    );
    assert_eq!(calls[0].path(0), PathBuf::from("/a"));
    assert_eq!(calls[1].bytes(1), [1, 2, 3]);
    assert_eq!(
        (calls[2].bytes(1), calls[2].number(3)),
        (&[0, 0x2c][..], 512)
    );
}
