//! Layers: which one wins, where each value came from, what it takes the place of, and where mistakes are said
//! to be.

// Helpers outside `#[test]` functions fail a test by panicking.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::path::Path;

use tidemill_config::{Layer, Layers, Pipeline, Setting};

const TEXT: &str = "\
name = \"a\"
batch_interval = \"1s\"
checkpoint.url = \"memory:\"
[stop]
timeout = \"10s\"
[sources.my-lines]
type = \"http\"
[streams.words]
from = \"my-lines\"
ops = [{ op = \"split\", on = \",\" }]
[sinks.out]
from = \"words\"
type = \"discard\"
";

fn layers() -> Layers {
    Layers::of("p.toml", TEXT)
}

fn pipeline(layers: Layers) -> Pipeline {
    layers
        .pipeline()
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn setting<'a>(pipeline: &'a Pipeline, key: &str) -> &'a Setting {
    let found = pipeline.setting(key);
    found.unwrap_or_else(|| panic!("no setting {key}"))
}

/// `value <- origin`, and each that it takes the place of.
fn told(setting: &Setting) -> String {
    let mut text = format!(
        "{} <- {}",
        setting.value.as_deref().unwrap_or("none"),
        setting.origin()
    );
    for below in &setting.overridden {
        text.push_str(&format!(" over {} <- {}", below.value, below.location));
    }
    text
}

#[test]
fn each_layer_wins_over_those_before_it() {
    let key = "stop.timeout";
    type Step = (fn(Layers) -> Layers, &'static str, &'static str);
    let steps: [Step; 5] = [
        (|layers| layers, "\"10s\"", "p.toml:5:11"),
        (
            |layers| layers.with_drop_in("p.toml.d/10.toml", "stop.timeout = '20s'\n"),
            "\"20s\"",
            "p.toml.d/10.toml:1:16",
        ),
        (
            |layers| layers.with_drop_in("p.toml.d/20.toml", "\n[stop]\ntimeout = '30s'\n"),
            "\"30s\"",
            "p.toml.d/20.toml:3:11",
        ),
        (
            |layers| {
                let name = "TIDEMILL__STOP__TIMEOUT".to_owned();
                layers.with_environment([(name, "40s".to_owned())])
            },
            "\"40s\"",
            "environment TIDEMILL__STOP__TIMEOUT",
        ),
        (
            |layers| layers.with_sets(&["stop.timeout=50s".to_owned()]),
            "\"50s\"",
            "--set stop.timeout",
        ),
    ];
    let mut below = String::new();
    let mut layers = layers();
    for (lay, value, origin) in steps {
        layers = lay(layers);
        let pipeline = pipeline(layers.clone());
        let expected = format!("{value} <- {origin}");
        assert_eq!(told(setting(&pipeline, key)), format!("{expected}{below}"));
        below = format!(" over {expected}{below}");
    }
    let none = pipeline(Layers::of("p", TEXT.replace("timeout = \"10s\"", "")));
    assert_eq!(told(setting(&none, key)), "\"1m\" <- default");
}

#[test]
fn tables_are_put_together_and_all_else_is_replaced() {
    let drop_in = "checkpoint.interval = '5s'\n\
                   [streams.words]\nops = [{ op = 'split' }, { op = 'filter', contains = 'x' }]\n\
                   [sources.my-lines]\nmax_rate = 5\n[sinks.more]\nfrom = 'words'\ntype = 'console'\n";
    let sets = ["streams.words.ops.1.contains=y".to_owned()];
    let pipeline = pipeline(layers().with_drop_in("d/1.toml", drop_in).with_sets(&sets));
    for (key, expected) in [
        ("checkpoint.url", "\"memory:\" <- p.toml:3:18"),
        ("checkpoint.interval", "\"5s\" <- d/1.toml:1:23"),
        ("sources.my-lines.type", "\"http\" <- p.toml:7:8"),
        ("sources.my-lines.max_rate", "5 <- d/1.toml:5:12"),
        (
            "streams.words.ops.0.op",
            "\"split\" <- d/1.toml:3:15 over [{ op = \"split\", on = \",\" }] <- p.toml:10:7",
        ),
        (
            "streams.words.ops.1.contains",
            "\"y\" <- --set streams.words.ops.1.contains over \"x\" <- d/1.toml:3:54",
        ),
        ("sinks.more.rows", "10 <- default"),
        ("sinks.more.uid", "none <- not set"),
        (
            "wal.url",
            "\"memory:\" <- default: `wal` beside the checkpoint; memory: if that is memory:",
        ),
    ] {
        assert_eq!(told(setting(&pipeline, key)), expected, "{key}");
    }
    assert!(pipeline.setting("streams.words.ops.0.on").is_none());
    assert_eq!(pipeline.sinks.len(), 2);
    assert_eq!(
        setting(&pipeline, "name").location().unwrap().layer,
        Layer::File
    );
}

#[test]
fn every_key_of_what_is_there_is_told_once() {
    let pipeline = pipeline(layers());
    let mut keys: Vec<&str> = pipeline
        .settings
        .iter()
        .map(|setting| setting.key.as_str())
        .collect();
    for section in tidemill_config::keys::sections() {
        if !section.section.contains("NAME") {
            for key in section.keys {
                let dotted = match section.section {
                    "" => key.name.to_owned(),
                    section => format!("{section}.{}", key.name),
                };
                assert!(keys.contains(&dotted.as_str()), "{dotted}");
            }
        }
    }
    keys.sort_unstable();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn mistakes_name_the_layer_that_they_are_in() {
    let errors = |layers: Layers| layers.pipeline().unwrap_err().to_string();
    let drop_in = |text: &str| layers().with_drop_in("p.toml.d/1.toml", text);
    for (layers, expected) in [
        (
            drop_in("[stop]\ntimout = '1s'\n"),
            "p.toml.d/1.toml:2:1: unknown key `timout` in [stop]\n  help: did you mean `timeout`?",
        ),
        (
            drop_in("stop = 5\n"),
            "p.toml.d/1.toml:1:8: `stop`: expected a table of settings, found the integer 5",
        ),
        (
            drop_in("[sinks.other]\nfrom = 'wrods'\n"),
            "p.toml.d/1.toml:1:8: `sinks.other.type` is missing: expected a type of sink: console, \
             text_files, object_files, json_files, csv_files, sequence_files, parquet_files, \
             arrow_files, avro_files, discard\n\
             p.toml.d/1.toml:2:8: unknown source or stream `wrods`\n  help: did you mean `words`?",
        ),
    ] {
        assert_eq!(errors(layers), expected);
    }
    // All texts that can't be understood are told at once.
    let broken = Layers::of("p.toml", "name = \n").with_drop_in("d/1.toml", "x = [\n");
    let text = errors(broken);
    assert!(text.contains("p.toml:1:8: not valid TOML"), "{text}");
    assert!(text.contains("d/1.toml:"), "{text}");
}

#[test]
fn drop_ins_are_read_from_the_folder_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let timeout = |file: &Path| {
        let layers = Layers::read(file).map_err(|errors| errors.to_string())?;
        let pipeline = layers.pipeline().map_err(|errors| errors.to_string())?;
        Ok::<_, String>(pipeline.stop.timeout.as_secs())
    };
    write("p.toml", TEXT.as_bytes());
    assert_eq!(timeout(&file), Ok(10));
    // By name, whatever order they were made in; nothing else counts.
    write("p.toml.d/20-b.toml", b"stop.timeout = '2s'\n");
    write("p.toml.d/10-a.toml", b"stop.timeout = '1s'\n");
    write("p.toml.d/.30-c.toml", b"stop.timeout = '3s'\n");
    write("p.toml.d/40-d.toml~", b"stop.timeout = '4s'\n");
    write("p.toml.d/README", b"not TOML\n");
    assert_eq!(timeout(&file), Ok(2));
    let pipeline = Pipeline::load(&file, &[], std::iter::empty()).unwrap();
    let text = pipeline.program_text();
    assert!(text.starts_with(TEXT), "{text}");
    assert!(
        text.contains("20-b.toml ----\nstop.timeout = '2s'\n"),
        "{text}"
    );

    write("p.toml.d/50.toml", b"name = \"\xff\"");
    let error = timeout(&file).unwrap_err();
    assert!(
        error.ends_with("50.toml: can't be read: it isn't UTF-8 from byte 8 on"),
        "{error}"
    );
    std::fs::remove_file(folder.path().join("p.toml.d/50.toml")).unwrap();
    write("p.toml.d/60.toml/x", b"");
    let error = timeout(&file).unwrap_err();
    assert!(error.contains("60.toml: can't be read: "), "{error}");
    std::fs::remove_dir_all(folder.path().join("p.toml.d")).unwrap();
    write("p.toml.d", b"a file in the folder's place");
    let error = timeout(&file).unwrap_err();
    assert!(
        error.contains("p.toml.d: can't be read: Not a directory"),
        "{error}"
    );
}

#[test]
fn secrets_are_refused_and_never_repeated() {
    for (text, told) in [
        (
            "[admin]\ntoken = 'hunter2'\n",
            "help: secrets aren't written into a pipeline: put it in a file and name that by `token_file`",
        ),
        (
            "[sources.my-lines]\npassword = 'hunter2'\n",
            "help: secrets aren't written into a pipeline",
        ),
        (
            "api_key = 'hunter2'\n",
            "help: secrets aren't written into a pipeline",
        ),
        (
            "checkpoint.url = 's3://me:hunter2@bucket/a'\n",
            "`s3://me:***@bucket/a` holds a password",
        ),
        (
            "[sources.more]\ntype = 'files'\npath = 's3://me:hunter2@bucket/in'\n",
            "holds a password",
        ),
        ("wal.url = 's3://me:hunter2@bucket/a'\n", "holds a password"),
        (
            "dead_letters.url = 's3://me:hunter2@bucket/a'\n",
            "holds a password",
        ),
        (
            "[sinks.x]\nfrom = 'words'\ntype = 'text_files'\nprefix = 's3://me:hunter2@b/a'\n",
            "holds a password",
        ),
    ] {
        let errors = layers()
            .with_drop_in("d/1.toml", text)
            .pipeline()
            .unwrap_err();
        let errors = format!("{errors} {errors:?}");
        assert!(errors.contains(told), "{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
    let commented = format!("# was s3://me:hunter2@bucket/a\n{TEXT}");
    let pipeline = pipeline(Layers::of("p.toml", commented));
    let text = pipeline.program_text();
    assert!(text.starts_with("# was s3://me:***@bucket/a\n"), "{text}");
}
