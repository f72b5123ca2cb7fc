//! Mistakes and what is said about them: line, column, text and suggestion.

// Helpers outside `#[test]` functions fail a test by panicking.
#![allow(clippy::panic, clippy::unwrap_used)]

use tidemill_config::Pipeline;

/// Lines 1 to 4 of every case, so that what it adds begins at line 5.
const TOP: &str = "name = \"t\"\nbatch_interval = \"3s\"\ncheckpoint.url = \"memory:\"\n\n";
/// A source and a sink for cases about something else.
const ENDS: &str =
    "[sources.lines]\ntype = \"http\"\n[sinks.out]\nfrom = \"lines\"\ntype = \"discard\"\n";

fn errors(text: &str) -> String {
    errors_with(text, &[], &[])
}

fn errors_with(text: &str, sets: &[&str], env: &[(&str, &str)]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match Pipeline::parse("p.toml", text, &sets, env) {
        Ok(_) => "no error".into(),
        Err(errors) => errors.to_string(),
    }
}

/// Each case: what follows the top, and the whole of what is said.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(
            errors(&format!("{TOP}{text}")),
            *expected,
            "\n--- of ---\n{text}"
        );
    }
}

fn check_with_ends(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(
            errors(&format!("{TOP}{text}{ENDS}")),
            *expected,
            "\n--- of ---\n{text}"
        );
    }
}

/// Each case: one operator list over a source of lines, on line 7.
fn check_ops(cases: &[(&str, &str)]) {
    for (ops, expected) in cases {
        let text = format!("{TOP}[streams.s]\nfrom = \"lines\"\nops = {ops}\n{ENDS}");
        assert_eq!(errors(&text), *expected, "\n--- of ---\n{ops}");
    }
}

#[test]
fn settings() {
    check_with_ends(&[
        ("", "no error"),
        (
            "[wal]\nrecever = true\n",
            "p.toml:6:1: unknown key `recever` in [wal]\n  help: did you mean `receiver`?",
        ),
        (
            "[chekpoint]\nretain = 2\n",
            "p.toml:5:2: unknown section `chekpoint`\n  help: did you mean `checkpoint`?",
        ),
        (
            "[wal]\nretain = 3\n",
            "p.toml:6:1: unknown key `retain` in [wal]\n  help: `retain` is a key of [checkpoint]",
        ),
        (
            "[wal]\nsegment_age = 5\n",
            "p.toml:6:15: `wal.segment_age`: expected a duration such as \"10s\", found the integer 5",
        ),
        (
            "[wal]\nsegment_age = \"5\"\n",
            "p.toml:6:15: `wal.segment_age`: `5` has no unit: add ms, s, m, h or d",
        ),
        (
            "[wal]\nurl = \"sled:x\"\n",
            "p.toml:6:7: `wal.url`: a log can't be kept in sled: use file:PATH",
        ),
        (
            "[receiver]\nqueue = 0\n",
            "p.toml:6:9: `receiver.queue`: expected an integer, 1 or more, found the integer 0",
        ),
        (
            "[jobs]\npartitions = 1000000\n",
            "p.toml:6:14: `jobs.partitions`: 1000000 is more than 100000, the most accepted",
        ),
        (
            "[receiver]\nmemory = \"1MiB\"\n",
            "p.toml:6:10: `receiver.memory`: must hold at least one block of 4MiB",
        ),
        (
            "[log]\nformat = \"jsno\"\n",
            "p.toml:6:10: unknown log format `jsno` in `log.format`\n  help: did you mean `json`?",
        ),
        (
            "[log]\nlevel = \"infoo\"\n",
            "p.toml:6:9: `log.level`: `infoo` is no level: did you mean `info`?",
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:4040\"\n",
            "p.toml:6:10: `admin.listen`: `0.0.0.0:4040` isn't a loopback address, so `token_file` is \
             required\n  help: anybody who reaches the address could stop the pipeline: name a file with \
             a token, or listen on 127.0.0.1",
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:4040\"\ntoken_file = \"t\"\n",
            "no error",
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:4040\"\nread_token_file = \"t\"\n",
            "no error",
        ),
        (
            "[admin.tls]\ncert = \"c.pem\"\n",
            "p.toml:6:8: `admin.tls.cert`: needs its private key, `tls.key_file`",
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:4040\"\n[admin.tls]\ncert = \"c.pem\"\nkey_file = \"k.pem\"\n\
             client_ca = \"ca.pem\"\noperators = [\"ops.example\"]\n",
            "no error",
        ),
        (
            "[admin.tls]\ncert = \"c.pem\"\nkey_file = \"k.pem\"\noperators = [\"ops.example\"]\n",
            "p.toml:8:13: `admin.tls.operators`: names clients by their certificates, so `tls.client_ca` is needed",
        ),
        (
            "[http]\nidle_timeout = \"0s\"\n",
            "p.toml:6:16: `http.idle_timeout`: must be above 0",
        ),
        (
            "[http]\nbodies_memory = \"1KiB\"\n",
            "p.toml:6:17: `http.bodies_memory`: 1KiB isn't between 1MiB and 1TiB, the least and the most accepted",
        ),
        (
            "[http]\nbodies_memory = \"2TiB\"\n",
            "p.toml:6:17: `http.bodies_memory`: 2TiB isn't between 1MiB and 1TiB, the least and the most accepted",
        ),
        ("[http]\nbodies_memory = \"1TiB\"\n", "no error"),
        (
            "[admin]\nlisten = false\n",
            "p.toml:7:10: `sources.lines.listen` is missing: expected an address, since the admin side is \
             off",
        ),
        (
            "[jobs]\nretry_delay = \"40s\"\n",
            "p.toml:5:2: `jobs.retry_delay_max`: less than `retry_delay`, which is 40s",
        ),
    ]);
}

