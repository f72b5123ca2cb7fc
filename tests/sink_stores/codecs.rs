//! Compressed parts whose codec changes between two attempts.

use bytes::Bytes;
use tidemill::codec::Codec;
use tidemill::rdd::{Executor, Rdd};
use tidemill::sink::{Sink, TextFiles};

use super::requests::read_parts;
use super::{FOLDER, all_records, batch, in_memory};

/// A decision is completed as it was made, whatever the program's codec has become.
#[test]
fn a_batch_keeps_the_codec_it_was_decided_with() {
    let executor = Executor::new(1, 1).unwrap();
    let rdd = Rdd::<String>::in_memory(vec![all_records()], &executor);
    let objects = in_memory();
    let stranger = format!("{FOLDER}/stranger");
    objects.put(&stranger, Bytes::new()).unwrap();
    let files = TextFiles::on_objects("out/counts", Some("txt"), objects.clone());
    let refused = files.clone().codec(Codec::Gzip).commit(&batch(), &rdd);
    assert!(refused.unwrap_err().to_string().contains("stranger"));
    objects.delete(&stranger).unwrap();
    files.commit(&batch(), &rdd).unwrap();
    let parts = read_parts(&*objects, FOLDER, ".gz").unwrap().unwrap();
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&*parts[0]);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert_eq!(
        text.lines().map(str::to_owned).collect::<Vec<_>>(),
        all_records()
    );
}
