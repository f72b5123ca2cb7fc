//! Segments and frames, through the log's own doors, on a simulated disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use tidemill_storage::durable::{create_dir_all_durable, write_durable};
use tidemill_storage::{Disk, SimDisk};
use tidemill_wal::format::frame::{FrameHeader, GROUP_START};
use tidemill_wal::format::header::SegmentHeader;
use tidemill_wal::{Error, LogKind, LogReader, Recovered, Sequence, Wal, WalOptions};

use crate::log_model::{self, Entry, Opener, Segment, Then};
use crate::repair;
use crate::run::{Target, as_it_is, outcome};

const DIR: &str = "/log";
const EPOCH: u64 = 5;
const KIND: LogKind = LogKind(1);
/// Entries of each segment of [`three_segments`].
const ENTRIES: u64 = 4;

fn options() -> WalOptions {
    WalOptions::new(KIND, EPOCH)
}

fn path(first: u64) -> PathBuf {
    Path::new(DIR).join(format!("{first:020}.wal"))
}

fn open(disk: &SimDisk) -> tidemill_wal::Result<(Wal, Recovered)> {
    Wal::open(Arc::new(disk.clone()), Path::new(DIR), options())
}

/// Three segments of two groups of two entries each.
fn three_segments() -> SimDisk {
    let disk = SimDisk::new();
    create_dir_all_durable(&disk, Path::new(DIR)).unwrap();
    for segment in 0..3 {
        write(&disk, segment * ENTRIES, &segment_of(segment));
    }
    disk
}

fn segment_of(segment: u64) -> Vec<u8> {
    let first = segment * ENTRIES;
    let header = SegmentHeader {
        log_kind: KIND,
        epoch: EPOCH,
        first: Sequence(first),
    };
    let mut bytes = header.encode().to_vec();
    for entry in 0..ENTRIES {
        let payload = vec![b'a' + entry as u8; (segment * 40 + entry * 9) as usize];
        let mark = if entry.is_multiple_of(2) {
            GROUP_START
        } else {
            0
        };
        let mut frame = FrameHeader {
            len: payload.len() as u32,
            crc: 0,
            sequence: Sequence(first + entry),
            tag: entry as u8 | mark,
        };
        let mut hasher = frame.hasher(header.binding());
        hasher.update(&payload);
        frame.crc = hasher.finalize();
        frame.encode_into(&mut bytes);
        bytes.extend(payload);
    }
    bytes
}

fn write(disk: &SimDisk, first: u64, bytes: &[u8]) {
    write_durable(disk, &path(first), bytes).unwrap();
}

fn stored(disk: &SimDisk, first: u64) -> Bytes {
    disk.read(&path(first)).unwrap()
}

fn segment_seeds(disk: &SimDisk) -> Vec<Vec<u8>> {
    let all = (0..3).map(|segment| stored(disk, segment * ENTRIES).to_vec());
    let golden = include_bytes!("../../wal/tests/golden/v1.wal").to_vec();
    all.chain([golden]).collect()
}

fn read_model(bytes: &[u8], first: u64) -> Segment {
    let opener = Opener {
        kind: KIND.0,
        epoch: EPOCH,
        first,
    };
    log_model::read(bytes, &opener)
}

fn plain(entry: tidemill_wal::Entry) -> Entry {
    Entry {
        sequence: entry.sequence.0,
        kind: entry.kind,
        payload: entry.payload.to_vec(),
    }
}