#[test]
fn what_is_missing() {
    assert_eq!(
        errors(""),
        "p.toml: no source: there must be at least one, such as [sources.lines]\n\
         p.toml: no output operation: there must be at least one, such as [sinks.screen]\n\
         p.toml:1:1: `name` is missing: expected a name, as in name = \"wordcount\"\n\
         p.toml:1:1: `batch_interval` is missing: expected a duration, as in batch_interval = \"1s\"\n\
         p.toml:1:1: `checkpoint.url` is missing: expected a location, as in url = \
         \"sled:data/wordcount/checkpoint\""
    );
    let text = format!("{TOP}[checkpoint]\nretain = 1\n{ENDS}");
    assert!(
        errors(&text).contains("not valid TOML: duplicate key"),
        "{}",
        errors(&text)
    );
    let text = format!(
        "name = \"t\"\nbatch_interval = \"0s\"\n[checkpoint]\nurl = 'sled:/'\nretain = 1\n{ENDS}"
    );
    assert_eq!(
        errors(&text),
        "p.toml:1:1: `wal.url` is missing: expected a location, since nothing can lie beside `sled:/`\n\
         p.toml:2:18: `batch_interval`: must be above 0\n\
         p.toml:5:10: `checkpoint.retain`: must be at least 2, so that a checkpoint which turns out bad \
         loses nothing"
    );
}

