//! A write-ahead log: segments, checksummed frames, group commit, replay. It knows no stream terms.