/// All that a replay gives, and how it ended.
fn replay(wal: &Wal) -> (Vec<Entry>, Option<Error>) {
    let mut entries = Vec::new();
    for entry in wal.replay(Sequence(0)).unwrap() {
        match entry {
            Ok(entry) => entries.push(plain(entry)),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, None)
}

fn entries_of(disk: &SimDisk, segments: std::ops::Range<u64>) -> Vec<Entry> {
    let read = |segment: u64| match read_model(&stored(disk, segment * ENTRIES), segment * ENTRIES)
    {
        Segment::Frames { entries, .. } => entries,
        Segment::Refused => panic!("segment {segment} was written so"),
    };
    segments.flat_map(read).collect()
}

#[test]
fn wal_frame() {
    let good = include_bytes!("../../wal/tests/golden/v1.wal");
    let target = Target {
        name: "wal_frame",
        seeds: vec![good[40..57].to_vec(), good[57..86].to_vec()],
        words: &[],
        repair: repair::frame,
        cases: 20_000,
    };
    target.run(|case| {
        let Some(header) = FrameHeader::decode(case) else {
            assert!(case.len() < 17);
            return "short".to_owned();
        };
        let mut again = Vec::new();
        header.encode_into(&mut again);
        assert_eq!(again, case[..17]);
        let whole = case.len() - 17 == header.len as usize;
        match whole && header.verifies(&Hasher::new_with_initial(repair::FRAME_BINDING), case) {
            true => format!("good {}", header.starts_group()),
            false => "bad".to_owned(),
        }
    });
}

#[test]
fn wal_header() {
    let good = include_bytes!("../../wal/tests/golden/v1.wal");
    let target = Target {
        name: "wal_header",
        seeds: vec![good[..40].to_vec()],
        words: &["TIDEMWAL"],
        repair: repair::segment,
        cases: 20_000,
    };
    target.run(|case| {
        let decoded = SegmentHeader::decode("x.wal", Sequence(0), case);
        if let Ok(header) = &decoded {
            let again = SegmentHeader::decode("x.wal", Sequence(0), &header.encode()).unwrap();
            assert_eq!(again, *header);
        }
        outcome(&decoded, "x.wal")
    });
}

/// Anything as the newest segment: what is before it stays, what is good in it stays, and the log goes on;
/// or the opening is refused and nothing is touched.
#[test]
fn wal_last_segment() {
    let disk = three_segments();
    let target = Target {
        name: "wal_last_segment",
        seeds: segment_seeds(&disk),
        words: &["TIDEMWAL"],
        repair: repair::segment,
        cases: 1_500,
    };
    let last = 2 * ENTRIES;
    target.run(|case| {
        let disk = disk.snapshot();
        write(&disk, last, case);
        let reader = LogReader::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
        let report = reader.verify().unwrap();
        let opened = open(&disk);
        let told = outcome(&opened.as_ref().map(|_| ()), DIR);
        let model = read_model(case, last);
        let refused = !matches!(
            &model,
            Segment::Frames {
                then: Then::End | Then::Torn,
                ..
            }
        );
        assert_eq!(refused, opened.is_err(), "{told}; {model:?}");
        let Ok((wal, recovered)) = opened else {
            assert_eq!(stored(&disk, last), case, "a refused log was touched");
            if let Err(Error::Corrupt { .. } | Error::NewerVersion { .. }) = open(&disk) {
                assert_eq!(report.findings.len(), 1, "wal verify tells, too");
            }
            return told;
        };
        assert!(report.findings.is_empty(), "{report:?}");
        assert_eq!(report.torn_tail, recovered.torn_tail);
        let Segment::Frames { entries, end, then } = model else {
            unreachable!()
        };
        let torn = recovered
            .torn_tail
            .as_ref()
            .map(|torn| torn.offset as usize);
        assert_eq!(torn, (then == Then::Torn).then_some(end));
        assert_eq!(stored(&disk, last), case[..end]);
        let mut all = entries_of(&disk, 0..2);
        all.extend(entries);
        let (found, error) = replay(&wal);
        assert!(error.is_none() && found == all, "{error:?}");
        // It goes on behind what it kept, through a power cut as well.
        let appended = wal
            .append(1, vec![Bytes::from_static(b"on")])
            .wait()
            .unwrap();
        assert_eq!(appended.sequence.0, all.len() as u64);
        drop(wal);
        disk.power_cut();
        let (wal, _) = open(&disk).unwrap();
        let (found, error) = replay(&wal);
        assert!(error.is_none() && found.len() == all.len() + 1, "{error:?}");
        assert_eq!(found[..all.len()], all);
        format!("read {} {}", torn.is_some(), all.len())
    });
}

/// Anything as a segment in the middle: each entry is handed out as it was written or an error names the
/// segment; what is before and behind it stays.
#[test]
fn wal_middle_segment() {
    let disk = three_segments();
    let target = Target {
        name: "wal_middle_segment",
        seeds: segment_seeds(&disk),
        words: &["TIDEMWAL"],
        repair: repair::segment,
        cases: 1_500,
    };
    let (before, behind) = (entries_of(&disk, 0..1), entries_of(&disk, 2..3));
    target.run(|case| {
        let disk = disk.snapshot();
        write(&disk, ENTRIES, case);
        let name = path(ENTRIES).display().to_string();
        let report = LogReader::open(Arc::new(disk.clone()), Path::new(DIR))
            .unwrap()
            .verify()
            .unwrap();
        let wal = match (open(&disk), read_model(case, ENTRIES)) {
            (Ok((wal, _)), Segment::Frames { entries, then, .. }) => {
                let whole = then == Then::End && entries.len() as u64 == ENTRIES;
                let (found, error) = replay(&wal);
                let mut all = before.clone();
                all.extend(entries);
                if whole {
                    all.extend(behind.clone());
                }
                assert_eq!(found, all);
                assert_eq!(error.is_none(), whole);
                assert_eq!(report.findings.is_empty(), whole, "{report:?}");
                let told = error.map_or("read".to_owned(), |error| error.to_string());
                assert!(whole || told.contains(&name), "{told}");
                let later = wal.replay(Sequence(2 * ENTRIES)).unwrap();
                let later: Vec<Entry> = later.map(|entry| plain(entry.unwrap())).collect();
                assert_eq!(later, behind);
                return told;
            }
            (Err(error), Segment::Refused) => error.to_string(),
            (opened, model) => panic!("{:?}; {model:?}", opened.err()),
        };
        assert!(wal.contains(&name), "{wal}");
        assert_eq!(stored(&disk, ENTRIES), case);
        wal
    });
}

/// Arbitrary names and bytes in the folder: other files are let be, segments are checked.
#[test]
fn wal_folder() {
    let names = [
        "00000000000000000009.wal",
        "00000000000000000009.wal.new",
        "9.wal",
        "x",
    ];
    let target = Target {
        name: "wal_folder",
        seeds: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
        words: &["0", "9", ".wal", ".new", "-"],
        repair: as_it_is,
        cases: 2_000,
    };
    let disk = three_segments();
    target.run(|case| {
        let name = String::from_utf8_lossy(case).replace(['/', '\0'], "_");
        if name.is_empty() || name == "." || name == ".." {
            return "no name".to_owned();
        }
        let disk = disk.snapshot();
        create_dir_all_durable(&disk, Path::new(DIR)).unwrap();
        write_durable(&disk, &Path::new(DIR).join(&name), case).unwrap();
        let digits = name.strip_suffix(".wal").unwrap_or_default();
        let named = digits.len() == 20
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && digits.parse::<u64>().is_ok();
        let opened = open(&disk);
        assert_eq!(opened.is_err(), named, "{name}");
        match opened {
            Ok((wal, _)) => assert_eq!(replay(&wal).0.len() as u64, 3 * ENTRIES),
            Err(error) => assert!(error.to_string().contains(&name), "{error}"),
        }
        format!("{named}")
    });
}