#[test]
fn sources_and_sinks() {
    let sink = "[sinks.out]\nfrom = \"a\"\ntype = \"discard\"\n";
    for (source, expected) in [
        (
            "[sources.a]\ntype = \"sockt\"\n",
            "p.toml:6:8: unknown type of source `sockt` in [sources.a]\n  help: did you mean `socket`?",
        ),
        (
            "[sources.a]\ntype = \"kafka\"\nbrokers = \"x\"\n",
            "p.toml:6:8: type of source `kafka` is known, but not built in\n  help: until this build has \
             it, use a consumer that posts to an `http` source",
        ),
        (
            "[sources.a]\n",
            "p.toml:5:10: `sources.a.type` is missing: expected a type of source: http, socket, files, \
             rate, queue",
        ),
        (
            "[sources.a]\ntype = \"socket\"\naddres = \"h:1\"\n",
            "p.toml:5:10: `sources.a.address` is missing: expected an address, as in address = \
             \"127.0.0.1:9999\"\n\
             p.toml:7:1: unknown key `addres` in [sources.a] (type socket)\n  help: did you mean \
             `address`?",
        ),
        (
            "[sources.a]\ntype = \"socket\"\naddress = \"h\"\n",
            "p.toml:7:11: `sources.a.address`: `h` is no HOST:PORT: the port is missing",
        ),
        (
            "[sources.a]\ntype = \"queue\"\nlines = [[\"x\"],\n  [1]]\n",
            "p.toml:8:4: `sources.a.lines`: expected a string, found the integer 1",
        ),
        (
            "[sources.a]\ntype = \"http\"\nlisten = \"127.0.0.1:4040\"\n",
            "p.toml:5:10: `sources.a.listen`: `127.0.0.1:4040` is the address of [admin], too",
        ),
        (
            "[sources.a]\ntype = \"http\"\nlisten = \"0.0.0.0:4041\"\n",
            "p.toml:7:10: `sources.a.listen`: isn't a loopback address, so `token_file` is required\n  help: \
             anybody who reaches the address could post records: name a file with a token, listen on 127.0.0.1, \
             or say that this is meant with `open = true`",
        ),
        (
            "[sources.a]\ntype = \"http\"\nlisten = \"0.0.0.0:4041\"\nopen = true\n",
            "no error",
        ),
        (
            "[sources.a]\ntype = \"http\"\nlisten = \"0.0.0.0:4041\"\nopen = true\ntoken_file = \"t\"\n",
            "p.toml:8:8: `sources.a.open`: can't go with `token_file` or `tls.client_ca`: posts must show something",
        ),
        (
            "[sources.a]\ntype = \"http\"\nopen = true\n",
            "p.toml:7:8: `sources.a.open`: is for a `listen` that isn't a loopback address",
        ),
    ] {
        assert_eq!(
            errors(&format!("{TOP}{source}{sink}")),
            expected,
            "\n--- of ---\n{source}"
        );
    }
    check(&[
        (
            "[sources.Big]\ntype = \"http\"\n[sinks.out]\nfrom = \"Big\"\ntype = \"discard\"\n",
            "p.toml:5:10: `sources.Big`: `Big` can't be a name: use small letters, digits, `_` and `-`, \
             and begin with a letter or digit\n\
             p.toml:8:8: unknown source or stream `Big`",
        ),
        (
            "[sources.lines]\ntype = \"http\"\n[sinks.out]\nfrom = \"line\"\ntype = \"consol\"\nrow = 1\n",
            "p.toml:8:8: unknown source or stream `line`\n  help: did you mean `lines`?\n\
             p.toml:9:8: unknown type of sink `consol` in [sinks.out]\n  help: did you mean `console`?",
        ),
        (
            "[sources.lines]\ntype = \"http\"\n[sinks.a]\nfrom = \"lines\"\ntype = \"text_files\"\n\
             prefix = \"x\"\n[sinks.b]\nfrom = \"lines\"\ntype = \"text_files\"\nprefix = \"x\"\n",
            "p.toml:11:8: `sinks.b.prefix`: `x` is written by `a`, too",
        ),
        (
            "[sources.lines]\ntype = \"http\"\n[sinks.a]\nfrom = \"lines\"\ntype = \"text_files\"\n\
             prefix = \"/x/y\"\n[sinks.b]\nfrom = \"lines\"\ntype = \"text_files\"\nprefix = \"file:///x/y\"\n",
            "p.toml:11:8: `sinks.b.prefix`: `/x/y` is written by `a`, too",
        ),
        (
            "[sources.lines]\ntype = \"http\"\n[sinks.a]\nfrom = \"lines\"\ntype = \"text_files\"\n\
             prefix = \"x\"\ncodec = \"gz\"\n",
            "p.toml:11:9: unknown codec `gz` in `sinks.a.codec`\n  help: did you mean `gzip`?",
        ),
        // Compressed or not, the folders have the same names.
        (
            "[sources.lines]\ntype = \"http\"\n[sinks.a]\nfrom = \"lines\"\ntype = \"text_files\"\n\
             prefix = \"x\"\n[sinks.b]\nfrom = \"lines\"\ntype = \"text_files\"\nprefix = \"x\"\n\
             codec = \"zstd\"\n",
            "p.toml:11:8: `sinks.b.prefix`: `x` is written by `a`, too",
        ),
    ]);
    for (prefix, reason) in [
        (
            "out/",
            "must end in a name, which the batch's time is added to",
        ),
        (
            "s4://bucket/out",
            "`s4` is no scheme of a store; did you mean `s3`?",
        ),
        (
            "s3:bucket/out",
            "`s3:bucket/out` names no bucket; write `s3://BUCKET/PREFIX`",
        ),
        (
            "s3://bucket",
            "needs a name behind the bucket, as in s3://BUCKET/PATH/NAME",
        ),
        (
            "sled:data/out",
            "a database can't hold text files; write a path, or an object store's URL",
        ),
        (
            "file://host/out",
            "`file://host/out` names a host, not a folder; write `file:host/out`",
        ),
    ] {
        let text = format!(
            "{TOP}[sources.lines]\ntype = \"http\"\n[sinks.out]\nfrom = \"lines\"\n\
             type = \"text_files\"\nprefix = \"{prefix}\"\n"
        );
        let expected = format!("p.toml:10:10: `sinks.out.prefix`: {reason}");
        assert_eq!(errors(&text), expected, "{prefix}");
    }
}

#[test]
fn prefixes_of_text_files_are_paths_or_locations() {
    for prefix in [
        "out",
        "data/a:b/out",
        "run:7",
        "s3://bucket/out",
        "gs://bucket/path/out",
        "az://container/out",
        "memory:store/out",
    ] {
        let text = format!(
            "{TOP}[sources.lines]\ntype = \"http\"\n[sinks.out]\nfrom = \"lines\"\n\
             type = \"text_files\"\nprefix = \"{prefix}\"\n"
        );
        assert_eq!(errors(&text), "no error", "{prefix}");
    }
}

#[test]
fn names_and_circles() {
    check_with_ends(&[
        (
            "[streams.lines]\nfrom = \"lines\"\n",
            "p.toml:5:10: `streams.lines`: there is a source of this name: give the stream another",
        ),
        (
            "[streams.a]\nfrom = [\"lines\", \"lnes\"]\n",
            "p.toml:6:18: unknown source or stream `lnes`\n  help: did you mean `lines`?",
        ),
        (
            "[streams.a]\nfrom = [\"lines\", \"lines\"]\n",
            "p.toml:6:18: `lines`: named twice: its records would count twice",
        ),
        (
            "[streams.a]\nfrom = \"b\"\n[streams.b]\nfrom = \"a\"\nops = [{ op = \"splt\" }]\n",
            "p.toml:5:10: streams feed each other in a circle: `a` → `b` → `a`\n\
             p.toml:9:15: unknown operator `splt`\n  help: did you mean `split`?",
        ),
        (
            "[streams.a]\nfrom = \"lines\"\nuid = \"u\"\n[streams.b]\nfrom = \"a\"\nuid = \"u\"\n",
            "p.toml:10:7: `uid`: `u` is set at p.toml:7:7, too; state is kept by it, so it must differ",
        ),
        (
            "[streams.a]\nfrom = \"lines\"\nops = [{ op = \"count_by_value\" }]\n\
             [streams.b]\nfrom = [\"a\", \"lines\"]\n",
            "p.toml:9:8: `a with lines`: a union can't mix pairs of text and integers with text",
        ),
        (
            "[streams.a]\nfrom = \"lines\"\nops = [{ op = \"window\", length = \"6s\", slide = \"6s\" }]\n\
             [streams.b]\nfrom = \"lines\"\nops = [{ op = \"union\", with = \"a\" }]\n",
            "p.toml:10:8: `lines with a`: a union needs the same slide, but these have 3s and 6s",
        ),
        (
            "[streams.a]\nfrom = \"lines\"\nops = [{ op = \"count_by_value_and_window\", length = \"6s\", slide = \"6s\" }]\n\
             [streams.b]\nfrom = \"lines\"\nops = [{ op = \"count_by_value\" }, { op = \"join\", with = \"a\" }]\n",
            "p.toml:10:35: `lines → count_by_value with a`: a join needs the same slide, but these have 3s and 6s",
        ),
        (
            "[streams.a]\nfrom = \"lines\"\nops = [{ op = \"count_by_value\" }, { op = \"join\", with = [\"b\", \"lines\"] }]\n\
             [streams.b]\nfrom = \"lines\"\n",
            "p.toml:7:57: `streams.a.ops[1].with`: a join reads one other stream: write one join after the other",
        ),
        (
            "[streams.a]\nfrom = \"lines\"\nops = [{ op = \"count_by_value\" }, { op = \"join\", with = \"b\" }]\n\
             [streams.b]\nfrom = \"a\"\n",
            "p.toml:5:10: streams feed each other in a circle: `a` → `b` → `a`",
        ),
    ]);
}

#[test]
fn operators() {
    check_ops(&[
        ("[]", "no error"),
        ("[{ op = \"flat_map\", function = \"split\" }]", "no error"),
        (
            "[{ op = \"split\" }, { op = \"reduce_by_key\", function = \"sum\" }]",
            "p.toml:7:26: reduce_by_key needs pairs, but `lines` → split gives text\n  help: put \
             count_by_value, or map with key_value or json_pair, before it",
        ),
        (
            "[{ op = \"reduce\", function = \"sum\" }]",
            "p.toml:7:8: reduce needs numbers, but `lines` gives text\n  help: put map or map_values with \
             function = \"parse_int\" or \"parse_float\" before it",
        ),
        (
            "[{ op = \"count\" }, { op = \"split\" }, { op = \"glom\" }, { op = \"swap\" }]",
            "p.toml:7:26: split needs text, but `lines` → count gives integers\n  help: put it before the \
             operator that makes numbers of the text\n\
             p.toml:7:68: unknown operator `swap`\n  help: write { op = \"map\", function = \"swap\" }",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"map\", function = \"trim\" }]",
            "p.toml:7:35: map needs single records, but `lines` → count_by_value gives pairs of text and \
             integers\n  help: use the operator's form for pairs, such as map_values or reduce_by_key, or \
             put map with function = \"key\" or \"value\" before it",
        ),
        (
            "[{ op = \"transform\" }, { op = \"left_outer_join\", with = \"lines\" }]",
            "p.toml:7:15: operator `transform` is known, but not built in\n  help: until this build has it, \
             use `map` and `filter`\n\
             p.toml:7:37: unknown operator `left_outer_join`\n  help: write { op = \"join\", how = \"left\" }",
        ),
        (
            "[{ sql = \"SELECT 1\" }]",
            "p.toml:7:10: operator `sql` is known, but not built in\n  help: it needs the feature `sql`, which \
             isn't there yet: use `ops` such as `map`, `filter` and `reduce_by_key`, or the library",
        ),
        (
            "[{ op = \"join\", with = \"lines\" }]",
            "p.toml:7:8: join needs pairs, but `lines` gives text\n  help: put count_by_value, or map with \
             key_value or json_pair, before it",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"join\", with = \"lines\" }]",
            "p.toml:7:35: join needs pairs, but `lines` gives text\n  help: put count_by_value, or map with \
             key_value or json_pair, into that stream",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"join\", with = \"linse\", how = \"outer\" }]",
            "p.toml:7:57: unknown source or stream `linse`\n  help: did you mean `lines`?\n\
             p.toml:7:72: unknown kind of join `outer` in `streams.s.ops[1].how`\n  help: the nearest valid \
             name is `inner`, of: inner, left, right, full",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"join\" }]",
            "p.toml:7:35: `streams.s.ops[1].with` is missing: expected a name, as in with = \"others\"",
        ),
        (
            "[{ on = \",\" }, 5]",
            "p.toml:7:22: `streams.s.ops`: expected an operator, as in { op = \"split\" }, found the \
             integer 5",
        ),
        (
            "[{ on = \",\" }]",
            "p.toml:7:8: `streams.s.ops[0].op` is missing: expected an operator, as in { op = \"split\" }",
        ),
        (
            "[{ op = \"filter\" }]",
            "p.toml:7:15: `streams.s.ops[0].op`: needs one of contains, starts_with, ends_with, equals, \
             matches, max, max_length",
        ),
        (
            "[{ op = \"filter\", contains = \"a\", equals = \"b\" }]",
            "p.toml:7:50: `streams.s.ops[0].equals`: can't go with `contains`: write one of contains, \
             starts_with, ends_with, equals, matches, max, max_length",
        ),
        (
            "[{ op = \"filter\", matches = \"(\" }]",
            "p.toml:7:35: `streams.s.ops[0].matches`: `(` is no regular expression: unclosed group",
        ),
        (
            "[{ op = \"map\", regex = \"a(b)\", group = 2 }]",
            "p.toml:7:46: `streams.s.ops[0].group`: `a(b)` has the groups 0 to 1",
        ),
        (
            "[{ op = \"map\", regex = \"a(?<x>b)\", group = \"x\" }]",
            "no error",
        ),
        (
            "[{ op = \"map\", json = \"user\" }]",
            "p.toml:7:29: `streams.s.ops[0].json`: `user` is no JSON pointer: write `/user`",
        ),
        (
            "[{ op = \"split\", on = \"\" }]",
            "p.toml:7:29: `streams.s.ops[0].on`: can't be empty",
        ),
        (
            "[{ op = \"split\", partitions = 2 }]",
            "p.toml:7:24: unknown key `partitions` in `split`\n  help: `partitions` is a key of [jobs]",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"reduce_by_key\", function = \"sun\" }]",
            "p.toml:7:70: unknown function `sun` in `streams.s.ops[1].function`\n  help: did you mean \
             `sum`?",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"top\" }]",
            "p.toml:7:35: `streams.s.ops[1].n` is missing: expected an integer, as in n = 10",
        ),
    ]);
}

#[test]
fn parts_of_records() {
    let join = "{ op = \"count_by_value\" }, { op = \"join\", with = \"s2\" }";
    let other = "\n[streams.s2]\nfrom = \"lines\"\nops = [{ op = \"count_by_value\" }]";
    let after_join = |op: &str| {
        let text =
            format!("{TOP}[streams.s]\nfrom = \"lines\"\nops = [{join}, {op}]{other}\n{ENDS}");
        errors(&text)
    };
    for op in [
        "{ op = \"map\", pick = \"value.left\" }",
        "{ op = \"map\", pick = [\"key\", \"value.0\"] }",
        "{ op = \"map_values\", pick = \"right\" }",
        "{ op = \"flat_map_values\", function = \"items\" }",
        "{ op = \"cogroup\", with = \"s2\" }",
        "{ op = \"persist\" }, { op = \"checkpoint\", interval = \"6s\" }",
    ] {
        assert_eq!(after_join(op), "no error", "{op}");
    }
    for (op, expected) in [
        (
            "{ op = \"map\", pick = \"value.lft\" }",
            "`streams.s.ops[2].pick`: `lft` in `value.lft` is no part of a pair or list: did you mean `left`?",
        ),
        (
            "{ op = \"map\", pick = [\"key\", \"value\", \"key\"] }",
            "`streams.s.ops[2].pick`: expected two parts, key and value, found 3",
        ),
        (
            "{ op = \"map\", pick = \"2\" }",
            "map needs a part that isn't there, but `lines` → count_by_value → join gives pairs of text and values\n  \
             help: begin the pick with key or value",
        ),
        (
            "{ op = \"map\", pick = \"key.left\" }",
            "map needs pairs or lists in it, but `lines` → count_by_value → join gives pairs of text and values\n  \
             help: join, cogroup, group_by_key and glom make such values",
        ),
        (
            "{ op = \"flat_map_values\", function = \"items\", on = \",\" }",
            "`streams.s.ops[2].on`: only goes with `split`",
        ),
        (
            "{ op = \"persist\", level = \"MEMORY_ONLY_SR\" }",
            "unknown storage level `MEMORY_ONLY_SR` in `streams.s.ops[2].level`\n  \
             help: did you mean `MEMORY_ONLY_SER`?",
        ),
        (
            "{ op = \"persist\", level = \"DISK_ONLY_2\" }",
            "`streams.s.ops[2].level`: DISK_ONLY_2 keeps a second copy and has no place for it: set \
             `scratch_replica` in [storage], or use a level without _2",
        ),
        (
            "{ op = \"checkpoint\", interval = \"4s\" }",
            "`streams.s.ops[2].interval`: 4s is no positive multiple of 3s, the batch interval; the nearest valid \
             intervals are 3s and 6s",
        ),
        (
            "{ op = \"cogroup\", with = [\"s2\", \"lines\"] }",
            "`streams.s.ops[2].with`: a cogroup reads one other stream",
        ),
        (
            "{ op = \"cogroup\", with = \"lines\" }",
            "cogroup needs pairs, but `lines` gives text\n  help: put count_by_value, or map with key_value or \
             json_pair, into that stream",
        ),
        (
            "{ op = \"cache\" }",
            "unknown operator `cache`\n  help: write { op = \"persist\" }",
        ),
    ] {
        let found = after_join(op);
        let (at, said) = found.split_at(found.find(": ").unwrap() + 2);
        assert!(at.starts_with("p.toml:7:"), "{found}");
        assert_eq!(said, expected, "{op}");
    }
}

#[test]
fn places_of_kept_datasets_and_files() {
    let scratch = "[storage]\nscratch = \"a\"\nscratch_replica = \"b\"\n\
                   [streams.s]\nfrom = \"lines\"\nops = [{ op = \"persist\", level = \"MEMORY_ONLY_SER_2\" }]\n";
    let same = "[storage]\nscratch = \"a\"\nscratch_replica = \"a\"\n";
    let unknown = "[storage]\nscrach = \"a\"\n";
    check_with_ends(&[
        (scratch, "no error"),
        (
            same,
            "p.toml:7:19: `storage.scratch_replica`: is `scratch`, too: a second copy belongs on another disk",
        ),
        (
            unknown,
            "p.toml:6:1: unknown key `scrach` in [storage]\n  help: did you mean `scratch`?",
        ),
    ]);
    for (keys, expected) in [
        (
            "path = \"s3://bucket/in\"\nascending_names = true",
            "no error",
        ),
        (
            "path = \"az://container\"\nremember = \"1h\"\nbatch_folders = true",
            "no error",
        ),
        (
            "path = \"sled:data/in\"",
            "p.toml:7:8: `sources.lines.path`: a database has no files to read; write a path, or an object store's URL",
        ),
        (
            "path = \"s4://bucket/in\"",
            "p.toml:7:8: `sources.lines.path`: `s4` is no scheme of a store; did you mean `s3`?",
        ),
        (
            "path = \"in\"\nascending_names = true\nremember = \"1h\"",
            "p.toml:9:12: `sources.lines.remember`: can't go with `ascending_names`, which remembers one name only",
        ),
        (
            "path = \"in\"\nbatch_folder = true",
            "p.toml:8:1: unknown key `batch_folder` in [sources.lines] (type files)\n  help: did you mean \
             `batch_folders`?",
        ),
    ] {
        let text = format!(
            "{TOP}[sources.lines]\ntype = \"files\"\n{keys}\n\
             [sinks.out]\nfrom = \"lines\"\ntype = \"discard\"\n"
        );
        assert_eq!(errors(&text), expected, "{keys}");
    }
}

#[test]
fn windows() {
    check_ops(&[
        ("[{ op = \"window\", length = \"6s\" }]", "no error"),
        (
            "[{ op = \"window\", length = \"10s\", slide = \"1s\" }]",
            "p.toml:7:34: `streams.s.ops[0].length`: 10s is no positive multiple of 3s, the batch \
             interval; the nearest valid lengths are 9s and 12s\n\
             p.toml:7:49: `streams.s.ops[0].slide`: 1s is no positive multiple of 3s, the batch interval; \
             the least valid slide is 3s",
        ),
        (
            "[{ op = \"window\", length = \"6s\", slide = \"6s\" }, { op = \"count_by_window\", length = \
             \"9s\" }]",
            "p.toml:7:91: `streams.s.ops[1].length`: 9s is no positive multiple of 6s, the slide of what \
             reaches it (the batch interval is 3s); the nearest valid lengths are 6s and 12s",
        ),
        (
            "[{ op = \"count_by_value\" }, { op = \"reduce_by_key_and_window\", function = \"max\", length \
             = \"6s\", inverse = true }]",
            "p.toml:7:113: `streams.s.ops[1].inverse`: `max` has no inverse: only sum and count have",
        ),
    ]);
}

#[test]
fn overlays_are_named() {
    let text = format!(
        "{TOP}[sources.lines]\ntype = \"socket\"\naddress = \"h:1\"\n[sinks.out]\nfrom = \"lines\"\n\
         type = \"discard\"\n"
    );
    assert_eq!(
        errors_with(&text, &["sources.lines.address=h:2"], &[]),
        "no error"
    );
    assert_eq!(
        errors_with(&text, &["sources.lines.addres=h:2"], &[]),
        "--set sources.lines.addres: unknown key `addres` in [sources.lines] (type socket)\n  help: did \
         you mean `address`?"
    );
    assert_eq!(
        errors_with(&text, &["sources.line.address=h:2"], &[]),
        "--set sources.line.address: `sources.line.type` is missing: expected a type of source: http, \
         socket, files, rate, queue\n  help: did you mean `lines`?"
    );
    assert_eq!(
        errors_with(&text, &[], &[("TIDEMILL__SOURCES__LINES__ADDRESS", "h")]),
        "environment TIDEMILL__SOURCES__LINES__ADDRESS: `sources.lines.address`: `h` is no HOST:PORT: the \
         port is missing"
    );
    assert_eq!(
        errors_with(
            &text,
            &["batch_interval=soon"],
            &[("TIDEMILL__WAL__RECEIVER", "maybe")]
        ),
        "environment TIDEMILL__WAL__RECEIVER: `wal.receiver`: expected true or false, found the string \
         \"maybe\"\n\
         --set batch_interval: `batch_interval`: `soon` is no duration: a whole number goes before each \
         unit"
    );
}

#[test]
fn syntax_and_unreadable_files() {
    assert!(
        errors("name = \n").starts_with("p.toml:1:8: not valid TOML:"),
        "{}",
        errors("name = \n")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    let load = || {
        Pipeline::load(&path, &[], std::iter::empty())
            .unwrap_err()
            .to_string()
    };
    assert!(
        load().contains("p.toml: can't be read: No such file"),
        "{}",
        load()
    );
    std::fs::write(&path, b"name = \"\xff\"").unwrap();
    assert!(
        load().ends_with("it isn't UTF-8 from byte 8 on"),
        "{}",
        load()
    );
}

#[test]
fn keys_in_a_table_within_a_section() {
    check_with_ends(&[
        (
            "[backpressure]\nmin_rate = 5\npid.integrall = 1\npid.derived = -0.5\n",
            "p.toml:6:1: unknown key `min_rate` in [backpressure]\n  help: did you mean `pid.min_rate`?\n\
             p.toml:7:5: unknown key `pid.integrall` in [backpressure]\n  help: did you mean `pid.integral`?\n\
             p.toml:8:15: `backpressure.pid.derived`: -0.5 is no factor: it must be 0 or more",
        ),
        (
            "[jobs]\noverdue_after = -1\n[receiver]\nunready_afterr = \"1s\"\n",
            "p.toml:6:17: `jobs.overdue_after`: expected an integer, 0 or more, found the integer -1\n\
             p.toml:8:1: unknown key `unready_afterr` in [receiver]\n  help: did you mean `unready_after`?",
        ),
        (
            "[catch_up]\nmax_speed = 1\n",
            "p.toml:6:13: `catch_up.max_speed`: 1 is no such speed: it must be above 1, or nothing is ever caught up with",
        ),
        (
            "[backpressure.pid]\nmin_rate = 0\n",
            "p.toml:6:12: `backpressure.pid.min_rate`: expected an integer, 1 or more, found the integer 0",
        ),
        (
            "[backpressure]\npid = 3\n",
            "p.toml:6:1: unknown key `pid` in [backpressure]\n  help: the nearest valid name is `enabled`, of: \
             enabled, initial_rate, pid.proportional, pid.integral, pid.derived, pid.min_rate",
        ),
    ]);
}
